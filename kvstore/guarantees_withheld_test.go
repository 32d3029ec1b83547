package kvstore_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

// withheld makes a leader answer nothing to fetches from below an offset on.
func withheld(below int64) func(*reply) {
	return func(r *reply) {
		resp, ok := r.resp.(*kmsg.FetchResponse)
		if !ok || len(resp.Topics) == 0 {
			return
		}
		if r.req.(*kmsg.FetchRequest).Topics[0].Partitions[0].FetchOffset < below {
			resp.Topics[0].Partitions[0].RecordBatches = nil
		}
	}
}

const everything = int64(1) << 60

// withholding takes the batches that begin at from or later, and before to, out of what the brokers
// answer.
func withholding(from, to int64) func(*reply) {
	return func(r *reply) {
		resp, ok := r.resp.(*kmsg.FetchResponse)
		if !ok || len(resp.Topics) == 0 {
			return
		}
		p := &resp.Topics[0].Partitions[0]
		var left []byte
		for raw := p.RecordBatches; len(raw) > 12; {
			size := 12 + int(binary.BigEndian.Uint32(raw[8:]))
			if first := int64(binary.BigEndian.Uint64(raw)); first < from || first >= to {
				left = append(left, raw[:size]...)
			}
			raw = raw[size:]
		}
		p.RecordBatches = left
	}
}

// bringsBefore makes fetches bring no batch at an offset or above.
func bringsBefore(end int64) func(*reply) {
	return func(r *reply) {
		resp, ok := r.resp.(*kmsg.FetchResponse)
		if !ok || len(resp.Topics) == 0 {
			return
		}
		p := &resp.Topics[0].Partitions[0]
		for at := 0; at < len(p.RecordBatches); {
			if int64(binary.BigEndian.Uint64(p.RecordBatches[at:])) >= end {
				p.RecordBatches = p.RecordBatches[:at]
				time.Sleep(100 * time.Millisecond) // nothing has come for so long
			} else {
				at += 12 + int(binary.BigEndian.Uint32(p.RecordBatches[at+8:]))
			}
		}
	}
}

// decidedBefore makes the log look as if a transaction were open from an offset on.
func decidedBefore(stable int64) func(*reply) {
	return func(r *reply) {
		if resp, ok := r.resp.(*kmsg.FetchResponse); ok && len(resp.Topics) > 0 {
			resp.Topics[0].Partitions[0].LastStableOffset = stable
			bringsBefore(stable)(r)
		}
	}
}

// endsBefore makes the log look as if the batches from an offset on were not written yet.
func endsBefore(end int64) func(*reply) {
	decided := decidedBefore(end)
	return func(r *reply) {
		decided(r)
		switch resp := r.resp.(type) {
		case *kmsg.FetchResponse:
			if len(resp.Topics) > 0 {
				resp.Topics[0].Partitions[0].HighWatermark = end
			}
		case *kmsg.ListOffsetsResponse:
			if r.req.(*kmsg.ListOffsetsRequest).Topics[0].Partitions[0].Timestamp == -1 {
				resp.Topics[0].Partitions[0].Offset = end
			}
		}
	}
}

// openDeprived opens a client from which 21 records are withheld, the last of which is "k" = "new".
func (w *world) openDeprived() (*kvstore.Client, *tampered) {
	w.t.Helper()
	a := w.answers("c")
	c, other := w.open("c", a.option()), w.kafka("other")
	a.set(withheld(everything))
	for range 20 {
		w.produce(other, record("k", "old"))
	}
	w.produce(other, record("k", "new"))
	return c, a
}

