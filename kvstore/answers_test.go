package kvstore_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
)

// tampered lets a test change what the brokers answer to one client: it sits on
// the client's connections and decodes each answer in the version in which it was
// asked for.
type tampered struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)

	mu      sync.Mutex
	change  func(*reply)
	rewrite func(kmsg.Request)
	drop    func(kmsg.Request) bool
	seen    map[kmsg.Key]int
}

// reply is what one broker is about to answer to one request.
type reply struct {
	broker string // address
	req    kmsg.Request
	resp   kmsg.Response // to be changed in place, or replaced
}

func (w *world) answers(client string) *tampered {
	return &tampered{dial: w.Dialer(client), seen: map[kmsg.Key]int{}}
}

// option brings a client's connections through a.
func (a *tampered) option() kvstore.ClientOption { return kvstore.WithKafkaOptions(a.dialer()) }

func (a *tampered) dialer() kgo.Opt {
	return kgo.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := a.dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &answerConn{Conn: conn, a: a, addr: addr, asked: map[int32]kmsg.Request{}}, nil
	})
}

// set makes fn change all answers from now on; nil leaves them as they are.
func (a *tampered) set(fn func(*reply)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.change = fn
}

// setRequests makes fn change all requests from now on; nil leaves them as they are.
func (a *tampered) setRequests(fn func(kmsg.Request)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.rewrite = fn
}

// hangUpOn makes the brokers close the connection on requests, without an answer; nil ends that.
func (a *tampered) hangUpOn(fn func(kmsg.Request) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drop = fn
}

// requests returns how many requests of the kinds were sent since the last call,
// all together.
func (a *tampered) requests(keys ...kmsg.Key) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for _, k := range keys {
		n += a.seen[k]
		a.seen[k] = 0
	}
	return n
}

type answerConn struct {
	net.Conn
	a    *tampered
	addr string

	mu    sync.Mutex
	asked map[int32]kmsg.Request // by correlation id

	left []byte // of an answer that the client has read in part
	hung atomic.Bool
}

// Write takes note of the request: kgo writes each with one call.
func (c *answerConn) Write(b []byte) (int, error) {
	r := kbin.Reader{Src: b}
	r.Int32() // size
	key, version, id := r.Int16(), r.Int16(), r.Int32()
	r.NullableString()
	if req := kmsg.RequestForKey(key); req != nil {
		req.SetVersion(version)
		if req.IsFlexible() {
			r.Uvarint() // tags of the header
		}
		header := b[:len(b)-len(r.Src)]
		if err := req.ReadFrom(r.Src); err != nil {
			return 0, err
		}
		c.mu.Lock()
		c.asked[id] = req
		c.mu.Unlock()
		c.a.mu.Lock()
		c.a.seen[kmsg.Key(key)]++
		rewrite, drop := c.a.rewrite, c.a.drop
		c.a.mu.Unlock()
		if drop != nil && drop(req) {
			c.hung.Store(true)
			_ = c.Conn.Close()
			return len(b), nil
		}
		if rewrite != nil {
			rewrite(req)
			out := req.AppendTo(slices.Clone(header))
			binary.BigEndian.PutUint32(out, uint32(len(out)-4))
			if _, err := c.Conn.Write(out); err != nil {
				return 0, err
			}
			return len(b), nil
		}
	}
	return c.Conn.Write(b)
}

func (c *answerConn) Read(b []byte) (int, error) {
	if len(c.left) == 0 {
		frame, err := c.next()
		if c.hung.Load() {
			return 0, io.EOF
		}
		if err != nil {
			return 0, err
		}
		c.left = frame
	}
	n := copy(b, c.left)
	c.left = c.left[n:]
	return n, nil
}

// next reads an answer and changes it.
func (c *answerConn) next() ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(c.Conn, size[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(c.Conn, body); err != nil {
		return nil, err
	}
	id := int32(binary.BigEndian.Uint32(body))
	c.mu.Lock()
	req := c.asked[id]
	delete(c.asked, id)
	c.mu.Unlock()
	c.a.mu.Lock()
	change := c.a.change
	c.a.mu.Unlock()
	if req == nil || change == nil {
		return append(size[:], body...), nil
	}
	return c.changed(req, id, body[4:], change)
}

func (c *answerConn) changed(req kmsg.Request, id int32, body []byte, change func(*reply)) ([]byte, error) {
	tagged := req.IsFlexible() && req.Key() != int16(kmsg.ApiVersions) // a header with tags
	if tagged {
		body = body[1:]
	}
	a := &reply{broker: c.addr, req: req, resp: req.ResponseKind()}
	if err := a.resp.ReadFrom(body); err != nil {
		return nil, err
	}
	change(a)
	if a.resp == nil {
		return nil, errors.New("the test drops the connection")
	}
	out := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 0}, uint32(id))
	if tagged {
		out = append(out, 0)
	}
	out = a.resp.AppendTo(out)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out, nil
}
