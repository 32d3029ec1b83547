package simnet

import (
	"net"
	"sync"
)

type listener struct {
	n      *Network
	port   int
	broker int32

	mu      sync.Mutex
	cond    sync.Cond
	backlog []*conn
	closed  bool
}

func newListener(n *Network, port int, broker int32) *listener {
	l := &listener{n: n, port: port, broker: broker}
	l.cond.L = &l.mu
	return l
}

// push hands a new connection to Accept. It reports false if l is closed.
func (l *listener) push(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.backlog = append(l.backlog, c)
	l.cond.Signal()
	return true
}

func (l *listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.backlog) == 0 {
		if l.closed {
			return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
		}
		l.cond.Wait()
	}
	c := l.backlog[0]
	l.backlog = l.backlog[1:]
	return c, nil
}

func (l *listener) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return &net.OpError{Op: "close", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
	}
	l.closed = true
	backlog := l.backlog
	l.backlog = nil
	l.cond.Broadcast()
	l.mu.Unlock()

	l.n.mu.Lock()
	if l.n.listeners[l.port] == l {
		delete(l.n.listeners, l.port)
	}
	l.n.mu.Unlock()
	for _, c := range backlog {
		c.pair.reset(nil)
		_ = c.Close()
	}
	return nil
}

func (l *listener) Addr() net.Addr { return tcpAddr(l.port) }

func tcpAddr(port int) *net.TCPAddr {
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}
}
