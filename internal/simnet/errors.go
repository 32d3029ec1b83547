package simnet

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// ErrClosed is returned by calls that wait for a network that is closed.
var ErrClosed = errors.New("simnet: network closed")

// ErrUndone is returned by [Effect.Wait] if the fault is undone or used up before it
// has reached the awaited number of hits.
var ErrUndone = errors.New("simnet: fault undone before it took effect often enough")

// errReset marks an end of a connection that was reset, until its user asks.
var errReset = errors.New("reset")

func dialError(addr net.Addr, err error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: addr, Err: err}
}

func refused(addr net.Addr) error {
	return dialError(addr, os.NewSyscallError("connect", syscall.ECONNREFUSED))
}

func (c *conn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

func (c *conn) syscallError(op string, errno syscall.Errno) error {
	return c.opError(op, os.NewSyscallError(op, errno))
}
