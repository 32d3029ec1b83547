package main

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

// tails measures the slowest Gets while a store applies what a bootstrap brings:
// fetches of 2 MiB, each one change of its storage.
//
// A hook holds the store back until all of it is in the log, so that nothing else
// runs while Gets are timed than the store and the broker that it reads from.
func (b *bench) tails(ctx context.Context, c *cluster, topic string) error {
	if !b.wants("get-p99.9", "get-slowest") {
		return nil
	}
	g := &gate{}
	kv, err := kvstore.NewClient(ctx, topic, memory.New(), kvstore.WithBrokers(c.addrs...), kvstore.WithOnSetHook(g.hook))
	if err != nil {
		return err
	}
	defer kv.Close()
	defer g.release()
	raw, err := c.producer(topic)
	if err != nil {
		return err
	}
	defer raw.Close()
	x := b.row(row{
		ID: "get-p99.9", What: "p99.9 of Get while a bootstrap applies", Yardstick: "p99.9 of Get at rest", Brokers: c.kind, Unit: "us",
	})
	slowest := b.row(row{
		ID: "get-slowest", What: "the slowest Get while a bootstrap applies", Yardstick: "the slowest of as many at rest", Brokers: c.kind, Unit: "us",
	})
	t := &tail{kv: kv, raw: raw, gate: g, keys: b.keys, val: newValues(6)}
	var busy, rest float64
	for i := 0; i == 0 || x.wantsMore(b.rounds); i++ {
		var round row
		if err := turns(&round, 1, func() (p999 float64, err error) {
			p999, busy, err = t.busy(ctx)
			return p999, err
		}, func() (p999 float64, err error) {
			p999, rest, err = t.gets(ctx, t.timed, func() bool { return true })
			return p999, err
		}); err != nil {
			return err
		}
		if i > 0 {
			x.add(round.Ours[0], round.Theirs[0])
			slowest.add(busy, rest)
		}
	}
	return nil
}

// tail is a store that can be held back, and a producer for what it then applies
// at once.
type tail struct {
	kv   *kvstore.Client
	raw  *kgo.Client
	gate *gate
	keys int
	val  values
	at   int

	timed int // Gets timed while records were applied, the last time
}

// mostApplied is how many records are applied while Gets are timed: two fetches.
const mostApplied = 150_000

// busy times Gets while records are applied.
func (t *tail) busy(ctx context.Context) (p999, worst float64, err error) {
	held := t.gate.arm()
	if err := t.raw.ProduceSync(ctx, &kgo.Record{Key: gateKey, Value: t.val.next()}).FirstErr(); err != nil {
		return 0, 0, err
	}
	select {
	case <-held:
	case <-ctx.Done():
		return 0, 0, context.Cause(ctx)
	}
	end, err := t.pour(ctx, min(mostApplied, t.keys))
	t.gate.release()
	if err != nil {
		return 0, 0, err
	}
	return t.gets(ctx, 100_000, func() bool { return t.kv.Position() >= end })
}

// pour writes n records and returns where the log then ends.
func (t *tail) pour(ctx context.Context, n int) (end int64, failed error) {
	for i := range n {
		t.raw.Produce(ctx, &kgo.Record{Key: keyOf(i), Value: t.val.next()}, func(r *kgo.Record, err error) {
			if failed == nil { // promises come one at a time
				failed = err
			}
			end = max(end, r.Offset+1)
		})
	}
	err := t.raw.Flush(ctx)
	return end, errors.Join(err, failed)
}

// gets reads random keys, so many times or more until done says so, and returns
// the p99.9 and the largest of their times in microseconds.
func (t *tail) gets(ctx context.Context, least int, done func() bool) (p999, worst float64, err error) {
	took := make([]float64, 0, 1<<22)
	key := make([]byte, keySize)
	for n := 0; n < least || n%64 != 0 || !done(); n++ {
		t.at = (t.at + 7919) % t.keys
		putKey(key, t.at)
		began := time.Now()
		if _, err := t.kv.Get(ctx, key); err != nil {
			return 0, 0, err
		}
		took = append(took, micros(time.Since(began)))
	}
	t.timed = len(took)
	return percentile(took, 0.999), took[len(took)-1], nil
}

// gateKey stops a store whose hook is an armed gate. It is as long as the others.
var gateKey = []byte("stop at this key")

// gate is a hook that holds a store back.
type gate struct {
	armed      atomic.Bool
	held, open chan struct{}
}

// arm makes the hook stop at the next gateKey. The channel closes when it has.
func (g *gate) arm() (held <-chan struct{}) {
	g.held, g.open = make(chan struct{}), make(chan struct{})
	g.armed.Store(true)
	return g.held
}

func (g *gate) hook(key, _ []byte) {
	if bytes.Equal(key, gateKey) && g.armed.CompareAndSwap(true, false) {
		open := g.open // release may forget it as soon as held is closed
		close(g.held)
		<-open
	}
}

// release lets the store go on.
func (g *gate) release() {
	g.armed.Store(false)
	if g.open != nil {
		close(g.open)
		g.open = nil
	}
}
