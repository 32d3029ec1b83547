package realkafka

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// Labels of the containers, by which those of killed tests are found.
const (
	labelOurs  = "com.github.kvsim.realkafka"
	labelOwner = "com.github.kvsim.owner"
)

// engine is the Docker engine that testcontainers finds.
type engine struct {
	host string // where published ports are reached
	api  client.APIClient
}

func unavailable(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrUnavailable, fmt.Errorf(format, args...))
}

// findEngine checks that the engine answers.
func findEngine(ctx context.Context) (e *engine, err error) {
	defer func() {
		// testcontainers panics when it finds no address to try.
		if r := recover(); r != nil {
			e, err = nil, unavailable("no Docker engine is found (%v): start one, by make docker-engine or otherwise, or set %s", r, EnvBrokers)
		}
	}()
	p, err := testcontainers.NewDockerProvider(testcontainers.WithLogger(quiet{}))
	if err != nil {
		return nil, unavailable("no Docker engine answers: start one, by make docker-engine or otherwise, or set %s: %w", EnvBrokers, err)
	}
	asked, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := p.Client().Ping(asked, client.PingOptions{}); err != nil {
		return nil, unavailable("no Docker engine answers: start one, by make docker-engine or otherwise, or set %s: %w", EnvBrokers, err)
	}
	host, err := p.DaemonHost(asked)
	if err != nil {
		return nil, fmt.Errorf("where the engine publishes ports: %w", err)
	}
	if host == "localhost" {
		host = "127.0.0.1" // the engine may not publish on IPv6
	}
	return &engine{host: host, api: p.Client()}, nil
}

// haveImage pulls an image that the engine does not have. It does so itself because
// testcontainers retries for minutes where there is no network.
func (e *engine) haveImage(ctx context.Context, image string) error {
	_, err := e.api.ImageInspect(ctx, image)
	if err == nil {
		return nil
	}
	if !errdefs.IsNotFound(err) {
		return fmt.Errorf("look for image %s: %w", image, err)
	}
	pull, err := e.api.ImagePull(ctx, image, client.ImagePullOptions{})
	if err == nil {
		err = errors.Join(pull.Wait(ctx), pull.Close())
	}
	if err != nil {
		return unavailable("the engine does not have the image %s and can't pull it: run make kafka-image and set %s, or set %s: %w",
			image, EnvImage, EnvBrokers, err)
	}
	return nil
}

// labels mark the containers that this process starts.
func labels() map[string]string {
	host, _ := os.Hostname()
	return map[string]string{labelOurs: "true", labelOwner: fmt.Sprintf("%s/%d", host, os.Getpid())}
}

// removeStale removes the containers of processes of this machine that no longer run, in
// case nothing else does: the reaper of testcontainers needs an image of its own and may be
// turned off.
func (e *engine) removeStale(ctx context.Context) {
	list, err := e.api.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", labelOurs),
	})
	if err != nil {
		return
	}
	host, _ := os.Hostname()
	for _, c := range list.Items {
		owner, pid, ok := strings.Cut(c.Labels[labelOwner], "/")
		n, err := strconv.Atoi(pid)
		if !ok || owner != host || err != nil || processLives(n) {
			continue
		}
		// Nothing depends on it: the next start tries again.
		_, _ = e.api.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	}
}

// quiet drops the progress lines of testcontainers; errors say what matters.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
