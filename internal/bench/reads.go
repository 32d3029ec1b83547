package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/tidwall/btree"

	"github.com/kvsim/kvsim/kvstore"
)

// readers is a store that holds b.keys keys, and the same pairs in the
// structures that it is measured against.
type readers struct {
	kv    *kvstore.Client
	plain map[string][]byte
	tree  *btree.BTreeG[pair]
	ring  [][]byte // random keys
	keys  int
	piece time.Duration // of reading in parallel
}

type pair struct {
	key   string
	value []byte
}

func (b *bench) readers(ctx context.Context, c *cluster, topic string) (*readers, error) {
	kv, err := c.store(ctx, topic)
	if err != nil {
		return nil, err
	}
	r := &readers{kv: kv, plain: map[string][]byte{}, keys: b.keys, piece: b.piece}
	r.tree = btree.NewBTreeG(func(x, y pair) bool { return x.key < y.key })
	for kv, err := range kv.Range(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
		if err != nil {
			return nil, err
		}
		r.plain[string(kv.Key)] = kv.Value
		r.tree.Set(pair{string(kv.Key), kv.Value})
	}
	if len(r.plain) != b.keys {
		return nil, fmt.Errorf("the store holds %d keys, want %d", len(r.plain), b.keys)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	r.ring = make([][]byte, 1<<20)
	for i := range r.ring {
		r.ring[i] = keyOf(rng.IntN(b.keys))
	}
	return r, nil
}

func (r *readers) key(i int) []byte { return r.ring[i&(len(r.ring)-1)] }

const getsOfPiece = 200_000

// gets is a sample of random Gets, in nanoseconds each.
func (r *readers) gets(ctx context.Context) sample {
	at := 0
	return func() (float64, error) {
		began := time.Now()
		for range getsOfPiece {
			at++
			if v, err := r.kv.Get(ctx, r.key(at)); err != nil || len(v) != valueSize {
				return 0, fmt.Errorf("get: %d bytes, %w", len(v), err)
			}
		}
		return float64(time.Since(began)) / getsOfPiece, nil
	}
}

var errYardstick = errors.New("the yardstick does not hold what the store holds")

// lookups is the same with the map.
func (r *readers) lookups() sample {
	at := 0
	return func() (float64, error) {
		began := time.Now()
		for range getsOfPiece {
			at++
			if len(r.plain[string(r.key(at))]) != valueSize {
				return 0, errYardstick
			}
		}
		return float64(time.Since(began)) / getsOfPiece, nil
	}
}

// allocations returns the allocations of one call of do.
func allocations(n int, do func() error) (float64, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		if err := do(); err != nil {
			return 0, err
		}
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(n), nil
}

var readRows = []string{"get", "get-allocations", "get-2", "get-2-writes", "map-2", "range-1000", "range-allocations", "get-p99.9"}

func (b *bench) reads(ctx context.Context, c *cluster, topic string) error {
	if !b.wants(readRows...) {
		return nil
	}
	r, err := b.readers(ctx, c, topic)
	if err != nil {
		return err
	}
	defer r.kv.Close()
	for _, do := range []func(context.Context, *cluster, *readers) error{b.gets, b.ranges, b.parallel} {
		runtime.GC()
		if err := do(ctx, c, r); err != nil {
			return err
		}
	}
	// What is left needs the store only.
	r.plain, r.tree = nil, nil
	runtime.GC()
	if err := b.parallelWithWrites(ctx, r); err != nil {
		return err
	}
	if err := r.kv.Close(); err != nil {
		return err
	}
	return b.tails(ctx, c, topic)
}

func (b *bench) gets(ctx context.Context, _ *cluster, r *readers) error {
	if b.wants("get") {
		x := b.row(row{
			ID: "get", What: fmt.Sprintf("Get, random of %d", b.keys), Yardstick: "Go map lookup", Unit: "ns", Limit: 1.5,
			Note: "the yardstick hands out the map's own slice, Get a copy",
		})
		if err := inPieces(x, b.rounds, 4, r.gets(ctx), r.lookups()); err != nil {
			return err
		}
	}
	if !b.wants("get-allocations") {
		return nil
	}
	x := b.row(row{ID: "get-allocations", What: "allocations of a Get", Unit: "allocations", Limit: 1.005})
	for i := range b.rounds {
		at := i
		n, err := allocations(10_000, func() error {
			at++
			_, err := r.kv.Get(ctx, r.key(at))
			return err
		})
		if err != nil {
			return err
		}
		x.addValue(n)
	}
	return nil
}

func (b *bench) ranges(ctx context.Context, _ *cluster, r *readers) error {
	const n = 1000
	at := 0
	ours := func() error {
		at++
		return drain(r.kv.Range(ctx, kvstore.KeyConstraint{Start: r.key(at)}, kvstore.QueryOptions{Limit: n}))
	}
	theirs := func() error {
		at++
		left, size := n, 0
		r.tree.Ascend(pair{key: string(r.key(at))}, func(p pair) bool {
			size += len(p.key) + len(p.value)
			left--
			return left > 0
		})
		if size == 0 {
			return errYardstick
		}
		return nil
	}
	if b.wants("range-1000") {
		x := b.row(row{
			ID: "range-1000", What: "Range of 1,000", Yardstick: "tidwall/btree Ascend", Unit: "us", Limit: 1.5,
			Note: "the yardstick hands out its own slices, Range copies",
		})
		if err := inPieces(x, b.rounds, 4, medianOf(200, ours), medianOf(200, theirs)); err != nil {
			return err
		}
	}
	if !b.wants("range-allocations") {
		return nil
	}
	x := b.row(row{ID: "range-allocations", What: "allocations of a Range of 1,000", Unit: "allocations", Limit: 100})
	for range b.rounds {
		count, err := allocations(200, ours)
		if err != nil {
			return err
		}
		x.addValue(count)
	}
	return nil
}
