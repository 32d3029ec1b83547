package kvstore

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// noted is a connection that keeps what was done with it.
type noted struct {
	net.Conn
	did []string
}

func (c *noted) Write(p []byte) (int, error) { return len(p), nil }
func (c *noted) Read(p []byte) (int, error)  { return len(p), nil }
func (c *noted) Close() error                { c.did = append(c.did, "close"); return nil }

func (c *noted) SetLinger(sec int) error {
	if sec == 0 {
		c.did = append(c.did, "reset")
	}
	return nil
}

// over is a connection on top of another one, as TLS is.
type over struct{ net.Conn }

func (c over) NetConn() net.Conn { return c.Conn }
func (c over) Close() error      { panic("it would wait to say goodbye") }

var produceFrame = []byte{0, 0, 0, 6, 0, produceKey, 0, 13, 0, 0}

func TestConnectionOfAnUnansweredProduceIsReset(t *testing.T) {
	for what, tc := range map[string]struct {
		use  func(c net.Conn)
		want string
	}{
		"not used":            {func(net.Conn) {}, "close"},
		"other request":       {func(c net.Conn) { _, _ = c.Write([]byte{0, 0, 0, 6, 0, 3, 0, 0, 0, 0}) }, "close"},
		"produce, unanswered": {func(c net.Conn) { _, _ = c.Write(produceFrame) }, "reset"},
		"produce, answered": {func(c net.Conn) {
			_, _ = c.Write(produceFrame)
			_, _ = c.Read(make([]byte, 4))
		}, "close"},
	} {
		raw := &noted{}
		ws := newWires(func(context.Context, string, string) (net.Conn, error) { return raw, nil })
		c, err := ws.Dial(t.Context(), "tcp", "host:1")
		if err != nil {
			t.Fatal(err)
		}
		tc.use(c)
		_ = c.Close()
		if len(raw.did) == 0 || raw.did[0] != tc.want {
			t.Errorf("%s: %v, want it to begin with %s", what, raw.did, tc.want)
		}
		if len(ws.open) != 0 {
			t.Errorf("%s: the connection is still kept", what)
		}
	}
}

func TestCutResetsAllConnectionsBelowTLS(t *testing.T) {
	raw := &noted{}
	ws := newWires(func(context.Context, string, string) (net.Conn, error) { return over{over{raw}}, nil })
	for range 2 {
		if _, err := ws.Dial(t.Context(), "tcp", "host:1"); err != nil {
			t.Fatal(err)
		}
	}
	ws.cut()
	if len(raw.did) != 4 || raw.did[0] != "reset" || raw.did[1] != "close" {
		t.Errorf("cut did %v, want reset and close, twice", raw.did)
	}
	if ws.cut(); len(raw.did) != 4 {
		t.Errorf("a second cut did more: %v", raw.did)
	}
}

func TestFailedDialIsPassedOn(t *testing.T) {
	ws := newWires(func(context.Context, string, string) (net.Conn, error) { return nil, io.EOF })
	if c, err := ws.Dial(t.Context(), "tcp", "host:1"); c != nil || !errors.Is(err, io.EOF) {
		t.Errorf("Dial = %v, %v; want io.EOF", c, err)
	}
}

// On a real socket: the other side sees a reset, which drops what waits, and no
// orderly end.
func TestCutConnectionIsReset(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip("no loopback network: ", err)
	}
	defer l.Close()
	ws := newWires((&net.Dialer{}).DialContext)
	c, err := ws.Dial(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	if _, err := c.Write(produceFrame); err != nil {
		t.Fatal(err)
	}
	ws.cut()
	if _, err := io.ReadAll(far); err == nil {
		t.Error("the other side read to an orderly end, want a reset")
	}
	if ws.produced.Load() != 1 {
		t.Errorf("%d produce requests counted, want 1", ws.produced.Load())
	}
}

// A try that was taken back is encoded without the batch, whenever kgo gets to it.
func TestTryThatWasTakenBackCarriesNothing(t *testing.T) {
	b := &recordBatch{records: 1, plain: appendBatch(nil, time.UnixMilli(1), []change{{key: []byte("secret key"), value: []byte("v")}})}
	b.take(sender{id: 1})
	for version := int16(3); version <= 13; version++ {
		codec, _ := kgo.DefaultCompressor()
		sent, taken := newTry(b, "kv", [16]byte{1}, 0, codec), newTry(b, "kv", [16]byte{1}, 0, codec)
		sent.SetVersion(version)
		taken.SetVersion(version)
		if taken.revoke() {
			t.Error("a try that was not encoded counts as sent")
		}
		if got := len(taken.AppendTo(nil)); got > 16 {
			t.Errorf("version %d: the try that was taken back has %d bytes", version, got)
		}
		if got := len(sent.AppendTo(nil)); got < len(b.plain) {
			t.Errorf("version %d: the try has %d bytes, fewer than the batch", version, got)
		}
		if !sent.revoke() {
			t.Error("a try that was encoded counts as not sent")
		}
	}
	if v := newTry(b, "kv", [16]byte{}, 0, nil).MaxVersion(); v != lastNamed {
		t.Errorf("without a topic id version %d is used, want %d", v, lastNamed)
	}
}
