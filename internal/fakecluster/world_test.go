package fakecluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/simnet"
)

// world runs clients that write and read while a nemesis does everything that loses no
// acknowledged record. It notes what happened, with times.
type world struct {
	t     *testing.T
	c     *Cluster
	begin time.Time

	mu      sync.Mutex
	history []string
	acked   map[string]int64 // value to offset
}

func (w *world) say(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.history = append(w.history, fmt.Sprintf("%12d ", time.Since(w.begin))+fmt.Sprintf(format, args...))
}

// run runs a world; a nemesis works if steps is above 0.
func (w *world) run(seed uint64, clients, puts, steps int) {
	t := w.t
	w.acked = make(map[string]int64)
	w.c = start(t, Options{Brokers: 3, Network: simnet.Config{
		Seed:    seed,
		Latency: simnet.Latency{Min: 200 * time.Microsecond, Mean: time.Millisecond, Max: 5 * time.Millisecond},
	}})
	w.begin = time.Now()
	tap := must(w.c.Tap(topic, 0))(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	var writers, readers sync.WaitGroup
	for i := range clients {
		time.Sleep(1237 * time.Nanosecond) // each at an instant of its own
		name := fmt.Sprint("c", i)
		cl := client(t, w.c, name, kgo.ConsumeTopics(topic), kgo.DisableClientMetrics(), kgo.KeepControlRecords(),
			kgo.RetryBackoffFn(func(n int) time.Duration {
				return time.Duration(10+n)*time.Millisecond + time.Duration(i)*31*time.Nanosecond
			}),
			kgo.RecordRetries(1<<30), kgo.RequestRetries(1<<30))
		readers.Go(func() { w.read(ctx, cl, name) })
		// kgo chooses brokers at random to ask for metadata and for a producer
		// id. Clients start one after the other, so that the seed decides the
		// order of these choices.
		time.Sleep(100 * time.Millisecond)
		writers.Go(func() {
			time.Sleep(time.Duration(clients-i) * 100 * time.Millisecond)
			w.write(ctx, cl, name, puts)
		})
	}
	time.Sleep(150 * time.Millisecond)
	rng := rand.New(rand.NewPCG(seed, 7))
	for range steps {
		time.Sleep(time.Duration(rng.Int64N(int64(50 * time.Millisecond))))
		w.nemesis(rng)
	}
	writers.Wait()
	cancel()
	readers.Wait()
	w.judge(must(tap.Batches())(t))
}

// judge checks that every acknowledged record was appended once, where the
// client was told.
func (w *world) judge(log []Tapped) {
	at := make(map[string][]int64)
	next := int64(0)
	for _, b := range log {
		if b.FirstOffset != next || b.Lost {
			w.t.Errorf("batch at offset %d (lost: %v), want the next one at %d", b.FirstOffset, b.Lost, next)
		}
		next = b.LastOffset + 1
		for _, r := range b.Records {
			if !b.Control && string(r.Key) != "foreign" {
				at[string(r.Value)] = append(at[string(r.Value)], r.Offset)
			}
		}
	}
	for value, offset := range w.acked {
		if got := at[value]; len(got) != 1 || got[0] != offset {
			w.t.Errorf("%s was acknowledged at %d and is in the log at %v", value, offset, got)
		}
	}
	for value, got := range at {
		if len(got) > 1 {
			w.t.Errorf("%s is in the log %d times, at %v", value, len(got), got)
		}
	}
	if len(w.acked) == 0 {
		w.t.Error("no record was acknowledged")
	}
}

func (w *world) write(ctx context.Context, cl *kgo.Client, name string, puts int) {
	for n := range puts {
		value := fmt.Sprintf("%s-%d", name, n)
		r := &kgo.Record{Key: fmt.Append(nil, "k", n%7), Value: []byte(value)}
		w.say("%s puts %s", name, value)
		if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
			w.t.Errorf("put %s: %v", value, err)
			return
		}
		w.say("%s has put %s at %d", name, value, r.Offset)
		w.mu.Lock()
		w.acked[value] = r.Offset
		w.mu.Unlock()
	}
}

func (w *world) read(ctx context.Context, cl *kgo.Client, name string) {
	for {
		fs := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return
		}
		fs.EachError(func(_ string, _ int32, err error) {
			w.t.Errorf("%s reads: %v", name, err)
		})
		fs.EachRecord(func(r *kgo.Record) { w.say("%s reads %s at %d", name, r.Value, r.Offset) })
	}
}