// A leader that answers nothing where records are, for so long that it is believed, makes a
// client late. It never makes it show what lies behind without what it left out.
func TestNothingBehindWithheldRecordsIsShownWithoutThem(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		a := w.answers("c")
		var hooks hookBook
		c, other := w.open("c", append(hooks.options(), a.option())...), w.kafka("other")
		w.put(c, "a", "1")
		a.set(withheld(everything))
		w.produce(other, record("b", "1"), record("c", "1"))
		err := c.Sync(w.within(29 * time.Second))
		var wait *kvstore.WaitError
		if !errors.As(err, &wait) || !strings.Contains(err.Error(), "answered without records") || !strings.Contains(err.Error(), "believed after 30s") {
			t.Errorf("Sync before it is believed = %v, want a WaitError that names the cause", err)
		}
		if problem := c.Status().Reading.Err; problem == nil || !strings.Contains(problem.Error(), "believed after 30s") {
			t.Errorf("Status().Reading = %v, want the cause", problem)
		}
		if err := c.Sync(w.within(10 * time.Second)); err != nil {
			t.Errorf("Sync once it is believed = %v", err)
		}
		if got := w.contents(c); got != "a=1 " {
			t.Errorf("contents = %q, want those before", got)
		}

		a.set(withheld(3)) // except what is new
		w.produce(other, record("d", "1"))
		time.Sleep(10 * time.Second)
		if got := w.contents(c); got != "a=1 " {
			t.Errorf("contents = %q: what lies behind is shown without what is left out", got)
		}
		if got := c.Status().Reading.Err; got == nil || !strings.Contains(got.Error(), "answered without records") {
			t.Errorf("Status().Reading = %v, want the cause", got)
		}

		a.set(nil)
		if err := c.Sync(w.within(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if got := w.contents(c); got != "a=1 b=1 c=1 d=1 " {
			t.Errorf("contents = %q, want all", got)
		}
		if got := hooks.all(); !slices.Equal(got, []string{"set a=1", "set b=1", "set c=1", "set d=1"}) {
			t.Errorf("hooks = %q, want each record in its place", got)
		}
		if n := c.Status().Rebuilds; n != 1 {
			t.Errorf("Rebuilds = %d, want 1", n)
		}
		if !slices.ContainsFunc(w.logs.all(), func(s string) bool { return strings.Contains(s, kvstore.ErrRecordsWithheld.Error()) }) {
			t.Errorf("the log does not name the cause: %q", w.logs.all())
		}
		w.put(c, "e", "1")
	})
}

// A wrong belief is found out within about a minute once the leader answers again, though
// nobody writes, and reads wait while what was left out is read.
func TestWithheldRecordsAreFoundThoughNobodyWrites(t *testing.T) {
	for _, lasts := range []time.Duration{35 * time.Second, 10 * time.Minute} {
		t.Run(lasts.String(), func(t *testing.T) {
			inWorld(t, withTopic(1), func(t *testing.T, w *world) {
				c, a := w.openDeprived()
				time.Sleep(lasts)
				a.set(nil)
				found := took(func() {
					w.eventually("it is read", func() bool { return c.Status().Rebuilds == 1 && c.Status().State == kvstore.StateLive })
				})
				w.want(c, "k", "new")
				if found > 61*time.Second {
					t.Errorf("it was found after %v", found)
				}
			})
		})
	}
}

// A belief that turned out to be wrong stays so when what was left out can't be applied immediately,
// because the brokers do not say how long tombstones are kept.
func TestWithheldRecordsAreFoundThoughSettingsCannotBeRead(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c, a := w.openDeprived()
		time.Sleep(47 * time.Second) // settings are read each half a minute
		refused := 0
		a.set(func(r *reply) {
			if resp, ok := r.resp.(*kmsg.DescribeConfigsResponse); ok && refused < 2 {
				refused++
				resp.Resources[0].ErrorCode = kerr.CoordinatorLoadInProgress.Code
			}
		})
		w.eventually("it is read", func() bool { return w.contents(c) == "k=new " })
		if n := c.Status().Rebuilds; n != 1 || refused == 0 {
			t.Errorf("Rebuilds = %d after %d refusals, want 1: what was left out is shown piece by piece", n, refused)
		}
	})
}

// An opening that believed it heals in the same way.
func TestOpeningThatBelievedALeaderHeals(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		w.produce(w.kafka("other"), record("a", "1"), record("b", "1"))
		a := w.answers("c")
		a.set(withheld(everything))
		var c *kvstore.Client
		if d := took(func() { c = w.open("c", a.option()) }); d < 29*time.Second {
			t.Errorf("it opened after %v, want half a minute", d)
		}
		a.set(nil)
		w.put(c, "c", "1") // its own write is behind
		if got := w.contents(c); got != "a=1 b=1 c=1 " {
			t.Errorf("contents = %q, want all", got)
		}
		if err := c.Sync(w.within(time.Second)); err != nil {
			t.Error(err)
		}
	})
}

