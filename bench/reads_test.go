package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/tidwall/btree"

	"github.com/kvsim/kvsim/kvstore"
)

// rangeLen is how many pairs a Range reads.
const rangeLen = 1000

// heldKeys is how many keys are held in the benchmarks of reads.
func heldKeys() int { return max(1_000_000/small(), 2*rangeLen) }

// reader is the store's side: a client that has read a topic with all keys.
type reader struct {
	kv   *kvstore.Client
	ring *ring
	ctx  context.Context // of the benchmark
}

// Each side makes its pairs for itself, and drops them when it has ended. Otherwise the
// collector would mark the yardstick's pairs when the store's reads allocate.
func openReader(b *testing.B, opts ...kvstore.ClientOption) *reader {
	b.Helper()
	c := brokers(b, 0)
	kv := c.readStore(b, c.filled(b, "written", heldKeys()), opts...)
	r := &reader{kv: kv, ring: newRing(heldKeys()), ctx: b.Context()}
	runtime.GC()
	return r
}

func (r *reader) get() error { return r.getOf(r.ring.next()) }

func (r *reader) getOf(key []byte) error {
	v, err := r.kv.Get(r.ctx, key)
	if err == nil && len(v) != valueSize {
		err = fmt.Errorf("get: %d bytes", len(v))
	}
	return err
}

func (r *reader) scan() error {
	size := 0
	for p, err := range r.kv.Range(r.ctx, kvstore.KeyConstraint{Start: r.ring.next()}, kvstore.QueryOptions{Limit: rangeLen}) {
		if err != nil {
			return err
		}
		size += len(p.Key) + len(p.Value)
	}
	if size%pairSize != 0 {
		return fmt.Errorf("range: %d bytes", size)
	}
	return nil
}

var errYardstick = errors.New("the yardstick does not hold what the store holds")

// goMap is the yardstick of Get: the same pairs in a map.
type goMap struct {
	pairs map[string][]byte
	ring  *ring
}

func newGoMap() *goMap {
	m := &goMap{pairs: map[string][]byte{}, ring: newRing(heldKeys())}
	val := newValues(7)
	for i := range heldKeys() {
		m.pairs[string(keyOf(i))] = val.next()
	}
	runtime.GC()
	return m
}

// get hands out the map's own slice.
func (m *goMap) get() error {
	if len(m.pairs[string(m.ring.next())]) != valueSize {
		return errYardstick
	}
	return nil
}

// copyOf copies the value, as a Get does.
func (m *goMap) copyOf(key []byte) error {
	v := m.pairs[string(key)]
	if len(append(make([]byte, 0, len(v)), v...)) != valueSize {
		return errYardstick
	}
	return nil
}

// tree is the yardstick of Range: the same pairs in a B-tree.
type tree struct {
	pairs *btree.BTreeG[pair]
	ring  *ring
}

type pair struct {
	key   string
	value []byte
}

func newTree() *tree {
	t := &tree{ring: newRing(heldKeys()), pairs: btree.NewBTreeG(func(a, b pair) bool { return a.key < b.key })}
	val := newValues(7)
	for i := range heldKeys() {
		t.pairs.Set(pair{string(keyOf(i)), val.next()})
	}
	runtime.GC()
	return t
}

// ascend looks at the lengths of keys and values only.
func (t *tree) ascend() error {
	left, size := rangeLen, 0
	t.pairs.Ascend(pair{key: string(t.ring.next())}, func(p pair) bool {
		size += len(p.key) + len(p.value)
		left--
		return left > 0
	})
	if size%pairSize != 0 {
		return errYardstick
	}
	return nil
}

// ascendCopy copies keys and values, as a Range does.
func (t *tree) ascendCopy() error {
	left, all := rangeLen, make([]byte, 0, rangeLen*pairSize)
	t.pairs.Ascend(pair{key: string(t.ring.next())}, func(p pair) bool {
		all = append(append(all, p.key...), p.value...)
		left--
		return left > 0
	})
	if len(all)%pairSize != 0 {
		return errYardstick
	}
	return nil
}

// BenchmarkGet reads random keys, one after the other.
func BenchmarkGet(b *testing.B) {
	loop := func(b *testing.B, do func() error) {
		defer allocations(b)()
		for b.Loop() {
			if err := do(); err != nil {
				b.Fatal(err)
			}
		}
	}
	beside(b,
		side{"store", func(b *testing.B) { loop(b, openReader(b).get) }},
		side{"map", func(b *testing.B) { loop(b, newGoMap().get) }},
		side{"map-copy", func(b *testing.B) {
			m := newGoMap()
			loop(b, func() error { return m.copyOf(m.ring.next()) })
		}})
}

// BenchmarkRange reads 1,000 pairs from a random key on. The store's side after a batch
// finds changes of as many random keys, which it has to put in order first.
func BenchmarkRange(b *testing.B) {
	loop := func(b *testing.B, do func() error) {
		warmUp(b, 2, do) // the first Range puts all keys in order
		defer allocations(b)()
		eachCall(b, "p50-ns", 1, do)
	}
	beside(b,
		side{"store", func(b *testing.B) { loop(b, openReader(b).scan) }},
		side{"store-after-batch", func(b *testing.B) { rangeAfterBatch(b, openReader(b)) }},
		side{"btree", func(b *testing.B) { loop(b, newTree().ascend) }},
		side{"btree-copy", func(b *testing.B) { loop(b, newTree().ascendCopy) }})
}

func rangeAfterBatch(b *testing.B, r *reader) {
	warmUp(b, 2, r.scan)
	val, took := newValues(6), tally{}
	for b.Loop() {
		batch := r.kv.Batch()
		for range rangeLen {
			batch.Put(r.ring.next(), val.next())
		}
		if err := batch.Execute(r.ctx); err != nil {
			b.Fatal(err)
		}
		took.add("p50-ns", meanOf(1, r.scan, b))
	}
	took.report(b)
}
