package kvstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
)

// reconnects breaks a client's connections again and again, which each time makes it
// ask whether the log still holds what it has read.
func (w *world) reconnects(client string) {
	w.t.Helper()
	for range 3 {
		w.DropConnections(client)
		time.Sleep(3 * time.Second)
	}
}

func (w *world) moveLeader(to int) {
	w.t.Helper()
	w.MoveLeader(to)
	time.Sleep(3 * time.Second)
}

func (w *world) wantNoRebuild(c *kvstore.Client) {
	w.t.Helper()
	if s := c.Status(); s.State != kvstore.StateLive || s.Rebuilds != 0 {
		w.t.Errorf("status = %+v, want live without a rebuild: the log lost nothing", s)
	}
}

// Batches of later leader epochs that have no record for the reader lie before the
// position: aborted ones, markers, and ones that compaction took away.
func TestNothingLostMeansNoRebuild(t *testing.T) {
	for name, tail := range map[string]func(w *world) (end func()){
		"aborted before an open transaction": func(w *world) func() {
			abort := w.transaction("aborted", record("x", "1"))
			open := w.transaction("open", record("y", "1"))
			abort(false)
			return func() { open(false) }
		},
		"aborted, its marker in a later epoch, before an open transaction": func(w *world) func() {
			abort := w.transaction("aborted", record("x", "1"))
			w.moveLeader(0)
			open := w.transaction("open", record("y", "1"))
			abort(false)
			return func() { open(false) }
		},
		"a marker": func(w *world) func() {
			w.transaction("t", record("x", "1"))(false)
			return func() {}
		},
		"compacted away": func(w *world) func() {
			other := w.kafka("other")
			w.produce(other, record("x", "1"))
			w.moveLeader(0)
			w.produce(other, record("x", "2"))
			w.moveLeader(1)
			w.produce(other, record("x", "3"))
			w.Compact()
			return func() {}
		},
		"nothing in later epochs": func(w *world) func() {
			w.moveLeader(0)
			w.moveLeader(1)
			return func() {}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, withTopic(2), func(t *testing.T, w *world) {
				c := w.open("c")
				w.moveLeader(0)
				w.put(c, "a", "1")
				w.moveLeader(1)
				end := tail(w)
				time.Sleep(3 * time.Second)
				w.reconnects("c")
				w.moveLeader(0)
				w.reconnects("c")
				w.wantNoRebuild(c)
				end()
				w.put(c, "a", "2")
				w.wantNoRebuild(c)
			})
		})
	}
}

// A topic recreated on brokers without topic ids has grown beyond what the client had read
// of the old one: only the leader's epoch tells them apart.
func TestTopicRecreatedWithoutIDsRebuildsWhenItHasGrown(t *testing.T) {
	inWorld(t, withTopic(2), func(t *testing.T, w *world) {
		c := w.open("c", kvstore.WithKafkaOptions(kgo.MaxVersions(versionsWithoutTopicIDs())))
		for _, to := range []int{0, 1, 0} {
			w.moveLeader(to)
		}
		w.put(c, "a", "1")
		blind := w.On(target("c")).Stall()
		w.RecreateTopic()
		other := w.kafka("other")
		w.produce(other, record("b", "1"))
		w.produce(other, record("b", "2"))
		w.produce(other, record("b", "3"))
		w.DropConnections("c")
		blind.Undo()
		w.eventually("the rebuild", func() bool { return c.Status().Rebuilds > 0 && c.Status().State == kvstore.StateLive })
		if got, want := w.contents(c), "b=3 "; got != want {
			t.Errorf("contents = %q, want %q", got, want)
		}
	})
}

// The log lost its tail, others filled it up again, and then the start of the log was deleted,
// up to anywhere. Where it was deleted up to the client's position, a leader says that the epoch
// that the client read ended just there, wherever it ended.
func TestLossThatWasDeletedIsALoss(t *testing.T) {
	const read, left = 6, 3 // how much the client had read, and how much of it was left
	for start := int64(left); start <= read+2; start++ {
		t.Run(fmt.Sprintf("log begins at %d", start), func(t *testing.T) {
			inWorld(t, withTopic(2), func(t *testing.T, w *world) {
				c, other := w.open("c"), w.kafka("other")
				for i := range read {
					w.put(c, fmt.Sprint("a", i), "1")
				}
				away := w.refuseDials("c")
				w.loseTail(left)
				for i := range read {
					w.produce(other, record(fmt.Sprint("b", i), "1"))
				}
				w.DeleteRecords(start)
				away.Undo()
				must(t, c.Sync(w.within(time.Minute)))
				if got, want := w.contents(c), w.contents(w.open("fresh")); got != want {
					t.Errorf("the client holds %s\nand one that opened later %s", got, want)
				}
			})
		})
	}
}

// Records that were read may be deleted without a loss. A client goes on then, unless it can't
// know whether there was one.
func TestDeletedStartMeansNoRebuild(t *testing.T) {
	inWorld(t, withTopic(2), func(t *testing.T, w *world) {
		c := w.open("c")
		w.put(c, "a", "1")
		w.moveLeader(0)
		w.put(c, "b", "1")
		for _, start := range []int64{1, 2} {
			w.DeleteRecords(start)
			w.reconnects("c")
		}
		w.wantNoRebuild(c)
		w.want(c, "a", "1")
		w.moveLeader(1)
		if got, want := w.contents(c), w.contents(w.open("fresh")); got != want {
			t.Errorf("where only the start of the log says where its epoch ended, the client holds %q and one that opened later %q", got, want)
		}
	})
}
