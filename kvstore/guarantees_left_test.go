package kvstore_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
)

// A leader that has lost the tail names for a while an end of the log that is older still. The
// client does not go back behind what the leader says is left.
func TestReadsWaitForWhatALossLeft(t *testing.T) {
	for name, tc := range map[string]struct {
		loses int64 // more, while the leader names the older end
		want  string
		gone  []string // what the hooks are told is gone
	}{
		"which turns up":      {8, "a=1 b=1 c=1 d=1 ", []string{"delete e", "delete f"}},
		"which is lost later": {6, "a=1 b=1 ", []string{"delete c", "delete d", "delete e", "delete f"}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, withTopic(3), func(t *testing.T, w *world) {
				a := w.answers("c")
				var hooks hookBook
				c := w.open("c", append(hooks.options(), a.option())...)
				for _, k := range []string{"x", "x", "x", "x", "a", "b", "c", "d", "e", "f"} {
					w.put(c, k, "1")
				}
				a.set(endsBefore(5))
				w.loseTail(8)
				w.eventually("it rereads", func() bool { return c.Status().Rebuilds > 0 })
				time.Sleep(20 * time.Second)
				if s := c.Status(); s.Position > 5 || s.Reading.Err == nil {
					t.Errorf("status = %+v, want that what holds reads up is named", s)
				}
				if _, err := c.Get(w.within(time.Second), []byte("a")); err == nil {
					t.Error("a read shows less than is left")
				}
				if tc.loses < 8 {
					w.loseTail(tc.loses)
					time.Sleep(20 * time.Second)
					if _, err := c.Get(w.within(time.Second), []byte("a")); err == nil {
						t.Error("a read shows less than the second loss has left")
					}
				}
				a.set(nil)
				if err := c.Sync(w.within(20 * time.Second)); err != nil {
					t.Fatal(err)
				}
				if got := w.contents(c); got != tc.want+"x=1 " {
					t.Errorf("contents = %q, want %q", got, tc.want)
				}
				if got := hooks.all()[10:]; !slices.Equal(got, tc.gone) {
					t.Errorf("after the loss the hooks were told %q, want %q", got, tc.gone)
				}
			})
		})
	}
}

// A client rereads a log that has lost its tail, and the log loses more before it gets to where the
// first loss was. What others wrote instead is below that, so hooks are told of it when the state is
// compared, and not as it is read.
func TestWaitersAreReleasedAfterTheHooksAlsoInAShorterLog(t *testing.T) {
	inWorld(t, withTopic(3), func(t *testing.T, w *world) {
		var hooks hookBook
		c := w.open("c", hooks.options()...)
		for i := range 10 {
			w.put(c, "x", fmt.Sprint(i))
		}
		hold := w.On(onlyFetches("c")).Stall()
		w.loseTail(8)
		w.eventually("it rereads", func() bool { return c.Position() == 0 })
		w.loseTail(6)
		w.produce(w.kafka("other"), record("z", "1"))
		result := make(chan error, 1)
		go func() {
			err := c.WaitRevision(w.within(time.Minute), 6)
			if all := hooks.all(); err == nil && !slices.Contains(all, "set z=1") {
				t.Errorf("WaitRevision returned, and the hooks had been told %q", all)
			}
			result <- err
		}()
		synctest.Wait()
		hold.Undo()
		if err := <-result; err != nil && !errors.Is(err, kvstore.ErrDataLoss) {
			t.Error(err)
		}
		must(t, c.Sync(w.within(time.Minute)))
		w.want(c, "z", "1")
	})
}

// A client rereads a log that has lost its tail. Before it has read anything, the log loses more, and
// others write until it is as long as the first loss had left it. Hooks are told of each record that
// they were not told of before.
func TestHooksAreToldOfAllThatCameAfterTheDeepestLoss(t *testing.T) {
	inWorld(t, withTopic(3), func(t *testing.T, w *world) {
		var hooks hookBook
		c := w.open("c", hooks.options()...)
		for i := range 8 {
			w.put(c, fmt.Sprint("k", i), "old")
		}
		hold := w.On(onlyFetches("c")).Stall()
		w.loseTail(6)
		w.eventually("it rereads", func() bool { return c.Status().State == kvstore.StateRebuilding })
		w.loseTail(2)
		other := w.kafka("other")
		for _, r := range []*kgo.Record{record("c", "first"), record("c", "second"), record("d", "set"), {Key: []byte("d")}} {
			w.produce(other, r)
		}
		hold.Undo()
		must(t, c.Sync(w.within(time.Minute)))
		want := []string{
			"delete k2", "delete k3", "delete k4", "delete k5", "delete k6", "delete k7",
			"set c=first", "set c=second", "set d=set", "delete d",
		}
		if got := hooks.all()[8:]; !slices.Equal(got, want) {
			t.Errorf("hooks were told %q, want %q", got, want)
		}
	})
}