func (w *world) nemesis(rng *rand.Rand) {
	c, n, b := w.c, w.c.Network(), int32(rng.IntN(3))
	target := simnet.Target{Brokers: []int32{b}}
	produce := simnet.Target{Keys: []int16{int16(kmsg.Produce)}}
	var err error
	switch rng.IntN(13) {
	case 0:
		err = c.MoveLeader(topic, 0, b)
	case 1:
		err = c.Compact()
	case 2:
		err = c.StopBroker(b)
		time.Sleep(time.Duration(rng.Int64N(int64(100 * time.Millisecond))))
		if err == nil {
			err = c.StartBroker(b)
		}
	case 3:
		n.LoseAnswer(produce, 1+rng.IntN(2))
	case 4:
		n.LoseRequest(produce, 1)
	case 5:
		n.CutFrame(simnet.Target{}, 0, 1)
	case 6:
		n.StallFor(target, time.Duration(rng.Int64N(int64(200*time.Millisecond))))
	case 7:
		n.DropConns(target)
	case 8:
		_, err = c.FailProduces(ProduceFault{Err: kerr.NotEnoughReplicasAfterAppend, AfterAppend: true, Count: 1})
	case 9:
		_, err = c.FailProduces(ProduceFault{Err: kerr.NotEnoughReplicas, Count: 1})
	case 10:
		_, err = c.SlowBroker(Slow{Delay: 5 * time.Millisecond, Count: 3})
	case 11:
		err = c.Crash()
	case 12:
		var txn *Txn
		if txn, err = c.Begin("foreign"); err == nil {
			if _, err = txn.Append(topic, 0, kv("foreign", "aborted")); err == nil {
				err = txn.Abort()
			}
		}
	}
	if err != nil {
		w.t.Errorf("nemesis: %v", err)
	}
}

// TestNothingAcknowledgedIsLostOrDoubled checks the whole: whatever the nemesis does, kgo's
// idempotent producer writes each record once.
func TestNothingAcknowledgedIsLostOrDoubled(t *testing.T) {
	needsTag(t)
	seeds := uint64(20)
	if testing.Short() {
		seeds = 3
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				new(world).with(t).run(seed, 3, 60, 12)
			})
		})
	}
}

func (w *world) with(t *testing.T) *world {
	w.t = t
	return w
}

// needsTag skips a test in which kgo waits for one of its mutexes while time has to pass, as
// it does when it gets a producer id on a network with faults. In a bubble, time then stands
// still, unless kgo is built (with -tags synctests) to use mutexes that synctest knows.
func needsTag(t *testing.T) {
	t.Helper()
	if !synctests {
		t.Skip("needs -tags synctests")
	}
}

// TestSameSeedSameWorld runs worlds twice and compares all events and their instants, to the
// nanosecond. A few seeds may differ (see floor). Under the race detector, which shuffles
// the scheduler, all may.
func TestSameSeedSameWorld(t *testing.T) {
	for _, tc := range []struct {
		name         string
		steps, floor int // of 20
	}{
		{"without faults", 0, 18},
		{"with faults", 12, 14},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.steps > 0 {
				needsTag(t)
			}
			run := func(seed uint64) []string {
				w := new(world)
				synctest.Test(t, func(t *testing.T) { w.with(t).run(seed, 4, 50, tc.steps) })
				return w.history
			}
			same := 0
			for seed := range uint64(20) {
				one, two := run(seed), run(seed)
				i := 0
				for i < len(one) && i < len(two) && one[i] == two[i] {
					i++
				}
				if i == len(one) && i == len(two) {
					same++
					continue
				}
				t.Logf("seed %d differs from event %d of %d on:\n%s\n%s", seed, i, len(one), one[max(0, i-1)], strings.Join(one[i:min(i+5, len(one))], "\n")+"\n-- or --\n"+strings.Join(two[i:min(i+5, len(two))], "\n"))
			}
			t.Logf("%d of 20 seeds gave the same world twice", same)
			if same < tc.floor && !raceDetector {
				t.Errorf("%d of 20 seeds gave the same world twice, want at least %d", same, tc.floor)
			}
		})
	}
}
