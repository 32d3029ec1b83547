package kvstoretest

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/internal/fakecluster"
)

// BenchmarkNew measures what the first line of a test costs: a cluster, a topic
// and a client, and their end.
func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		f := &fakeTB{TB: b}
		b.StartTimer()
		New(f).Client()
		f.end()
	}
}

// BenchmarkHundredParallelTests measures a hundred tests that write and read
// once, all at the same time.
func BenchmarkHundredParallelTests(b *testing.B) {
	for b.Loop() {
		done := make(chan struct{})
		for range 100 {
			go func() {
				defer func() { done <- struct{}{} }()
				f := &fakeTB{TB: b}
				defer f.end()
				oneTest(f)
			}()
		}
		for range 100 {
			<-done
		}
	}
}

// end calls what was registered for the end of the test.
func (f *fakeTB) end() {
	for _, fn := range slices.Backward(f.cleanups) {
		fn()
	}
}

func oneTest(t testing.TB) {
	kv := NewStore(t)
	if err := kv.Put(t.Context(), []byte("k"), []byte("v")); err != nil {
		t.Errorf("Put = %v", err)
	}
	if _, err := kv.Get(t.Context(), []byte("k")); err != nil {
		t.Errorf("Get = %v", err)
	}
}

// TestKitCostsLittle compares the kit with what any test on a fake broker has to
// do: start one, connect, and ask it ten times for something. Both run by turns, and the
// best of several runs of both is compared, so the speed of the machine does not matter. Other
// tests may take its time away for a while: the best of several rounds counts.
func TestKitCostsLittle(t *testing.T) {
	if testing.Short() {
		t.Skip("measures")
	}
	const most = 10
	var ratios []float64
	for range 10 {
		ratio := kitsCost(t)
		if ratio <= most {
			t.Logf("a test with the kit takes %.1f times the yardstick, after %.1f", ratio, ratios)
			return
		}
		ratios = append(ratios, ratio)
	}
	t.Errorf("a test with the kit takes %.1f times the yardstick, want %d times at most", ratios, most)
}

// kitsCost returns how many times as long as the yardstick a test with the kit takes.
func kitsCost(t *testing.T) float64 {
	t.Helper()
	kit, yardstick := time.Hour, time.Hour
	for range 20 {
		yardstick = min(yardstick, took(func() { tenPings(t) }))
		kit = min(kit, took(func() {
			f := &fakeTB{TB: t}
			oneTest(f)
			f.end()
		}))
	}
	return float64(kit) / float64(yardstick)
}

func took(fn func()) time.Duration {
	start := time.Now()
	fn()
	return time.Since(start)
}

func tenPings(t *testing.T) {
	t.Helper()
	c, err := fakecluster.Start(fakecluster.Options{Topics: []fakecluster.Topic{{Name: "kv"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Seeds()...), kgo.Dialer(c.Dialer("yardstick")))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for range 10 {
		if err := cl.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