// A leader names a last stable offset that is older than what a loss has left, because a transaction
// is open behind it, and the end of the log. The client does not go back behind what is left, unless
// the leader says so again and again: it may have lost the end of a transaction.
func TestReadsWaitForWhatALossLeftToBeDecided(t *testing.T) {
	inWorld(t, withTopic(3), func(t *testing.T, w *world) {
		var hooks hookBook
		a := w.answers("c")
		c := w.open("c", append(hooks.options(), a.option())...)
		for _, k := range []string{"a", "b", "c", "d"} {
			w.put(c, k, "1")
		}
		a.set(decidedBefore(1))
		w.loseTail(3)
		w.eventually("it rereads", func() bool { return c.Status().Rebuilds > 0 })
		time.Sleep(5 * time.Second)
		if s := c.Status(); s.State == kvstore.StateLive || s.Reading.Err == nil {
			t.Errorf("status = %+v, want that what holds reads up is named", s)
		}
		a.set(nil)
		must(t, c.Sync(w.within(20*time.Second)))
		if got, want := hooks.all()[4:], []string{"delete d"}; !slices.Equal(got, want) {
			t.Errorf("hooks were told %q, want %q", got, want)
		}
	})
	inWorld(t, withTopic(3), func(t *testing.T, w *world) {
		a := w.answers("c")
		c := w.open("c", a.option())
		for _, k := range []string{"a", "b", "c", "d"} {
			w.put(c, k, "1")
		}
		a.set(decidedBefore(1))
		w.loseTail(3)
		w.eventually("it believes", func() bool { return c.Status().Rebuilds > 0 && c.Status().State == kvstore.StateLive })
		if got := w.contents(c); got != "a=1 " {
			t.Errorf("contents = %q, want what is decided", got)
		}
	})
}

// A client rereads a log that has gaps, and the log loses more of what had been read before the
// client gets there. What the first loss left does not count any more: the client does not reread the
// log once more because of it, and its hooks are told once.
func TestWhatALossLeftEndsWithTheNextLoss(t *testing.T) {
	inWorld(t, withTopic(3), func(t *testing.T, w *world) {
		a := w.answers("c")
		var hooks hookBook
		c := w.open("c", append(hooks.options(), a.option())...)
		for _, k := range []string{"k", "x", "x", "x", "a", "b", "c", "d", "e", "f"} {
			w.put(c, k, "1")
		}
		w.Compact()
		a.set(bringsBefore(5))
		w.loseTail(8)
		w.eventually("it rereads", func() bool { return c.Status().Rebuilds == 1 })
		time.Sleep(time.Second)
		w.loseTail(6)
		w.produce(w.kafka("other"), record("z", "1"))
		time.Sleep(5 * time.Second)
		a.set(nil)
		must(t, c.Sync(w.within(time.Minute)))
		time.Sleep(5 * time.Second)
		want := []string{"delete c", "delete d", "delete e", "delete f", "set z=1"}
		if got := hooks.all()[10:]; !slices.Equal(got, want) {
			t.Errorf("after the losses the hooks were told %q, want %q", got, want)
		}
	})
}

// A client reads a log that has gaps, and the log loses records that it has not read yet. Fetches
// name an older end of the log for a while: the client does not go back to that.
func TestReadsWaitForWhatALossOfTheUnreadLeft(t *testing.T) {
	inWorld(t, withTopic(3), func(t *testing.T, w *world) {
		a := w.answers("c")
		var hooks hookBook
		c := w.open("c", append(hooks.options(), a.option())...)
		a.set(bringsBefore(0))
		other := w.kafka("other")
		for _, k := range []string{"k", "x", "x", "x", "a", "b", "c", "d", "e", "f"} {
			w.produce(other, record(k, "1"))
		}
		w.Compact()
		a.set(bringsBefore(5))
		w.eventually("it has read some", func() bool { return c.Position() == 5 })
		before := hooks.all()
		a.set(func(r *reply) {
			if resp, ok := r.resp.(*kmsg.FetchResponse); ok && len(resp.Topics) > 0 {
				resp.Topics[0].Partitions[0].HighWatermark = 4
				decidedBefore(4)(r)
			}
		})
		w.loseTail(8)
		time.Sleep(20 * time.Second)
		if got := hooks.all(); !slices.Equal(got, before) {
			t.Errorf("hooks are told %q while the leader shows less than is left", got[len(before):])
		}
		a.set(nil)
		must(t, c.Sync(w.within(time.Minute)))
		if got, want := hooks.all(), append(before, "set b=1", "set c=1", "set d=1"); !slices.Equal(got, want) {
			t.Errorf("the hooks were told %q, want %q", got, want)
		}
	})
}
