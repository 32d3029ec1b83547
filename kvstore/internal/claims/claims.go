// Package claims ends connections on which a broker answers more than it was asked.
//
// franz-go makes room for the elements of a list by the count that the answer claims, as long as
// the answer has a byte for each. An element takes up to 150 times as much, so an answer of 95 MB
// makes it allocate gigabytes before it finds that the elements are not there.
package claims

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Most is how many bytes an answer may have, besides the records of the partition that was asked
// for. Descriptions of a cluster are the largest: about 100 bytes for each broker.
const Most = 512 << 10

// DialFunc opens a connection to a broker.
type DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// Guard returns a dialer whose connections refuse what franz-go would allocate too much for. They
// are for a client that asks for one partition of one topic at a time. After a refusal every call
// of the connection returns the reason.
func Guard(dial DialFunc) DialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		g := &guarded{Conn: c, asked: map[int32]question{}}
		g.out.look, g.in.look = g.request, g.answer
		return g, nil
	}
}

// NetConn returns the connection below, as that of tls.Conn does.
func (g *guarded) NetConn() net.Conn { return g.Conn }

// guarded is a connection that sees requests and answers go by. As with any connection, one
// goroutine may read while another one writes.
type guarded struct {
	net.Conn

	out, in stream

	mu    sync.Mutex
	asked map[int32]question // what has no answer yet, by its correlation id
}

// question is a request.
type question struct {
	key     kmsg.Key
	version int16
}

func (g *guarded) Write(p []byte) (int, error) {
	n, err := g.Conn.Write(p)
	if e := g.out.see(p[:n]); e != nil && err == nil {
		err = e
	}
	return n, err
}

// Read passes nothing on of an answer before it is known to which question it belongs, unless
// p is shorter than that.
func (g *guarded) Read(p []byte) (int, error) {
	for n := 0; ; {
		m, err := g.Conn.Read(p[n:])
		if e := g.in.see(p[n : n+m]); e != nil {
			_ = g.Conn.Close()
			return 0, e
		}
		if n += m; err != nil || n == len(p) || !g.in.within(headBytes) {
			return n, err
		}
	}
}

// headBytes is the length of an answer's size and correlation id.
const headBytes = 8

// request notes a request by its header.
func (g *guarded) request(frame []byte, size int) (need int, err error) {
	const header = headBytes + 4
	if len(frame) < header {
		return header, nil
	}
	q := question{kmsg.Key(binary.BigEndian.Uint16(frame[4:])), int16(binary.BigEndian.Uint16(frame[6:]))}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked[int32(binary.BigEndian.Uint32(frame[8:]))] = q
	return 0, nil
}

// answer checks an answer against its question. What belongs to none, as in logins of old
// brokers, has no lists.
func (g *guarded) answer(frame []byte, size int) (need int, err error) {
	if len(frame) < headBytes {
		return headBytes, nil
	}
	id := int32(binary.BigEndian.Uint32(frame[4:]))
	g.mu.Lock()
	q, known := g.asked[id]
	g.mu.Unlock()
	switch {
	case !known, size <= Most:
	case q.key != kmsg.Fetch:
		err = fmt.Errorf("an answer to %s has %d bytes, and more than %d are not read", q.key.Name(), size, Most)
	default:
		if need, err = fetched(frame[headBytes:], size-4, q.version); need > 0 {
			return headBytes + need, nil
		}
	}
	g.mu.Lock()
	delete(g.asked, id)
	g.mu.Unlock()
	return 0, err
}
