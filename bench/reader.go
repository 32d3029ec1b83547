package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidwall/btree"

	"github.com/kvsim/kvsim/kvstore"
)

// ring is random keys, one after the other, made before a clock runs. It holds
// no pointers that the collector would follow.
type ring struct {
	keys []byte
	at   int
}

const ringKeys = 1 << 20

func newRing(keys int) *ring {
	rng := rand.New(rand.NewPCG(1, 2))
	r := &ring{keys: make([]byte, 0, ringKeys*keySize)}
	for range ringKeys {
		r.keys = append(r.keys, keyOf(rng.IntN(keys))...)
	}
	return r
}

// next returns a key, which must not be changed.
func (r *ring) next() []byte {
	r.at = (r.at + keySize) & (len(r.keys) - 1)
	return r.keys[r.at : r.at+keySize : r.at+keySize]
}

// part returns a ring over the same keys that begins elsewhere.
func (r *ring) part(i, of int) *ring {
	return &ring{keys: r.keys, at: i * (ringKeys / of) * keySize}
}

// rangeLen is how many pairs a Range reads.
const rangeLen = 1000

// reader is the store's side.
type reader struct {
	kv   *kvstore.Client
	ctx  context.Context // of the child process
	ring *ring

	quit    chan struct{} // closed to end the writer
	written chan error
}

func openReader(ctx context.Context, j openJob) (*reader, error) {
	c := cluster{addrs: j.Addrs}
	kv, err := c.store(ctx, j.Topic)
	if err != nil {
		return nil, err
	}
	r := &reader{kv: kv, ctx: ctx, ring: newRing(j.Keys)}
	runtime.GC()
	return r, nil
}

func (r *reader) close() { _ = r.kv.Close() } // always nil

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

// scansAfterBatches returns the median time of n scans, in microseconds, with a batch of
// as many pairs as a scan reads before each, which is not timed.
func (r *reader) scansAfterBatches(n int) (float64, error) {
	val, took := newValues(6), make([]float64, 0, n)
	for range n {
		batch := r.kv.Batch()
		for range rangeLen {
			batch.Put(r.ring.next(), val.next())
		}
		if err := batch.Execute(r.ctx); err != nil {
			return 0, err
		}
		began := time.Now()
		if err := r.scan(); err != nil {
			return 0, err
		}
		took = append(took, micros(time.Since(began)))
	}
	return percentile(took, 0.5), nil
}

// write starts a writer that puts n pairs a second; with 0 it ends that one.
func (r *reader) write(ctx context.Context, n int) error {
	if n == 0 {
		close(r.quit)
		return <-r.written
	}
	r.quit, r.written = make(chan struct{}), make(chan error, 1)
	go func() {
		val, keys, tick := newValues(5), r.ring.part(1, 3), time.NewTicker(time.Second/time.Duration(n))
		defer tick.Stop()
		for {
			select {
			case <-r.quit:
				r.written <- nil
				return
			case <-tick.C:
			}
			if err := r.kv.Put(ctx, keys.next(), val.next()); err != nil {
				r.written <- err
				return
			}
		}
	}()
	return nil
}

// yardstick is the other side: the same pairs in a map and in a B-tree.
type yardstick struct {
	plain map[string][]byte
	tree  *btree.BTreeG[pair]
	ring  *ring
}

type pair struct {
	key   string
	value []byte
}

func newYardstick(keys int) *yardstick {
	y := &yardstick{plain: map[string][]byte{}, ring: newRing(keys)}
	y.tree = btree.NewBTreeG(func(a, b pair) bool { return a.key < b.key })
	val := newValues(7)
	for i := range keys {
		p := pair{string(keyOf(i)), val.next()}
		y.plain[p.key] = p.value
		y.tree.Set(p)
	}
	runtime.GC()
	return y
}

var errYardstick = errors.New("the yardstick does not hold what the store holds")

func (y *yardstick) lookup() error {
	if len(y.plain[string(y.ring.next())]) != valueSize {
		return errYardstick
	}
	return nil
}

// lookupCopy copies the value, as a Get does.
func (y *yardstick) lookupCopy(key []byte) error {
	v := y.plain[string(key)]
	if len(append(make([]byte, 0, len(v)), v...)) != valueSize {
		return errYardstick
	}
	return nil
}

// spin takes as long as a Get or two, and no memory but the key's.
func spin(key []byte) error {
	h := fnv.New64a()
	for range 50 {
		h.Write(key)
	}
	if h.Sum64() == 0 {
		return errYardstick
	}
	return nil
}

func (y *yardstick) ascend() error {
	left, size := rangeLen, 0
	y.tree.Ascend(pair{key: string(y.ring.next())}, func(p pair) bool {
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
func (y *yardstick) ascendCopy() error {
	left, all := rangeLen, make([]byte, 0, rangeLen*pairSize)
	y.tree.Ascend(pair{key: string(y.ring.next())}, func(p pair) bool {
		all = append(append(all, p.key...), p.value...)
		left--
		return left > 0
	})
	if len(all)%pairSize != 0 {
		return errYardstick
	}
	return nil
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

// together runs get from n goroutines on n cores for a while and returns gets in
// a second, and in n seconds of processor time. A core is what GOMAXPROCS gives:
// on one, the reader shares it with the collector and with what the client does
// besides.
func together(n int, while time.Duration, keys *ring, get func(key []byte) error) (rate, rateCPU float64, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
	var group sync.WaitGroup
	var done atomic.Int64
	errs := make([]error, n)
	began, cpu := time.Now(), cpuTime()
	for g := range n {
		group.Go(func() {
			mine, count := keys.part(g, n), int64(0)
			for time.Since(began) < while && errs[g] == nil {
				for range 256 {
					if err := get(mine.next()); err != nil {
						errs[g] = err
						break
					}
				}
				count += 256
			}
			done.Add(count)
		})
	}
	group.Wait()
	gets := float64(done.Load())
	cpu = cpuTime() - cpu
	if cpu > 0 {
		rateCPU = gets / cpu * float64(n)
	}
	return gets / time.Since(began).Seconds(), rateCPU, errors.Join(errs...)
}
