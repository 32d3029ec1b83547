package realkafka_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest/realkafka"
)

// writers put values that no two puts share, until stopped, and keep the outcome of each.
type writers struct {
	w       *world
	stop    chan struct{}
	wg      sync.WaitGroup
	mu      sync.Mutex
	acked   map[string]int64 // value to revision
	unknown map[string]error
	failed  int // not written
}

func startWriters(w *world, n int, opts ...kvstore.ClientOption) *writers {
	ws := &writers{w: w, stop: make(chan struct{}), acked: map[string]int64{}, unknown: map[string]error{}}
	for i := range n {
		c := w.open(opts...)
		ws.wg.Go(func() { ws.write(c, i) })
	}
	return ws
}

func (ws *writers) write(c *kvstore.Client, writer int) {
	for i := 0; ; i++ {
		select {
		case <-ws.stop:
			return
		default:
		}
		key, value := fmt.Sprintf("k%d", i%5), fmt.Sprintf("%d-%d", writer, i)
		ctx, cancel := context.WithTimeout(ws.w.t.Context(), patience)
		rev, err := c.PutRevision(ctx, []byte(key), []byte(value))
		if err == nil {
			// What was written is read, or something newer.
			if e, err := c.GetEntry(ctx, []byte(key)); err != nil || e.Revision < rev {
				ws.w.t.Errorf("after the put of %s at revision %d: GetEntry = %+v, %v", value, rev, e, err)
			}
		}
		cancel()
		ws.mu.Lock()
		switch {
		case err == nil:
			ws.acked[value] = rev
		case errors.Is(err, kvstore.ErrOutcomeUnknown):
			ws.unknown[value] = err
		case errors.Is(err, kvstore.ErrNotWritten):
			ws.failed++ // and check will not find it in the log
		default:
			ws.w.t.Errorf("put of %s: %v", value, err)
		}
		ws.mu.Unlock()
	}
}

func (ws *writers) count() int {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	return len(ws.acked)
}

// more waits until n further writes were acknowledged.
func (ws *writers) more(n int) {
	ws.w.t.Helper()
	target := ws.count() + n
	ws.w.eventually(fmt.Sprintf("%d more writes", n), func() bool { return ws.count() >= target })
}

// check stops the writers and compares with the log: every acknowledged write
// is there once and at its revision, none twice, and nothing else is there.
func (ws *writers) check() {
	t := ws.w.t
	t.Helper()
	close(ws.stop)
	ws.wg.Wait()
	found := map[string]int64{}
	for _, b := range ws.w.k.ReadLog(ws.w.topic) {
		for _, r := range b.Records {
			if at, twice := found[string(r.Value)]; twice {
				t.Errorf("%s is in the log at %d and at %d", r.Value, at, r.Offset)
			}
			found[string(r.Value)] = r.Offset
		}
	}
	for value, rev := range ws.acked {
		if at, ok := found[value]; !ok || at != rev {
			t.Errorf("%s was acknowledged at revision %d; in the log: %v, at %d", value, rev, ok, at)
		}
		delete(found, value)
	}
	for value, at := range found {
		if ws.unknown[value] == nil {
			t.Errorf("%s is in the log at %d, and its put was said not to be written", value, at)
		}
	}
	t.Logf("%d writes acknowledged, %d unknown, %d not written", len(ws.acked), len(ws.unknown), ws.failed)
}

func TestAcknowledgedWritesSurviveBrokerRestarts(t *testing.T) {
	w := newWorld(t)
	ws := startWriters(w, 3)
	ws.more(50)
	w.k.StopBroker(1)
	w.k.StartBroker(1)
	ws.more(50)
	w.k.KillBroker(1)
	w.k.StartBroker(1)
	ws.more(50)
	ws.check()
}

func TestAcknowledgedWritesSurviveLeaderMoves(t *testing.T) {
	w := newWorld(t, realkafka.WithBrokers(3))
	ws := startWriters(w, 3)
	for range 4 {
		ws.more(20)
		leader, _ := w.k.Leader(w.topic)
		w.k.MoveLeader(w.topic, leader%3+1)
	}
	ws.more(20)
	leader, _ := w.k.Leader(w.topic)
	w.k.KillBroker(leader)
	ws.more(20)
	w.k.StartBroker(leader)
	ws.more(20)
	ws.check()
}

