package kvstore

import (
	"context"
	"net"
	"sync"
	"sync/atomic"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
)

// wires are the connections of the kgo client that writes. They are tracked so that a try
// without an answer can be taken back as far as this is possible (I18): what is in a
// socket's buffer is sent minutes later if the network comes back.
type wires struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)

	// produced counts the produce requests of which bytes were sent.
	produced atomic.Int64

	// trying is the identity of the batch of which a try is under way, nil for none.
	trying invariant.Shared[*sender]

	mu   sync.Mutex
	open map[*wire]struct{}
}

func newWires(dial func(context.Context, string, string) (net.Conn, error)) *wires {
	return &wires{dial: dial, open: map[*wire]struct{}{}}
}

// Dial is the dialer of the kgo client.
func (ws *wires) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := ws.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c := &wire{Conn: conn, all: ws}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.open[c] = struct{}{}
	return c, nil
}

// cut closes all connections. What the other side's kernel has not received by then never
// arrives.
func (ws *wires) cut() {
	ws.mu.Lock()
	open := ws.open
	ws.open = map[*wire]struct{}{}
	ws.mu.Unlock()
	for c := range open {
		c.drop()
	}
}

// wire is one of the connections.
type wire struct {
	net.Conn

	all     *wires
	waiting atomic.Bool // a produce request on it has no answer yet
}

// NetConn returns the connection that the dialer made.
func (c *wire) NetConn() net.Conn { return c.Conn }

func (c *wire) Write(p []byte) (int, error) {
	produce := isProduce(p)
	if produce {
		c.waiting.Store(true)
	}
	trying := c.all.trying.Load() // before anything is sent: the try may end meanwhile
	n, err := c.Conn.Write(p)
	if produce && n > 0 {
		c.all.produced.Add(1)
		if invariant.On {
			checkProduced(p, trying)
		}
	}
	return n, err
}

// isProduce reports whether p begins with a produce request: four bytes of length, then two
// of api key. kgo writes a request in one call.
func isProduce(p []byte) bool { return len(p) > 5 && p[4] == 0 && p[5] == produceKey }

// produceKey is the api key of a produce request.
const produceKey = 0

func (c *wire) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.waiting.Store(false)
	}
	return n, err
}

// Close closes the connection, and takes back the part of a produce request that was not
// sent.
func (c *wire) Close() error {
	c.all.mu.Lock()
	delete(c.all.open, c)
	c.all.mu.Unlock()
	if c.waiting.Load() {
		c.drop()
	}
	return c.Conn.Close()
}

// drop resets the connection below TLS, which would otherwise send a close notification
// first.
func (c *wire) drop() {
	raw := c.Conn
	for {
		inner, ok := raw.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		raw = inner.NetConn()
	}
	if l, ok := raw.(interface{ SetLinger(sec int) error }); ok {
		_ = l.SetLinger(0) // fails only on a connection that is closed
	}
	_ = raw.Close()
}
