package main

import (
	"bytes"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
)

// mostApplied is how many records are applied while Gets are timed: some fetches of
// 2 MiB, each one change of the storage.
const mostApplied = 150_000

// BenchmarkGetWhile times Gets while a store applies what a bootstrap brings, and as
// many while nothing happens.
//
// A hook holds the store back until all of it is in the log, so that nothing else
// runs while Gets are timed than the store and the broker that it reads from.
func BenchmarkGetWhile(b *testing.B) {
	g := &gate{}
	r := openReader(b, kvstore.WithOnSetHook(g.hook))
	defer g.release()
	c := brokers(b, 0)
	t := &tail{reader: r, gate: g, raw: c.producer(b, c.filled(b, "written", heldKeys())), val: newValues(6)}
	timed := 100_000/small() + 1
	b.Run("side=applying", func(b *testing.B) {
		all := tally{}
		for b.Loop() {
			end := t.pour(b)
			timed = t.gets(b, all, 1, func() bool { return r.kv.Position() >= end })
		}
		all.report(b)
	})
	b.Run("side=rest", func(b *testing.B) {
		all := tally{}
		for b.Loop() {
			t.gets(b, all, timed, func() bool { return true })
		}
		all.report(b)
	})
}

// tail is a store that can be held back, and a producer for what it then applies
// together.
type tail struct {
	*reader
	gate *gate
	raw  *kgo.Client
	val  values
}

// pour writes records that the store applies when pour has returned. It returns where the
// log then ends.
func (t *tail) pour(b *testing.B) (end int64) {
	b.Helper()
	held := t.gate.arm()
	defer t.gate.release()
	if err := t.raw.ProduceSync(b.Context(), &kgo.Record{Key: gateKey, Value: t.val.next()}).FirstErr(); err != nil {
		b.Fatal(err)
	}
	select {
	case <-held:
	case <-b.Context().Done():
		b.Fatal("ended before the store was held back")
	}
	var failed error
	for i := range mostApplied / small() {
		t.raw.Produce(b.Context(), &kgo.Record{Key: keyOf(i), Value: t.val.next()}, func(r *kgo.Record, err error) {
			if failed == nil { // promises come one at a time
				failed = err
			}
			end = max(end, r.Offset+1)
		})
	}
	if err := errors.Join(t.raw.Flush(b.Context()), failed); err != nil {
		b.Fatal(err)
	}
	return end
}

// gets reads random keys, so many times or more until done says so, and notes the p99.9
// and the largest of their times. It returns how many there were.
func (t *tail) gets(b *testing.B, all tally, least int, done func() bool) int {
	b.Helper()
	took := make([]float64, 0, 1<<22)
	for n := 0; n < least || n%64 != 0 || !done(); n++ {
		key, began := t.ring.next(), time.Now()
		if err := t.getOf(key); err != nil {
			b.Fatal(err)
		}
		took = append(took, nanos(began))
	}
	all.add("p99.9-ns", quantile(took, 0.999))
	all.add("max-ns", quantile(took, 1))
	return len(took)
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
