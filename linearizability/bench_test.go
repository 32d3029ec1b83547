package linearizability_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	lin "github.com/kvsim/kvsim/linearizability"
)

// busyHistory makes a legal history of n operations: clients write, read, sync and lag.
// A few of the keys are hot, and 2 % of the writes have an unknown outcome. It takes O(n),
// unlike the world of the property tests.
func busyHistory(clients, keys, n int) *lin.History {
	var now time.Duration
	b := &busy{
		rng: rand.New(rand.NewPCG(1, 2)), keys: keys,
		r: lin.NewRecorder(func() time.Duration { now += time.Microsecond; return now }, lin.RecorderOptions{Header: lin.Header{Tap: lin.TapExact}}),
	}
	b.zipf = rand.NewZipf(b.rng, 1.2, 4, uint64(keys-1))
	for i := range clients {
		b.clients = append(b.clients, &busyClient{name: fmt.Sprintf("c%d", i+1), state: make([]lin.Item, keys)})
	}
	for b.ops < n {
		b.step(b.clients[b.rng.IntN(clients)])
	}
	return b.r.History()
}

type busy struct {
	rng     *rand.Rand
	zipf    *rand.Zipf
	r       *lin.Recorder
	keys    int
	ops     int
	log     []lin.Item
	clients []*busyClient
}

type busyClient struct {
	name  string
	pos   int
	state []lin.Item
	call  *lin.Call
	kind  lin.OpKind
	key   int
	off   int
}

func (b *busy) key() int { return int(b.zipf.Uint64()) }

func keyName(k int) string { return fmt.Sprintf("key/%04d", k) }

// step starts the client's next operation, or ends the one under way.
func (b *busy) step(c *busyClient) {
	if c.call == nil {
		b.call(c)
		return
	}
	switch c.kind {
	case lin.OpGet:
		b.advance(c, c.pos+b.rng.IntN(len(b.log)-c.pos+1))
		if it := c.state[c.key]; it.Value != "" {
			c.call.Value(it.Value).Revision(it.Revision)
		}
	case lin.OpRange:
		var items []lin.Item
		for k := c.key; k < min(c.key+10, b.keys); k++ {
			if it := c.state[k]; it.Value != "" {
				items = append(items, it)
			}
		}
		c.call.Items(items)
	default: // a write, or sync
		if b.rng.IntN(50) == 0 && c.kind != lin.OpSync {
			c.call.Unknown(nil)
			c.call = nil
			return
		}
		b.advance(c, max(c.pos, c.off+1))
		if c.kind != lin.OpSync {
			c.call.Revision(int64(c.off))
		}
	}
	c.call.Position(int64(c.pos)).OK()
	c.call = nil
}

func (b *busy) call(c *busyClient) {
	b.ops++
	op := lin.Operation{Client: c.name, Process: 1}
	c.key = b.key()
	op.Key = keyName(c.key)
	switch p := b.rng.IntN(100); {
	case p < 40:
		op.Kind, op.Value = lin.OpPut, fmt.Sprintf("%s-%d", c.name, b.ops)
	case p < 45:
		op.Kind = lin.OpDelete
	case p < 88:
		op.Kind = lin.OpGet
	case p < 90:
		op.Kind, op.Start, op.End, op.Key = lin.OpRange, op.Key, keyName(c.key+10), ""
	default:
		op.Kind, op.Key, c.off = lin.OpSync, "", len(b.log)-1
	}
	c.kind, c.call = op.Kind, b.r.Begin(op)
	if op.Kind.Writes() {
		c.off = len(b.log)
		b.log = append(b.log, lin.Item{Key: op.Key, Value: op.Value, Revision: int64(c.key)})
		b.r.Append(lin.Record{Offset: int64(c.off), Key: op.Key, Value: op.Value})
	}
}

func (b *busy) advance(c *busyClient, to int) {
	for ; c.pos < to; c.pos++ {
		it := b.log[c.pos]
		c.state[it.Revision] = lin.Item{Key: it.Key, Value: it.Value, Revision: int64(c.pos)}
	}
}

var benchSizes = []int{10_000, 100_000, 1_000_000}

// BenchmarkWitness measures the log witness. ns/op is for the whole history; ns/operation
// must be about the same for all sizes.
func BenchmarkWitness(b *testing.B) {
	benchmarkCheck(b, lin.Options{Skip: porcupineChecks})
}

// BenchmarkCheck measures both judges.
func BenchmarkCheck(b *testing.B) {
	benchmarkCheck(b, lin.Options{})
}

func benchmarkCheck(b *testing.B, opts lin.Options) {
	base := 0.0
	for _, n := range benchSizes {
		h := busyHistory(5, 500, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if v := lin.Check(h, opts); v.Status != lin.Held {
					b.Fatal(v)
				}
			}
			each := float64(b.Elapsed().Nanoseconds()) / float64(b.N) / float64(n)
			b.ReportMetric(each, "ns/operation")
			if base == 0 {
				base = each
			}
			b.ReportMetric(each/base, "ratio")
		})
	}
}

// BenchmarkShapes measures both judges on histories that are hard to judge. The factor is how
// many times the work for an operation is that of a history with a tenth of the operations.
func BenchmarkShapes(b *testing.B) {
	for _, s := range linearShapes {
		before := 0.0
		for _, n := range []int{4_000, 40_000} {
			b.Run(fmt.Sprintf("%s/%d", s.name, n), func(b *testing.B) {
				h := s.make(n)
				b.ReportAllocs()
				for b.Loop() {
					lin.Check(h, lin.Options{})
				}
				each := float64(b.Elapsed().Nanoseconds()) / float64(b.N) / float64(n)
				b.ReportMetric(each, "ns/operation")
				if before > 0 {
					b.ReportMetric(each/before, "factor")
				}
				before = each
			})
		}
	}
}

// BenchmarkPorcupineW measures porcupine alone, on a history as large as that of the
// reference workload: 5 clients with 200 operations each.
func BenchmarkPorcupineW(b *testing.B) {
	h := busyHistory(5, 20, 1000)
	for b.Loop() {
		if v := lin.Check(h, lin.Options{Skip: witnessChecks()}); v.Status != lin.Held {
			b.Fatal(v)
		}
	}
}

func BenchmarkRecorder(b *testing.B) {
	for _, streaming := range []bool{false, true} {
		b.Run(fmt.Sprintf("streaming=%v", streaming), func(b *testing.B) {
			var now time.Duration
			opts := lin.RecorderOptions{Discard: true}
			if streaming {
				opts.Output = discard{}
			}
			r := lin.NewRecorder(func() time.Duration { now++; return now }, opts)
			b.ReportAllocs()
			for b.Loop() {
				r.Begin(lin.Operation{Client: "c1", Process: 1, Kind: lin.OpPut, Key: "key/0001", Value: "c1-1"}).Revision(1).Position(2).OK()
			}
		})
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func BenchmarkReadHistory(b *testing.B) {
	var out bytes.Buffer
	if err := lin.WriteHistory(&out, busyHistory(5, 500, 10_000)); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(out.Len()))
	for b.Loop() {
		if _, err := lin.ReadHistory(bytes.NewReader(out.Bytes())); err != nil {
			b.Fatal(err)
		}
	}
}
