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
// do: start one, connect, and ask it ten times for something. The best of several
// runs of both is compared, so the speed of the machine does not matter.
func TestKitCostsLittle(t *testing.T) {
	if testing.Short() {
		t.Skip("measures")
	}
	best := func(fn func()) time.Duration {
		least := time.Hour
		for range 40 {
			start := time.Now()
			fn()
			least = min(least, time.Since(start))
		}
		return least
	}
	yardstick := best(func() {
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
	})
	kit := best(func() {
		f := &fakeTB{TB: t}
		oneTest(f)
		f.end()
	})
	t.Logf("a test with the kit: %v, yardstick: %v, ratio %.1f", kit, yardstick, float64(kit)/float64(yardstick))
	if kit > 10*yardstick {
		t.Errorf("a test with the kit takes %v, want 10 times %v at most", kit, yardstick)
	}
}
