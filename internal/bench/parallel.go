package main

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// together runs get from n goroutines on n cores for a while and returns gets in
// a second. A core is what GOMAXPROCS gives: on one, the reader shares it with
// the collector and with what the client does besides.
func (r *readers) together(n int, get func(key []byte) bool) sample {
	return func() (float64, error) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
		var group sync.WaitGroup
		var done atomic.Int64
		var wrong atomic.Bool
		began := time.Now()
		for g := range n {
			group.Go(func() {
				at, count := g*7919, int64(0)
				for time.Since(began) < r.piece {
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
