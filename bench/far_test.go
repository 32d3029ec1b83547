package main

import (
	"net"
	"sync"
	"time"
)

// listenFar listens for connections on which each way takes so long, however much is
// on its way.
func listenFar(network, address string, delay time.Duration) (net.Listener, error) {
	l, err := net.Listen(network, address)
	if err != nil || delay == 0 {
		return l, err
	}
	return &farListener{Listener: l, delay: delay}, nil
}

type farListener struct {
	net.Listener
	delay time.Duration
}

func (l *farListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	near, far := net.Pipe() // the broker has near
	var way sync.WaitGroup
	way.Go(func() { carry(far, c, l.delay) })
	way.Go(func() { carry(c, far, l.delay) })
	go func() {
		way.Wait()
		c.Close()
		far.Close()
	}()
	return &farConn{Conn: near, real: c}, nil
}

// farConn is a pipe with the addresses of the connection that it stands for.
type farConn struct {
	net.Conn
	real net.Conn
}

func (c *farConn) LocalAddr() net.Addr  { return c.real.LocalAddr() }
func (c *farConn) RemoteAddr() net.Addr { return c.real.RemoteAddr() }

// carry copies what comes from one connection to the other, each piece after the delay,
// and closes both at the first error.
func carry(to, from net.Conn, delay time.Duration) {
	type piece struct {
		bytes []byte
		due   time.Time
	}
	way := make(chan piece, 1<<12)
	go func() {
		defer close(way)
		for {
			buf := make([]byte, 64<<10)
			n, err := from.Read(buf)
			if n > 0 {
				way <- piece{buf[:n], time.Now().Add(delay)}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range way {
		time.Sleep(time.Until(p.due))
		if _, err := to.Write(p.bytes); err != nil {
			break
		}
	}
	to.Close()
	from.Close()
	for range way { // lets the reader end
	}
}