// What comes after offsets of which nothing is left proves that, and is shown immediately.
func TestWriteBehindAHoleIsShownAtOnceAndRebuildsNothing(t *testing.T) {
	inWorld(t, keepingTombstones(1, time.Minute), func(t *testing.T, w *world) {
		other := w.kafka("other")
		w.produce(other, record("a", "1"))
		w.produce(other, record("k", "1"))
		w.produce(other, &kgo.Record{Key: []byte("k")})
		w.produce(other, record("b", "1"))
		w.Compact()
		time.Sleep(2 * time.Minute)
		w.Compact()
		a := w.answers("c")
		a.set(endsBefore(3))
		var hooks hookBook
		c := w.open("c", append(hooks.options(), a.option())...)
		time.Sleep(time.Hour) // for much longer than tombstones stay
		if got := c.Position(); got != 3 {
			t.Fatalf("Position() = %d, want 3", got)
		}
		a.set(nil) // as if b were written now
		if d := took(func() {
			if err := c.WaitRevision(w.within(time.Minute), 3); err != nil {
				t.Error(err)
			}
		}); d > time.Second {
			t.Errorf("it was shown after %v", d)
		}
		w.want(c, "b", "1")
		if got := hooks.all(); !slices.Equal(got, []string{"set a=1", "set b=1"}) {
			t.Errorf("hooks = %q", got)
		}
		w.wantNoRebuild(c)
	})
}

// A wrong belief is no look at the end of the log: what compaction removed meanwhile was
// never read.
func TestDeletedKeyStaysDeletedBehindWithheldRecords(t *testing.T) {
	inWorld(t, keepingTombstones(1, 10*time.Minute), func(t *testing.T, w *world) {
		a := w.answers("c")
		var hooks hookBook
		c, other := w.open("c", append(hooks.options(), a.option())...), w.kafka("other")
		w.put(c, "k", "1")
		a.set(withheld(everything))
		w.produce(other, &kgo.Record{Key: []byte("k")})
		w.produce(other, record("x", "1"))
		time.Sleep(15 * time.Minute)
		w.Compact()
		time.Sleep(15 * time.Minute)
		w.Compact()
		a.set(nil)
		time.Sleep(2 * time.Minute)
		if err := c.Sync(w.within(time.Minute)); err != nil {
			t.Fatal(err)
		}
		w.WantMissing(c, "k")
		w.want(c, "x", "1")
		if got := hooks.all(); len(got) != 3 || !slices.Contains(got, "delete k") {
			t.Errorf("hooks = %q, want k set and deleted, and x set", got)
		}
	})
}

// A client that rereads a log which lost nothing has shown records that a leader may withhold
// then. Reads wait until it has them again: they never go back to what was before.
func TestRereadingTakesNothingBackThatALeaderWithholds(t *testing.T) {
	for name, from := range map[string]int64{
		"the last value of a key":      2,
		"all values of a key":          1,
		"all records":                  0,
		"a deletion":                   3,
		"a deletion, and what is next": 2,
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, keepingTombstones(1, 10*time.Minute), func(t *testing.T, w *world) {
				a := w.answers("c")
				var hooks hookBook
				c, other := w.open("c", append(hooks.options(), a.option())...), w.kafka("other")
				records := []*kgo.Record{record("a", "1"), record("k", "1"), record("k", "2"), {Key: []byte("a")}}
				for _, r := range records {
					w.produce(other, r)
				}
				must(t, c.Sync(t.Context()))
				back := w.cutOff("c")
				w.produce(other, record("x", "1"))
				time.Sleep(15 * time.Minute)
				a.set(withholding(from, everything))
				back()
				w.eventually("it rereads", func() bool { return c.Status().State == kvstore.StateRebuilding })
				for range 20 {
					got, err := c.Get(w.within(10*time.Second), []byte("k"))
					if err == nil {
						t.Fatalf("Get(k) = %q at position %d, while records are withheld that it has shown", got, c.Position())
					}
				}
				if err := c.Status().Reading.Err; err == nil || !strings.Contains(err.Error(), "would take back") {
					t.Errorf("Status().Reading = %v, want why reads wait", err)
				}
				a.set(nil)
				must(t, c.Sync(w.within(time.Minute)))
				if got := w.contents(c); got != "k=2 x=1 " {
					t.Errorf("contents = %q, want all", got)
				}
				if got, want := hooks.all(), []string{"set a=1", "set k=1", "set k=2", "delete a", "set x=1"}; !slices.Equal(got, want) {
					t.Errorf("hooks = %q, want %q", got, want)
				}
				w.put(c, "k", "3")
			})
		})
	}
}

