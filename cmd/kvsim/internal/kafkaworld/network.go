package kafkaworld

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"syscall"

	"github.com/kvsim/kvsim/internal/simnet"
)

// firstPort is the port of broker 0 in the simulated network.
const firstPort = 9092

// A bridge forwards what clients send into a simulated network to real brokers, and the
// answers back.
type bridge struct {
	net    *simnet.Network
	inside map[string]string // addresses in the network, by addresses of brokers
	ctx    context.Context   //nolint:containedctx // ends with the bridge
	cancel context.CancelFunc
	all    sync.WaitGroup
}

// newBridge makes a network with a listener for each broker.
func newBridge(cfg simnet.Config, addrs []string) (*bridge, error) {
	n, err := simnet.New(cfg)
	if err != nil {
		return nil, err
	}
	b := &bridge{net: n, inside: map[string]string{}}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	for i, addr := range addrs {
		inside := net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+i))
		l, err := n.Listen("tcp", inside)
		if err != nil {
			return nil, errors.Join(err, b.Close())
		}
		b.inside[addr] = inside
		b.all.Go(func() { b.serve(l, addr) })
	}
	return b, nil
}

// Close ends all connections and waits for the goroutines that served them.
func (b *bridge) Close() error {
	b.cancel()
	err := b.net.Close()
	b.all.Wait()
	return err
}

// Dialer implements simcluster.Cluster, for the addresses that brokers advertise.
func (b *bridge) Dialer(client string) func(ctx context.Context, network, address string) (net.Conn, error) {
	dial := b.net.Dialer(client)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		inside, ok := b.inside[address]
		if !ok {
			return nil, &net.OpError{Op: "dial", Net: network, Err: fmt.Errorf("%s is none of the brokers that the world began with", address)}
		}
		return dial(ctx, network, inside)
	}
}

// serve accepts connections to a broker until the network closes.
func (b *bridge) serve(l net.Listener, addr string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		b.all.Go(func() { b.carry(c, addr) })
	}
}

// carry joins a client's connection with one to the broker until either ends. The other then
// ends in the same way, cleanly or by a reset.
func (b *bridge) carry(client net.Conn, addr string) {
	defer client.Close()
	var d net.Dialer
	broker, err := d.DialContext(b.ctx, "tcp", addr)
	if err != nil {
		return
	}
	stop := context.AfterFunc(b.ctx, func() { _ = broker.Close() })
	defer stop()
	var both sync.WaitGroup
	both.Go(func() {
		_, err := io.Copy(broker, client)
		if errors.Is(err, syscall.ECONNRESET) {
			_ = broker.(*net.TCPConn).SetLinger(0)
		}
		_ = broker.Close()
	})
	both.Go(func() {
		_, _ = io.Copy(client, broker)
		_ = client.Close()
	})
	both.Wait()
}
