package kafkaworld

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/kvsim/kvsim/internal/fakecluster"
	"github.com/kvsim/kvsim/internal/simcluster"
	"github.com/kvsim/kvsim/internal/simnet"
	lin "github.com/kvsim/kvsim/linearizability"
	"github.com/kvsim/kvsim/sim"
)

// onTCP starts brokers of kfake that listen on TCP. To this package they look like real
// ones, except where kfake differs from Kafka.
func onTCP(t *testing.T, n int) *Brokers {
	t.Helper()
	c, err := fakecluster.Start(fakecluster.Options{Brokers: n, TCP: true})
	if err != nil {
		t.Fatal(err)
	}
	b, err := Start(t.Context(), Options{Addrs: c.Seeds()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(b.Close(), c.Close()); err != nil {
			t.Error(err)
		}
	})
	return b
}

const worldPlan = `kvsim-plan 1
scenario test
seed 7
world clients=2 brokers=2 latency.min=100µs latency.mean=200µs latency.max=5ms
workload ops=60 keys=5 value=64 burst=4 timeout=5s put=30 delete=5 batch=5 get=30 range=5 sync=3 wait=3
phases before=200ms faults=1.5s after=200ms converge=1m patience=5s
floors before=1 during=1 after=1 hits=1
lose-answer client=c1 api=produce count=2 from=100ms for=1s
lose-request client=c2 api=produce count=1 from=200ms for=1s
cut-frame client=c2 dir=to-client api=fetch count=1 from=300ms for=500ms
lag client=c1 from=700ms for=300ms
stall client=c2 dir=to-broker from=500ms for=200ms
black-hole client=c1 dir=to-broker from=1s for=200ms
reset from=1.2s
crash client=c2 from=400ms for=100ms
delete-records keep=5 from=1.3s
transaction records=2 end=commit from=100ms for=200ms
transaction records=1 end=abort from=600ms for=200ms
restart broker=leader from=100ms for=100ms
keyless records=1 from=1s
`

// TestWorldOnBrokersOverTCP runs a whole world, with its faults, its log tap and
// its judges, through the bridge.
func TestWorldOnBrokersOverTCP(t *testing.T) {
	b := onTCP(t, 2)
	p, err := sim.ParsePlan(worldPlan)
	if err != nil {
		t.Fatal(err)
	}
	p, notes := p.Fit(b.Abilities())
	if text := strings.Join(notes, "\n"); !strings.Contains(text, "restart: ") || !strings.Contains(text, "keyless: ") {
		t.Errorf("left out is %q, want restart and keyless with their reasons", text)
	}
	for range 2 { // one world after the other on the same brokers
		out, err := sim.Run(simcluster.With(t.Context(), b.Cluster), p, sim.Env{LateTap: true})
		if err != nil {
			t.Fatal(err)
		}
		if out.Status != lin.Held {
			t.Errorf("status %v: %v\n%v", out.Status, out.Reasons, out.Verdict)
		}
		for _, f := range out.Faults {
			if f.Hits == 0 {
				t.Errorf("%s bit nothing", f.Fault)
			}
		}
	}
	topics, err := b.k.Admin().ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range topics.Names() {
		if strings.HasPrefix(name, "kvsim-") {
			t.Errorf("topic %s is left", name)
		}
	}
}

// forgetful acknowledges every fifth write without sending it.
type forgetful struct {
	sim.Client
	n atomic.Int64
}

func (f *forgetful) PutRevision(ctx context.Context, key, value []byte) (int64, error) {
	if f.n.Add(1)%5 == 0 {
		return f.Position(), nil
	}
	return f.Client.PutRevision(ctx, key, value)
}

// TestBugIsFoundOverTCP plants a bug, which the judges must find here too.
func TestBugIsFoundOverTCP(t *testing.T) {
	b := onTCP(t, 1)
	p, err := sim.ParsePlan(strings.Replace(worldPlan, "brokers=2", "brokers=1", 1))
	if err != nil {
		t.Fatal(err)
	}
	p, _ = p.Fit(b.Abilities())
	p.Faults = nil
	out, err := sim.Run(simcluster.With(t.Context(), b.Cluster), p, sim.Env{
		LateTap: true,
		Open: func(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
			c, err := sim.DefaultOpen(ctx, r)
			return &forgetful{Client: c}, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if out.Status != lin.Violated || out.Verdict.Result(lin.CheckAckedOnce).Violations == 0 {
		t.Errorf("status %v, want a violation of %s\n%v", out.Status, lin.CheckAckedOnce, out.Verdict)
	}
}

func TestPlanForMoreBrokersIsRefused(t *testing.T) {
	b := onTCP(t, 1)
	_, err := b.Cluster(t.Context(), simcluster.Spec{Brokers: 2})
	if err == nil || !strings.Contains(err.Error(), "2 brokers") {
		t.Errorf("Cluster = %v, want that the cluster has fewer brokers", err)
	}
}

func TestUnableIsAnError(t *testing.T) {
	c := &cluster{}
	_, answer := c.Answer(fakecluster.Answer{})
	_, slow := c.SlowBroker(fakecluster.Slow{})
	_, tail := c.LoseTail(0)
	for _, err := range []error{answer, slow, tail, c.Append()} {
		if !errors.Is(err, errUnable) {
			t.Errorf("%v, want errUnable", err)
		}
	}
}

// echo listens on TCP and passes each connection to fn.
func echo(t *testing.T, fn func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go fn(c)
		}
	}()
	return l.Addr().String()
}

func bridged(t *testing.T, cfg simnet.Config, addr string) (*bridge, net.Conn) {
	t.Helper()
	b, err := newBridge(cfg, []string{addr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	c, err := b.Dialer("c")(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return b, c
}

func TestBridgeCarriesBothWaysAndEndsInGoodOrder(t *testing.T) {
	addr := echo(t, func(c net.Conn) {
		buf := make([]byte, 5)
		_, _ = io.ReadFull(c, buf)
		slices.Reverse(buf)
		_, _ = c.Write(buf)
		_ = c.Close()
	})
	_, c := bridged(t, simnet.Config{Raw: true}, addr)
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if string(got) != "olleh" || err != nil {
		t.Errorf("read %q, %v, want olleh and the end", got, err)
	}
}

// TestResetReachesTheBroker checks that a reset in the network is a reset for the broker too,
// and not an orderly end.
func TestResetReachesTheBroker(t *testing.T) {
	ended := make(chan error, 1)
	addr := echo(t, func(c net.Conn) {
		_, err := io.Copy(io.Discard, c)
		ended <- err
	})
	b, c := bridged(t, simnet.Config{Raw: true}, addr)
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if n := b.net.DropConns(simnet.Target{}); n != 1 {
		t.Fatalf("DropConns = %d, want 1", n)
	}
	if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the broker's connection ended with %v, want ECONNRESET", err)
	}
}

func TestDialOfAnUnknownBrokerSaysSo(t *testing.T) {
	b, err := newBridge(simnet.Config{}, []string{"127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := b.Dialer("c")(t.Context(), "tcp", "kafka.example:9092"); err == nil || !strings.Contains(err.Error(), "kafka.example:9092") {
		t.Errorf("dial = %v, want an error that names the address", err)
	}
	// If no broker listens, the connection ends immediately.
	c, err := b.Dialer("c")(t.Context(), "tcp", "127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read = %v, want the end of the connection", err)
	}
}

func TestBadAddressIsReported(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := Start(ctx, Options{Addrs: []string{"127.0.0.1:1"}})
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("Start = %v, want an error that names the address", err)
	}
}
