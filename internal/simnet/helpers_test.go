package simnet

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
)

const produceKey, fetchKey int16 = 0, 1

// request returns a frame of an api key and correlation id with some payload.
func request(key int16, corr int32, payload string) []byte {
	b := make([]byte, 12, 12+len(payload))
	binary.BigEndian.PutUint32(b, uint32(8+len(payload)))
	binary.BigEndian.PutUint16(b[4:], uint16(key))
	binary.BigEndian.PutUint32(b[8:], uint32(corr))
	return append(b, payload...)
}

func answer(corr int32, payload string) []byte {
	b := make([]byte, 8, 8+len(payload))
	binary.BigEndian.PutUint32(b, uint32(4+len(payload)))
	binary.BigEndian.PutUint32(b[4:], uint32(corr))
	return append(b, payload...)
}

// world is a network with one or more listening brokers.
type world struct {
	*Network
	listeners []net.Listener
}

func newWorld(tb testing.TB, cfg Config, brokers int) *world {
	tb.Helper()
	n, err := New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { n.Close() })
	w := &world{Network: n}
	for range brokers {
		l, err := n.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		w.listeners = append(w.listeners, l)
	}
	return w
}

// connect dials a broker and returns both ends.
func (w *world) connect(tb testing.TB, client string, broker int) (c, b net.Conn) {
	tb.Helper()
	c, err := w.Dialer(client)(context.Background(), "tcp", w.listeners[broker].Addr().String())
	if err != nil {
		tb.Fatalf("dial broker %d as %s: %v", broker, client, err)
	}
	b, err = w.listeners[broker].Accept()
	if err != nil {
		tb.Fatalf("accept: %v", err)
	}
	tb.Cleanup(func() { c.Close(); b.Close() })
	return c, b
}

func mustWrite(tb testing.TB, c net.Conn, b []byte) {
	tb.Helper()
	if n, err := c.Write(b); n != len(b) || err != nil {
		tb.Fatalf("Write(%d bytes) = %d, %v", len(b), n, err)
	}
}

func mustRead(tb testing.TB, c net.Conn, want []byte) {
	tb.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil {
		tb.Fatalf("read %d bytes: %v", len(want), err)
	}
	if string(got) != string(want) {
		tb.Fatalf("read %q, want %q", got, want)
	}
}

func readErr(c net.Conn) error {
	_, err := c.Read(make([]byte, 1))
	return err
}