// Records that left nothing of themselves take nothing back when they are not there any more.
// So the client goes on where it was, and what is withheld costs it nothing later.
func TestRereadingGoesOnWhereNothingOfWhatWasShownIsMissing(t *testing.T) {
	inWorld(t, keepingTombstones(1, 10*time.Minute), func(t *testing.T, w *world) {
		a := w.answers("c")
		var hooks hookBook
		c, other := w.open("c", append(hooks.options(), a.option())...), w.kafka("other")
		w.put(c, "a", "1")
		w.put(c, "k", "1")
		w.produce(other, &kgo.Record{Key: []byte("k")})
		must(t, c.Sync(t.Context()))
		back := w.cutOff("c")
		w.produce(other, record("x", "1"))
		time.Sleep(15 * time.Minute)
		a.set(withholding(1, everything))
		back()
		if d := took(func() { must(t, c.Sync(w.within(5*time.Minute))) }); d < 29*time.Second {
			t.Errorf("it was believed after %v, want half a minute", d)
		}
		if got := w.contents(c); got != "a=1 " {
			t.Errorf("contents = %q, want what was there before", got)
		}
		a.set(nil)
		time.Sleep(2 * time.Minute)
		w.put(c, "b", "1")
		if got := w.contents(c); got != "a=1 b=1 x=1 " {
			t.Errorf("contents = %q, want all", got)
		}
		if got, want := hooks.all(), []string{"set a=1", "set k=1", "delete k", "set x=1", "set b=1"}; !slices.Equal(got, want) {
			t.Errorf("hooks = %q, want %q", got, want)
		}
		if n := c.Status().Rebuilds; n != 2 {
			t.Errorf("Rebuilds = %d, want one for the absence and one for x", n)
		}
	})
}

// A log that loses its tail while a hole at its end counts as read is one that lost
// records.
func TestLossBehindWithheldRecordsIsALoss(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		a := w.answers("c")
		c, other := w.open("c", a.option()), w.kafka("other")
		w.put(c, "a", "1")
		a.set(withheld(everything))
		w.produce(other, record("b", "1"), record("c", "1"))
		if err := c.Sync(w.within(time.Minute)); err != nil {
			t.Fatal(err)
		}
		w.loseTail(1)
		a.set(nil)
		w.produce(other, record("d", "1"))
		if err := c.Sync(w.within(time.Minute)); err != nil {
			t.Fatal(err)
		}
		w.eventually("it shows the log", func() bool { return w.contents(c) == "a=1 d=1 " })
	})
}

// A client believes that there is nothing at offsets 1 and 2; the log loses its tail, and the client's
// write is acknowledged at 1, where it counts as having read. That it is in the log does not mean
// that the client can read it.
func TestWriteWhereALeaderHadWithheldRecordsIsDoneOnlyWhenItCanBeRead(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		a := w.answers("c")
		c, other := w.open("c", a.option()), w.kafka("other")
		w.put(c, "a", "1")
		a.set(withheld(everything))
		w.produce(other, record("b", "1"))
		w.produce(other, record("c", "1"))
		must(t, c.Sync(w.within(2*time.Minute)))
		stalled := w.On(kvstoretest.Traffic{Clients: []string{"c"}, APIs: []kmsg.Key{kmsg.Fetch, kmsg.ListOffsets, kmsg.OffsetForLeaderEpoch}}).Stall()
		a.set(func(r *reply) { // nothing new behind what the client believes to have read
			if q, ok := r.req.(*kmsg.FetchRequest); ok && q.Topics[0].Partitions[0].FetchOffset >= 3 {
				endsBefore(3)(r)
			}
		})
		w.loseTail(1)
		result := make(chan error, 1)
		go func() {
			err := c.Put(w.within(5*time.Minute), []byte("d"), []byte("1"))
			if err == nil {
				w.want(c, "d", "1")
			}
			result <- err
		}()
		w.eventually("it is in the log", func() bool { return w.End() == 2 })
		w.produce(other, record("e", "1"))
		w.produce(other, record("f", "1"))
		stalled.Undo()
		time.Sleep(time.Second)
		a.set(nil)
		if err := <-result; err != nil {
			wantOutcome(t, "Put", err, kvstore.ErrOutcomeUnknown)
		}
		must(t, c.Sync(w.within(time.Minute)))
		w.eventually("it shows the log", func() bool { return w.contents(c) == "a=1 d=1 e=1 f=1 " })
	})
}