func TestReadersConvergeWhileTheLogIsCompacted(t *testing.T) {
	k := realkafka.Start(t)
	w := &world{t: t, k: k, topic: k.Topic(nil)} // compacted all the time
	var log strings.Builder
	reader := w.open(kvstore.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	ws := startWriters(w, 2)
	for range 2 {
		ws.more(50)
		w.k.Compact(w.topic)
	}
	close(ws.stop)
	ws.wg.Wait()
	if err := reader.Sync(w.within(patience)); err != nil {
		t.Fatal(err)
	}
	w.wantContents(reader, contents(t, w.within(patience), w.open()))
	w.wantAtEnd(reader)
	// Tombstones stay for a second: a reader that a slow broker delays may reread the log.
	_ = reader.Close() // it logs no more
	if strings.Contains(log.String(), kvstore.ErrDataLoss.Error()) {
		t.Errorf("the reader saw a loss, and compaction loses nothing: %s", log.String())
	}
}

func TestOutageStallsAndIsOver(t *testing.T) {
	w := newWorld(t)
	c := w.open()
	w.put(c, "a", "1")
	w.k.StopBroker(1)
	w.eventually("the client knows", func() bool { return c.Status().State == kvstore.StateStalled })
	w.wantContents(c, "a=1")
	ctx := w.within(time.Second)
	err := c.Put(ctx, []byte("b"), []byte("1"))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Put without a broker = %v, want the deadline", err)
	}
	if err := c.Sync(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Sync without a broker = %v, want the deadline", err)
	}
	w.k.StartBroker(1)
	w.put(c, "c", "1")
	if s := c.Status(); s.State != kvstore.StateLive || s.Rebuilds != 0 {
		t.Errorf("Status after the outage = %+v, want live and no rebuild", s)
	}
}

// wantFailed waits until a client failed with the error, in all operations.
func (w *world) wantFailed(c *kvstore.Client, sentinel error) {
	w.t.Helper()
	w.eventually("the client knows", func() bool { return c.Status().State == kvstore.StateFailed })
	_, getErr := c.Get(w.t.Context(), []byte("a"))
	for op, err := range map[string]error{
		"Status": c.Status().Err,
		"Get":    getErr,
		"Put":    c.Put(w.within(patience), []byte("a"), nil),
		"Sync":   c.Sync(w.within(patience)),
	} {
		if !errors.Is(err, sentinel) {
			w.t.Errorf("%s = %v, want %v", op, err, sentinel)
		}
	}
}

func TestTopicDeletedEndsTheClient(t *testing.T) {
	w := newWorld(t)
	c := w.open(kvstore.WithTopicGoneAfter(2 * time.Second))
	w.put(c, "a", "1")
	w.k.DeleteTopic(w.topic)
	w.wantFailed(c, kvstore.ErrTopicDeleted)
}

func TestTopicRecreatedEndsTheClient(t *testing.T) {
	w := newWorld(t)
	c := w.open(kvstore.WithTopicGoneAfter(2 * time.Second))
	w.put(c, "a", "1")
	w.k.DeleteTopic(w.topic)
	w.k.CreateTopic(w.topic, nil)
	w.wantFailed(c, kvstore.ErrTopicRecreated)
	if end := w.end(); end != 0 {
		t.Errorf("the new topic ends at %d: something was written to it", end)
	}
}

func TestRecordsDeletedUnderALaggingReaderRebuild(t *testing.T) {
	w := newWorld(t)
	var hooks hookBook
	g := newGate()
	c := w.open(append(hooks.options(), g.dialer())...)
	w.put(c, "a", "1")
	g.shut()
	w.produce(record("0", "x"))
	for i := 1; i < 5; i++ {
		w.produce(record(fmt.Sprint(i), "x"))
	}
	w.k.DeleteRecords(w.topic, 4)
	g.lift()
	w.eventually("the end of the log", func() bool { return c.Position() == 6 && c.Status().State == kvstore.StateLive })
	w.wantContents(c, "3=x 4=x")
	// The fetch that waited at the broker may have brought the first record.
	short := "set a=1, delete a, set 3=x, set 4=x"
	long := "set a=1, set 0=x, delete 0, delete a, set 3=x, set 4=x"
	if got := hooks.String(); got != short && got != long {
		t.Errorf("hooks = %s; want %s, or %s", got, short, long)
	}
}

// A follower that missed writes becomes the leader: what it missed is gone,
// though it was acknowledged.
func TestUncleanElectionRebuilds(t *testing.T) {
	k := realkafka.Start(t, realkafka.WithBrokers(3))
	w := &world{t: t, k: k, topic: k.Topic(map[string]string{
		"min.insync.replicas": "1", "unclean.leader.election.enable": "true",
		"min.compaction.lag.ms": "3600000", "delete.retention.ms": "86400000",
	})}
	var hooks hookBook
	c := w.open(hooks.options()...)
	w.put(c, "a", "1")
	w.put(c, "b", "1")
	k.LoseTail(w.topic, func() {
		w.put(c, "a", "2")
		w.put(c, "c", "1")
	})
	w.produce(record("d", "1"))
	w.eventually("the rebuild", func() bool { return c.Status().Rebuilds > 0 && c.Status().State == kvstore.StateLive })
	if err := c.Sync(w.within(patience)); err != nil {
		t.Fatal(err)
	}
	w.wantContents(c, "a=1 b=1 d=1")
	w.wantAtEnd(c)
	want := "set a=1, set b=1, set a=2, set c=1, delete c, set a=1, set d=1"
	if got := hooks.String(); got != want {
		t.Errorf("hooks = %s; want %s", got, want)
	}
}
