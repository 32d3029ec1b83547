package realkafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/moby/moby/api/types/container"
	dockernet "github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

// startTimeout bounds the start of one broker, which takes seconds on an idle machine; this
// one may be busy.
const startTimeout = 2 * time.Minute

// node is one broker in its container.
type node struct {
	id   int
	cfg  *config
	host string
	net  *testcontainers.DockerNetwork
	port int

	mu      sync.Mutex
	c       testcontainers.Container
	stopped bool
}

// addr is where clients reach the broker. It never changes.
func (n *node) addr() string { return net.JoinHostPort(n.host, strconv.Itoa(n.port)) }

// create makes and starts the container, with another port if the chosen one is taken.
func (n *node) create(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var err error
	for range 10 {
		n.port = drawPort()
		var c testcontainers.Container
		c, err = testcontainers.GenericContainer(ctx, testcontainers.GenericContainerRequest{
			ContainerRequest: n.request(), Started: true, Logger: quiet{},
		})
		n.mu.Lock()
		n.c = c
		n.mu.Unlock()
		if err == nil {
			return nil
		}
		if !portTaken(err) {
			break
		}
		if err := n.remove(ctx); err != nil {
			return err
		}
	}
	log, _ := n.log(context.WithoutCancel(ctx))
	return fmt.Errorf("start broker %d of image %s: %w%s", n.id, n.cfg.image, err, lastLines(log, 20))
}

func portTaken(err error) bool {
	return strings.Contains(err.Error(), "port is already allocated") || strings.Contains(err.Error(), "address already in use")
}

// drawPort chooses a free port below the ranges that systems assign by themselves, so that
// it stays free while the broker is stopped.
func drawPort() int {
	port := 0
	for range 100 {
		port = 15000 + rand.IntN(15000) //nolint:forbidigo // nothing is replayed on real brokers
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = l.Close()
			break
		}
	}
	return port
}

// request describes the container.
func (n *node) request() testcontainers.ContainerRequest {
	req := testcontainers.ContainerRequest{
		Image:        n.cfg.image,
		ExposedPorts: []string{"9092/tcp"},
		Labels:       labels(),
		HostConfigModifier: func(hc *container.HostConfig) {
			binding := dockernet.PortBinding{HostPort: strconv.Itoa(n.port)}
			if n.host == "127.0.0.1" {
				binding.HostIP = netip.MustParseAddr(n.host)
			}
			hc.PortBindings = dockernet.PortMap{dockernet.MustParsePort("9092/tcp"): {binding}}
		},
	}
	if n.net != nil {
		req.Networks = []string{n.net.Name}
		req.NetworkAliases = map[string][]string{n.net.Name: {alias(n.id)}}
	}
	if n.cfg.redpanda {
		n.redpanda(&req)
	} else {
		n.kafka(&req)
	}
	return req
}

func alias(id int) string { return fmt.Sprintf("kafka-%d", id) }

func (n *node) container() (testcontainers.Container, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.c == nil {
		return nil, fmt.Errorf("broker %d has no container", n.id)
	}
	return n.c, nil
}

// stop stops the container; grace 0 kills the broker.
func (n *node) stop(ctx context.Context, grace time.Duration) error {
	c, err := n.container()
	if err != nil {
		return err
	}
	if err := c.Stop(ctx, &grace); err != nil {
		return fmt.Errorf("stop broker %d: %w", n.id, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stopped = true
	return nil
}

// start starts a stopped container and returns when the broker accepts
// connections.
func (n *node) start(ctx context.Context) error {
	c, err := n.container()
	if err != nil {
		return err
	}
	n.mu.Lock()
	stopped := n.stopped
	n.mu.Unlock()
	if !stopped {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := c.Start(ctx); err != nil {
		log, _ := n.log(context.WithoutCancel(ctx))
		return fmt.Errorf("start broker %d again: %w%s", n.id, err, lastLines(log, 20))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stopped = false
	return nil
}

// remove removes the container, if there is one, with its data.
func (n *node) remove(ctx context.Context) error {
	n.mu.Lock()
	c := n.c
	n.c = nil
	n.mu.Unlock()
	if c == nil {
		return nil
	}
	if err := c.Terminate(ctx, testcontainers.StopTimeout(0)); err != nil {
		return fmt.Errorf("remove broker %d: %w", n.id, err)
	}
	return nil
}

// log returns everything that the broker printed, without passwords.
func (n *node) log(ctx context.Context) (string, error) {
	c, err := n.container()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := c.Logs(ctx)
	if err != nil {
		return "", fmt.Errorf("log of broker %d: %w", n.id, err)
	}
	var text bytes.Buffer
	_, err = io.Copy(&text, r)
	if err = errors.Join(err, r.Close()); err != nil {
		return "", fmt.Errorf("log of broker %d: %w", n.id, err)
	}
	return n.cfg.hide(text.String()), nil
}

// lastLines is the end of a log for an error message.
func lastLines(log string, most int) string {
	log = strings.TrimSpace(log)
	if log == "" {
		return ""
	}
	lines := strings.Split(log, "\n")
	return "\nits log ends:\n" + strings.Join(lines[max(0, len(lines)-most):], "\n")
}

// accepting waits until the broker's port accepts connections from here.
func accepting() wait.Strategy {
	return wait.ForListeningPort("9092/tcp").SkipInternalCheck().WithPollInterval(100 * time.Millisecond).WithStartupTimeout(startTimeout)
}
