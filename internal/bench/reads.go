package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidwall/btree"
	"github.com/twmb/franz-go/pkg/kgo"

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
	r := &readers{kv: kv, plain: map[string][]byte{}, keys: b.keys}
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

// together runs get from n goroutines for a while and returns gets in a second.
func (r *readers) together(n int, get func(key []byte) bool) sample {
	return func() (float64, error) {
		const each = 200 * time.Millisecond
		var group sync.WaitGroup
		var done atomic.Int64
		var wrong atomic.Bool
		began := time.Now()
		for g := range n {
			group.Go(func() {
				at, count := g*7919, int64(0)
				for time.Since(began) < each {
					for range 256 {
						at++
						if !get(r.key(at)) {
							wrong.Store(true)
							return
						}
					}
					count += 256
				}
				done.Add(count)
			})
		}
		group.Wait()
		if wrong.Load() {
			return 0, errors.New("a get among others failed")
		}
		return float64(done.Load()) / time.Since(began).Seconds(), nil
	}
}

func (r *readers) getter(ctx context.Context) func([]byte) bool {
	return func(key []byte) bool {
		v, err := r.kv.Get(ctx, key)
		return err == nil && len(v) == valueSize
	}
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
	return b.tails(ctx, c, topic, r)
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

func (b *bench) parallel(ctx context.Context, _ *cluster, r *readers) error {
	get := r.getter(ctx)
	if b.wants("get-2") {
		x := b.row(row{
			ID: "get-2", What: "Get on 2 cores", Yardstick: "Get on one", Unit: "/s", Limit: 1.8, AtLeast: true,
			Note: "compare it with map-2, which is what the machine gives",
		})
		if err := inPieces(x, b.rounds, 4, r.together(2, get), r.together(1, get)); err != nil {
			return err
		}
	}
	if !b.wants("map-2") {
		return nil
	}
	x := b.row(row{ID: "map-2", What: "map lookup and copy on 2 cores", Yardstick: "the same on one", Unit: "/s"})
	lookup := func(key []byte) bool {
		v := r.plain[string(key)]
		return len(append(make([]byte, 0, len(v)), v...)) == valueSize
	}
	return inPieces(x, b.rounds, 4, r.together(2, lookup), r.together(1, lookup))
}

// parallelWithWrites reads while the same client puts, 200 times a second: enough
// that every read meets a version of its own, and too few to take a core away
// from the readers.
func (b *bench) parallelWithWrites(ctx context.Context, r *readers) error {
	if !b.wants("get-2-writes") {
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var failed error
	var writer sync.WaitGroup
	writer.Go(func() {
		val, tick := newValues(5), time.NewTicker(5*time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := r.kv.Put(ctx, r.key(i), val.next()); err != nil && ctx.Err() == nil {
				failed = err
				return
			}
		}
	})
	x := b.row(row{
		ID: "get-2-writes", What: "Get on 2 cores while 200 Puts a second go on", Yardstick: "Get on one, with the same Puts",
		Unit: "/s", Limit: 1.8, AtLeast: true,
	})
	get := r.getter(context.WithoutCancel(ctx))
	err := inPieces(x, b.rounds, 4, r.together(2, get), r.together(1, get))
	stop()
	writer.Wait()
	return errors.Join(err, failed)
}

// tails measures the slowest Gets while batches of 10,000 records are applied
// without a pause, as in a bootstrap.
func (b *bench) tails(ctx context.Context, c *cluster, topic string, r *readers) error {
	if !b.wants("get-p99.9") {
		return nil
	}
	raw, err := c.producer(topic)
	if err != nil {
		return err
	}
	defer raw.Close()
	x := b.row(row{
		ID: "get-p99.9", What: "p99.9 of Get while batches of 10,000 apply", Yardstick: "p99.9 of Get at rest", Brokers: c.kind, Unit: "us",
	})
	get := r.getter(ctx)
	slowest := func() (float64, error) {
		took := make([]float64, 0, 1<<20)
		for began, at := time.Now(), 0; time.Since(began) < 300*time.Millisecond && len(took) < cap(took); at++ {
			t := time.Now()
			if !get(r.key(at)) {
				return 0, errors.New("a get while a batch applied failed")
			}
			took = append(took, micros(time.Since(t)))
		}
		return percentile(took, 0.999), nil
	}
	busy := func() (float64, error) {
		ctx, stop := context.WithCancel(ctx)
		var writer sync.WaitGroup
		writer.Go(func() {
			val := newValues(6)
			for ctx.Err() == nil {
				records := make([]*kgo.Record, 10_000)
				for i := range records {
					records[i] = &kgo.Record{Key: r.key(i), Value: val.next()}
				}
				_ = raw.ProduceSync(ctx, records...).FirstErr() // ends with ctx
			}
		})
		defer writer.Wait()
		defer stop()
		return slowest()
	}
	return turns(x, b.rounds, busy, func() (float64, error) {
		return slowest()
	})
}
