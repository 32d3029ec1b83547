package kvstore_test

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

// Each replica compacts its own copy of the log. What one has removed may be back when another one
// leads: clients that have read past it show and tell nothing of it, and those that open then, or
// while it goes again, show what all show.
func TestWhatAnotherLeaderBringsBackChangesNothing(t *testing.T) {
	inWorld(t, keepingTombstones(2, 10*time.Minute), func(t *testing.T, w *world) {
		var hooks hookBook
		c := w.open("c", hooks.options()...)
		w.put(c, "k", "1")
		w.put(c, "gone", "1")
		w.put(c, "k", "2")
		must(t, c.Delete(t.Context(), []byte("gone")))
		w.Compact()
		time.Sleep(15 * time.Minute)
		w.Compact()
		told := hooks.all()
		if back := w.UncompactedLeader(1).Hits(); back != 3 {
			t.Fatalf("%d records are back, want k=1, gone=1 and the tombstone", back)
		}
		late := w.open("late")
		last := w.put(c, "x", "1")
		for _, cl := range []*kvstore.Client{c, late} {
			must(t, cl.WaitRevision(w.within(time.Minute), last))
			if got := w.contents(cl); got != "k=2 x=1 " {
				t.Errorf("contents = %q, want k=2 x=1", got)
			}
			w.wantNoRebuild(cl)
		}
		w.Compact()
		w.put(late, "y", "1")
		must(t, c.Sync(w.within(time.Minute)))
		if got := w.contents(w.open("later")); got != "k=2 x=1 y=1 " {
			t.Errorf("contents = %q, want k=2 x=1 y=1", got)
		}
		if got, want := hooks.all(), append(told, "set x=1", "set y=1"); !slices.Equal(got, want) {
			t.Errorf("hooks = %q, want %q", got, want)
		}
	})
}

// A client that was away rereads the log, twice, because it is cut off again before it gets to what
// superseded a removed record. The second time another broker leads, which still has that record.
// Hooks have been told of it.
func TestHooksAreToldOnceOfWhatAnotherLeaderBringsBack(t *testing.T) {
	inWorld(t, keepingTombstones(2, 10*time.Minute), func(t *testing.T, w *world) {
		a := w.answers("c")
		var hooks hookBook
		c, other := w.open("c", append(hooks.options(), a.option())...), w.kafka("other")
		w.put(c, "k", "1")
		w.put(c, "a", "1")
		back := w.cutOff("c")
		w.produce(other, record("k", "2"))
		w.Compact()
		back = w.rereadsInVain(c, a, back, rereading(2, withholding(2, everything)))
		a.set(nil)
		back()
		must(t, c.Sync(w.within(5*time.Minute)))
		if got := w.contents(c); got != "a=1 k=2 " {
			t.Errorf("contents = %q, want a=1 k=2", got)
		}
		if got, want := hooks.all(), []string{"set k=1", "set a=1", "set k=2"}; !slices.Equal(got, want) {
			t.Errorf("hooks = %q, want %q", got, want)
		}
	})
}

// The log is read a third time here, of which the first try got nowhere. The second one reads a
// removed record that another leader has, but not what superseded it: compaction removes that
// meanwhile, for a record which is behind all that had been read. Hooks have been told of both.
func TestHooksAreNotToldOfWhatWentAgainBeforeItWasRead(t *testing.T) {
	inWorld(t, keepingTombstones(2, 10*time.Minute), func(t *testing.T, w *world) {
		a := w.answers("c")
		var hooks hookBook
		c, other := w.open("c", append(hooks.options(), a.option())...), w.kafka("other")
		w.put(c, "k", "1")
		w.put(c, "k", "2")
		w.put(c, "a", "1")
		back := w.cutOff("c")
		w.produce(other, record("k", "3"))
		w.Compact()
		back = w.rereadsInVain(c, a, back, rereading(3, withholding(0, everything)))
		a.set(withholding(1, everything))
		back()
		time.Sleep(10 * time.Second)
		w.Compact()
		a.set(nil)
		must(t, c.Sync(w.within(5*time.Minute)))
		if got := w.contents(c); got != "a=1 k=3 " {
			t.Errorf("contents = %q, want a=1 k=3", got)
		}
		if got, want := hooks.all(), []string{"set k=1", "set k=2", "set a=1", "set k=3"}; !slices.Equal(got, want) {
			t.Errorf("hooks = %q, want %q", got, want)
		}
	})
}

