package simnet

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// keepBuffer is the largest receive buffer that is kept when it is empty.
const keepBuffer = 1 << 20

// pair is one connection: both ends and both directions.
type pair struct {
	n                  *Network
	toBroker, toClient half
	client, broker     conn
	direct             bool // outside the simulation
	place              place
	down               atomic.Bool   // reset
	sent               *atomic.Int64 // by all clients of this name; nil on a direct connection

	mu    sync.Mutex
	asked []asked

	// shaking is true until the first request that says what the connection is
	// for. nominal is the instant that the handshake would have reached by now
	// if no delivery had waited for its lane. See handshake.go.
	shaking atomic.Bool
	nominal time.Time // guarded by mu
}

func newPair(n *Network, client string, broker int32, dial int, at place, addr *net.TCPAddr) *pair {
	p := &pair{n: n, place: at}
	p.toBroker.init(p, Link{client, broker, dial, ToBroker})
	p.toClient.init(p, Link{client, broker, dial, ToClient})
	p.shaking.Store(!n.cfg.Raw)
	p.nominal = time.Now()
	p.join(addr)
	return p
}

func newDirect(n *Network, addr *net.TCPAddr) *pair {
	p := &pair{n: n, direct: true}
	for _, h := range []*half{&p.toBroker, &p.toClient} {
		h.p, h.raw, h.direct = p, true, true
		h.cond.L = &h.mu
	}
	p.join(addr)
	return p
}

// join makes the two ends.
func (p *pair) join(addr *net.TCPAddr) {
	p.client = conn{pair: p, in: &p.toClient, out: &p.toBroker, local: tcpAddr(0), remote: addr}
	p.broker = conn{pair: p, in: &p.toBroker, out: &p.toClient, local: addr, remote: tcpAddr(0)}
}

// reset resets both ends. done is a direction whose reader already knows, or nil.
func (p *pair) reset(done *half) {
	p.down.Store(true)
	if done != &p.toBroker {
		p.toBroker.abort()
	}
	if done != &p.toClient {
		p.toClient.abort()
	}
}

// conn is one end of a connection.
type conn struct {
	pair          *pair
	in, out       *half
	local, remote *net.TCPAddr
	closed        atomic.Bool
	resets        atomic.Bool // instead of closing cleanly

	deadlineMu    sync.Mutex
	writeDeadline time.Time
}

var _ net.Conn = (*conn)(nil)

func (c *conn) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, err := c.in.read(b)
	switch err { //nolint:errorlint // errors of this package, never wrapped
	case nil, io.EOF:
		return n, err
	case errReset:
		return n, c.syscallError("read", syscall.ECONNRESET)
	}
	return n, c.opError("read", err)
}

func (h *half) read(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		if h.closed {
			return 0, net.ErrClosed
		}
		if !h.deadline.IsZero() && !time.Now().Before(h.deadline) {
			return 0, os.ErrDeadlineExceeded
		}
		if h.off < len(h.buf) {
			n := copy(b, h.buf[h.off:])
			h.off += n
			if h.off == len(h.buf) && cap(h.buf) > keepBuffer {
				h.buf, h.off = nil, 0
			}
			return n, nil
		}
		if h.end != nil {
			return 0, h.end
		}
		h.armDeadline()
		h.waiting++
		h.cond.Wait()
		h.waiting--
	}
}

// armDeadline sets the timer that wakes a blocked reader at its deadline.
func (h *half) armDeadline() {
	if h.deadline.IsZero() || h.wakeAt.Equal(h.deadline) {
		return
	}
	h.wakeAt = h.deadline
	d := time.Until(h.deadline)
	if h.wake == nil {
		h.wake = time.AfterFunc(d, h.onDeadline)
		return
	}
	h.wake.Reset(d)
}

func (h *half) onDeadline() {
	h.mu.Lock()
	h.wakeAt = time.Time{}
	h.broadcast()
	h.mu.Unlock()
}

func (c *conn) Write(b []byte) (int, error) {
	if c.closed.Load() {
		return 0, c.opError("write", net.ErrClosed)
	}
	c.deadlineMu.Lock()
	deadline := c.writeDeadline
	c.deadlineMu.Unlock()
	if !deadline.IsZero() && !time.Now().Before(deadline) {
		return 0, c.opError("write", os.ErrDeadlineExceeded)
	}
	c.in.mu.Lock()
	end := c.in.end
	c.in.mu.Unlock()
	switch {
	case end == nil:
		c.out.write(b)
		return len(b), nil
	case errors.Is(end, io.EOF):
		return 0, c.syscallError("write", syscall.EPIPE)
	}
	return 0, c.syscallError("write", syscall.ECONNRESET)
}

// SetLinger works as for a TCP connection: after SetLinger(0), Close resets the
// connection.
func (c *conn) SetLinger(sec int) error {
	c.resets.Store(sec == 0)
	return nil
}

// Close ends the connection cleanly: the other end reads what was written
// before and then io.EOF. After SetLinger(0) it resets the connection instead: what
// a stall still holds is lost, and the other end reads the rest and then ECONNRESET.
func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return c.opError("close", net.ErrClosed)
	}
	c.in.closeReader()
	if c.resets.Load() {
		c.out.resetWriter()
	} else {
		c.out.closeWriter()
	}
	other := &c.pair.client
	if other == c {
		other = &c.pair.broker
	}
	if other.closed.Load() {
		c.pair.n.forget(c.pair)
	}
	return nil
}

func (h *half) closeReader() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop()
	h.closed = true
	h.buf, h.off = nil, 0
	if h.wake != nil {
		h.wake.Stop()
	}
	h.broadcast()
}

// resetWriter is like closeWriter, but resets. Frames that a stall holds are lost, as
// if they were still in the buffer of this end. Frames on their way arrive.
func (h *half) resetWriter() {
	h.mu.Lock()
	if !h.dead && !h.closed {
		h.partial = nil
		if len(h.flight) > 0 && h.flight[0].held {
			h.drop()
		}
		h.queue(parcel{kind: parcelReset, key: NoKey}, h.latency.draw(h.rng))
	}
	reset := h.pump()
	h.mu.Unlock()
	if reset {
		h.p.reset(h)
	}
}

func (h *half) closeWriter() {
	h.mu.Lock()
	if !h.dead && !h.closed {
		if len(h.partial) > 0 {
			h.raw = true
			h.enter(h.partial)
			h.partial = nil
		}
		if !h.dead {
			h.queue(parcel{kind: parcelFin, key: NoKey}, h.latency.draw(h.rng))
		}
	}
	reset := h.pump()
	h.mu.Unlock()
	if reset {
		h.p.reset(h)
	}
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

func (c *conn) SetReadDeadline(t time.Time) error {
	if c.closed.Load() {
		return c.opError("set", net.ErrClosed)
	}
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	c.in.deadline = t
	c.in.broadcast()
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	if c.closed.Load() {
		return c.opError("set", net.ErrClosed)
	}
	c.deadlineMu.Lock()
	defer c.deadlineMu.Unlock()
	c.writeDeadline = t
	return nil
}
