package main

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/aclements/go-moremath/stats"
)

// A side is one way to do what a row is about: the store's, or a yardstick.
type side struct {
	name string
	run  func(b *testing.B)
}

// beside measures sides one right after the other, in an order that differs from
// round to round.
func beside(b *testing.B, sides ...side) {
	order := rand.New(rand.NewPCG(uint64(os.Getpid()), uint64(time.Now().UnixNano())))
	order.Shuffle(len(sides), func(i, j int) { sides[i], sides[j] = sides[j], sides[i] })
	for _, s := range sides {
		b.Run("side="+s.name, s.run)
	}
}

// A tally collects what the iterations of a benchmark measured, by unit.
type tally map[string][]float64

func (t tally) add(unit string, v float64) { t[unit] = append(t[unit], v) }

// report reports the median of each.
func (t tally) report(b *testing.B) {
	for unit, values := range t {
		b.ReportMetric(quantile(values, 0.5), unit)
	}
}

func quantile(values []float64, q float64) float64 { return stats.Sample{Xs: values}.Quantile(q) }

// nanos is the time since began.
func nanos(began time.Time) float64 { return float64(time.Since(began)) }

// eachCall times each call of do, which handles so many pairs, and reports the median
// for one of them in the unit.
func eachCall(b *testing.B, unit string, pairs int, do func() error) {
	b.Helper()
	took := make([]float64, 0, 1<<12)
	for b.Loop() {
		began := time.Now()
		if err := do(); err != nil {
			b.Fatal(err)
		}
		took = append(took, nanos(began)/float64(pairs))
	}
	b.ReportMetric(quantile(took, 0.5), unit)
}

// allocations counts those of the whole process. What it returns reports how many there
// were for each iteration since: package testing rounds its allocs/op down.
func allocations(b *testing.B) (report func()) {
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	return func() {
		var after runtime.MemStats
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N), "mallocs/op")
	}
}

func heapNow() float64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return float64(s[0].Value.Uint64())
}

// liveHeap returns the bytes of the heap after a collection.
func liveHeap() float64 {
	runtime.GC()
	runtime.GC()
	return heapNow()
}

// watchHeap looks at the heap every millisecond. The function that it returns
// ends that and returns the most that was seen.
func watchHeap() (peak func() float64) {
	stop, done := make(chan struct{}), make(chan float64)
	go func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		most := 0.0
		for {
			most = max(most, heapNow())
			select {
			case <-tick.C:
			case <-stop:
				done <- max(most, heapNow())
				return
			}
		}
	}()
	return func() float64 {
		close(stop)
		return <-done
	}
}

// Sizes of the pairs, in bytes.
const (
	keySize   = 16
	valueSize = 100
	pairSize  = keySize + valueSize
)

// keyOf is the i-th key. Its bytes are spread by a bijection, so that keys made
// one after the other are not neighbours in order.
func keyOf(i int) []byte {
	k := make([]byte, keySize)
	putKey(k, i)
	return k
}

// putKey makes k the i-th key.
func putKey(k []byte, i int) {
	binary.BigEndian.PutUint64(k, uint64(i)*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(k[8:], uint64(i))
}

// values makes random values.
type values struct{ rng *rand.ChaCha8 }

func newValues(seed byte) values { return values{rand.NewChaCha8([32]byte{seed})} }

func (v values) next() []byte {
	b := make([]byte, valueSize)
	_, _ = v.rng.Read(b) // never fails
	return b
}

// ring is random keys, one after the other, made before a clock runs. It holds
// no pointers that the collector would follow.
type ring struct {
	keys []byte
	at   int
}

const ringKeys = 1 << 20

func newRing(keys int) *ring {
	rng := rand.New(rand.NewPCG(1, 2))
	r := &ring{keys: make([]byte, ringKeys*keySize)}
	for at := 0; at < len(r.keys); at += keySize {
		putKey(r.keys[at:at+keySize], rng.IntN(keys))
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