// rereadsInVain brings back a client that is cut off after so long that it rereads the log, of which
// it gets these answers only, and cuts it off again for as long. Meanwhile another broker leads.
func (w *world) rereadsInVain(c *kvstore.Client, a *tampered, back func(), answers func(*reply)) func() {
	w.t.Helper()
	time.Sleep(15 * time.Minute)
	a.set(answers)
	back()
	w.eventually("it rereads the log", func() bool { return c.Status().State == kvstore.StateRebuilding })
	time.Sleep(10 * time.Second)
	back = w.cutOff("c")
	w.UncompactedLeader(1)
	time.Sleep(15 * time.Minute)
	return back
}

// rereading changes answers once a client has fetched from below an offset.
func rereading(below int64, change func(*reply)) func(*reply) {
	var is atomic.Bool
	return func(r *reply) {
		if req, ok := r.req.(*kmsg.FetchRequest); ok && len(req.Topics) > 0 && req.Topics[0].Partitions[0].FetchOffset < below {
			is.Store(true)
		}
		if is.Load() {
			change(r)
		}
	}
}

// A client that opens, or rereads the log, reads the record of a deleted key at a leader that still
// has it, and its tombstone. Before it gets to that, another broker leads, which removed both long
// ago. The key is not shown.
func TestDeletedKeyStaysDeletedWhenALeaderIsBehindTheNext(t *testing.T) {
	type reader func(w *world, a *tampered) *kvstore.Client
	for name, read := range map[string]reader{
		"that opens": func(w *world, a *tampered) *kvstore.Client {
			opened := w.opening("c", a.option(), smallFetches())
			w.between(a)
			return opened()
		},
		"that rereads": func(w *world, a *tampered) *kvstore.Client {
			c := w.rereadsWhatIsBack(a)
			w.between(a)
			must(w.t, c.Sync(w.within(5*time.Minute)))
			return c
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, keepingTombstones(2, 10*time.Minute), func(t *testing.T, w *world) {
				a := w.answers("c")
				w.bringBackADeletedKey(a)
				c := read(w, a)
				w.wantAbsent(c, "gone")
				if n := strings.Count(w.contents(c), "pad"); n < 40 {
					t.Errorf("%d keys are there, want all 40 at least: %s", n, w.contents(c))
				}
			})
		})
	}
}

// bringBackADeletedKey lets a broker lead that still has what another one has removed: the record of
// a deleted key, and its tombstone. It answers a client's fetches slowly.
func (w *world) bringBackADeletedKey(a *tampered) {
	w.Append(kvstoretest.Set("gone", "1"))
	w.pad()
	w.Append(kvstoretest.Tombstone("gone"))
	w.pad()
	w.Compact()
	time.Sleep(15 * time.Minute)
	w.Compact()
	w.UncompactedLeader(1)
	a.set(func(r *reply) {
		if _, ok := r.req.(*kmsg.FetchRequest); ok {
			time.Sleep(time.Second)
		}
	})
}

// rereadsWhatIsBack opens a client at a broker that has compacted the log, and lets it be away for so
// long that it rereads it, at another one.
func (w *world) rereadsWhatIsBack(a *tampered) *kvstore.Client {
	w.CompactedLeader(0)
	c := w.open("c", a.option(), smallFetches())
	back := w.cutOff("c")
	w.Append(kvstoretest.Set("new", "1"))
	w.UncompactedLeader(1)
	time.Sleep(15 * time.Minute)
	back()
	return c
}

// between lets a broker lead that has compacted the log while a client reads it, a few records a
// second.
func (w *world) between(a *tampered) {
	w.readsSome(a)
	if gone := w.CompactedLeader(0).Hits(); gone != 2 {
		w.t.Errorf("%d records are gone, want 2", gone)
	}
}

// readsSome waits until a client has read some of the log, and not all of it.
func (w *world) readsSome(a *tampered) {
	a.requests(kmsg.Fetch)
	n := 0
	w.eventually("some of the log is read", func() bool { n += a.requests(kmsg.Fetch); return n >= 2 })
}

// A client that begins to reread the log again because another broker leads has not taken too long.
// When it takes too long after that, it is for the first time.
func TestOnlyRereadingThatTookTooLongIsCounted(t *testing.T) {
	inWorld(t, keepingTombstones(2, 10*time.Minute), func(t *testing.T, w *world) {
		a := w.answers("c")
		w.bringBackADeletedKey(a)
		c := w.rereadsWhatIsBack(a)
		w.between(a)
		w.eventually("it begins again", func() bool { return w.logged("has removed records from offset") > 0 })
		w.readsSome(a)
		back := w.cutOff("c")
		time.Sleep(15 * time.Minute)
		back()
		must(t, c.Sync(w.within(5*time.Minute)))
		w.wantAbsent(c, "gone")
		if n := w.logged("rebuilding from the log", "reading the log has taken 15m"); n != 1 {
			t.Errorf("it was logged %d times that reading the log has taken 15 minutes, want once: %q", n, w.logs.all())
		}
	})
}
