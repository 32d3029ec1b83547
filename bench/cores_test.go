package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkGetCores reads on one core and on two: a core is what GOMAXPROCS gives. On
// one, the reader shares it with the collector and with what the client does besides.
//
// A machine that is shared may take one of two cores away for minutes, and then nothing
// shows whether readers wait for each other. The side that spins tells.
func BenchmarkGetCores(b *testing.B) {
	beside(b,
		side{"store", func(b *testing.B) {
			r := openReader(b)
			eachCores(b, r.ring, r.getOf)
		}},
		side{"store-writes", func(b *testing.B) {
			r := openReader(b)
			defer writing(b, r)()
			eachCores(b, r.ring, r.getOf)
		}},
		side{"map", func(b *testing.B) {
			m := newGoMap()
			eachCores(b, m.ring, m.copyOf)
		}},
		side{"spin", func(b *testing.B) { eachCores(b, newRing(heldKeys()), spin) }})
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

// eachCores reports gets in a second on one core and on two, and the processor time of one.
func eachCores(b *testing.B, keys *ring, get func(key []byte) error) {
	for n := 1; n <= 2; n++ {
		b.Run(fmt.Sprintf("cores=%d", n), func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
			var readers atomic.Int32
			cpu := cpuTime()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				mine := keys.part(int(readers.Add(1))-1, n)
				for pb.Next() {
					if err := get(mine.next()); err != nil {
						b.Error(err)
						return
					}
				}
			})
			if used := cpuTime() - cpu; used > 0 {
				b.ReportMetric(float64(used)/float64(b.N), "cpu-ns/get")
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "gets/s")
		})
	}
}

// writing puts 200 pairs a second until it is stopped: enough that reads meet new versions
// all the time, and too few to take a core away from the readers.
func writing(b *testing.B, r *reader) (stop func()) {
	ctx, cancel := context.WithCancel(r.ctx)
	written := make(chan error)
	go func() {
		val, keys, tick := newValues(5), r.ring.part(1, 3), time.NewTicker(time.Second/200)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				written <- nil
				return
			case <-tick.C:
			}
			if err := r.kv.Put(r.ctx, keys.next(), val.next()); err != nil {
				written <- err
				return
			}
		}
	}()
	return func() {
		cancel()
		if err := <-written; err != nil {
			b.Error(err)
		}
	}
}
