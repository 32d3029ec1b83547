package kvstore_test

import (
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
