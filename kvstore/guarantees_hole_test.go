package kvstore_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

// longer makes the log, which ends at end, look longer, by n offsets at which there is
// nothing.
func longer(end, n int64) func(*reply) {
	return func(r *reply) {
		switch resp := r.resp.(type) {
		case *kmsg.FetchResponse:
			for i := range resp.Topics {
				for j := range resp.Topics[i].Partitions {
					p := &resp.Topics[i].Partitions[j]
					if p.ErrorCode == kerr.OffsetOutOfRange.Code { // to the fetch from behind them
						time.Sleep(time.Second)
						p.ErrorCode = 0
					}
					p.HighWatermark, p.LastStableOffset, p.LogStartOffset = end+n, end+n, 0
				}
			}
		case *kmsg.ListOffsetsResponse:
			if r.req.(*kmsg.ListOffsetsRequest).Topics[0].Partitions[0].Timestamp == -1 {
				resp.Topics[0].Partitions[0].Offset += n
			}
		}
	}
}

func TestOpenReturnsAtEndWhenTheLastRecordsWereCompactedAway(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		w.produce(w.kafka("other"), record("a", "1"))
		a := w.answers("c")
		a.set(longer(1, 2))
		var c *kvstore.Client
		if d := took(func() { c = w.open("c", a.option()) }); d < 29*time.Second || d > 40*time.Second {
			t.Errorf("opening took %v, want about 30s: one answer proves nothing", d)
		}
		w.want(c, "a", "1")
		if got := c.Position(); got != 3 {
			t.Errorf("Position() = %d, want the end, 3", got)
		}
		if err := c.Sync(w.within(time.Minute)); err != nil {
			t.Errorf("Sync at an end without a record = %v", err)
		}
		w.DropConnections("c")
		time.Sleep(5 * time.Second)
		w.wantNoRebuild(c)
		if n := a.requests(kmsg.Fetch); n > 40 {
			t.Errorf("%d fetches in about 40s", n)
		}
		time.Sleep(10 * time.Minute)
		if n := a.requests(kmsg.Fetch); n > 700 {
			t.Errorf("%d fetches in 10m, want about one a second", n)
		}
		w.wantNoRebuild(c)
		_ = c.Close()
		time.Sleep(2 * time.Second) // until no answer is held back any more
	})
}

// A broker that answers nothing now and then, or is slow to be asked, makes nobody step over
// a record.
func TestAnswersWithoutABatchAreNotBelievedAtOnce(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		a := w.answers("c")
		c, other := w.open("c", a.option()), w.kafka("other")
		empty := 0
		a.set(func(r *reply) {
			resp, ok := r.resp.(*kmsg.FetchResponse)
			if !ok {
				return
			}
			for i := range resp.Topics {
				for j := range resp.Topics[i].Partitions {
					if p := &resp.Topics[i].Partitions[j]; len(p.RecordBatches) > 0 && empty > 0 {
						empty--
						p.RecordBatches = nil
					}
				}
			}
		})
		for range 5 {
			empty = 4 // within a second or so
			w.produce(other, record("k", "v"))
			if err := c.Sync(w.within(time.Minute)); err != nil {
				t.Fatal(err)
			}
			w.want(c, "k", "v")
			w.produce(other, &kgo.Record{Key: []byte("k")})
			if err := c.Sync(w.within(time.Minute)); err != nil {
				t.Fatal(err)
			}
			w.WantMissing(c, "k")
		}
		a.set(nil)
	})
}

// Throttled answers without a batch are no hole, however many there are.
func TestThrottledAnswersWithoutABatchAreNoHole(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		w.produce(w.kafka("other"), record("a", "1"))
		a := w.answers("c")
		a.set(func(r *reply) {
			if resp, ok := r.resp.(*kmsg.FetchResponse); ok {
				resp.ThrottleMillis = 100
				for i := range resp.Topics {
					for j := range resp.Topics[i].Partitions {
						resp.Topics[i].Partitions[j].RecordBatches = nil
					}
				}
			}
		})
		_, err := kvstore.NewClient(w.within(time.Minute), topic, memory.New(), w.options("c", a.option())...)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "position 0") {
			t.Errorf("NewClient = %v, want the deadline at position 0", err)
		}
	})
}

// All that came while the client was away is gone again: a tombstone and what it deleted. A
// leader that withholds records answers the same, and k was shown. So reads wait until there is
// something behind, which proves it.
func TestDeletedKeyStaysDeletedBehindAHole(t *testing.T) {
	inWorld(t, keepingTombstones(1, 10*time.Minute), func(t *testing.T, w *world) {
		a := w.answers("c")
		var hooks hookBook
		c, other := w.open("c", append(hooks.options(), a.option())...), w.kafka("other")
		w.put(c, "k", "1")
		back := w.cutOff("c")
		w.produce(other, &kgo.Record{Key: []byte("k")})
		time.Sleep(15 * time.Minute)
		a.set(withholding(0, 2))
		back()
		if err := c.Sync(w.within(5 * time.Minute)); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "would take back") {
			t.Errorf("Sync while nothing proves that k was deleted = %v, want the deadline, and why", err)
		}
		w.produce(other, record("x", "1"))
		if err := c.Sync(w.within(time.Minute)); err != nil {
			t.Fatal(err)
		}
		w.WantMissing(c, "k")
		w.want(c, "x", "1")
		if got := hooks.all(); !slices.Equal(got, []string{"set k=1", "set x=1", "delete k"}) {
			t.Errorf("hooks = %q, want k set and deleted, and x set", got)
		}
	})
}
