package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/kvsim/kvsim/internal/fakecluster"
	"github.com/kvsim/kvsim/internal/recordlog"
	"github.com/kvsim/kvsim/internal/simcluster"
)

// Compact compacts the log, once or again and again.
//
// A tombstone is removed delete.retention.ms after a compaction has first seen it, even if
// some clients have not read it: a client that was cut off for that long never hears of the
// deletion. Everything from the first record of an open transaction on stays as it is.
type Compact struct {
	// Every is the time between two compactions; 0 compacts once.
	Every time.Duration `plan:"every"`
	Span
}

// Kind implements Fault.
func (f Compact) Kind() string { return "compact" }

// String implements Fault.
func (f Compact) String() string { return line(f.Kind(), &f) }

func (f Compact) check(*Plan) error {
	if f.For > 0 && f.Every > 0 && f.For/f.Every > 10_000 {
		return fmt.Errorf("every=%v within %v are more than 10000 compactions", f.Every, f.For)
	}
	return nil
}

func (f Compact) start(ctx context.Context, w *world) (*effect, error) {
	var hits atomic.Int64
	again := f.Every
	if again <= 0 {
		again = f.For + 100*time.Millisecond
	}
	return &effect{hits: func() int { return int(hits.Load()) }, undo: w.repeat(ctx, again, func() error {
		n, err := w.compact()
		hits.Add(int64(n))
		return err
	})}, nil
}

// repeat calls fn now and then again after each interval, until the returned
// function is called.
func (w *world) repeat(ctx context.Context, every time.Duration, fn func() error) (undo func(context.Context) error) {
	ctx, cancel := context.WithCancel(inNextLane(ctx))
	done := make(chan error, 1)
	go func() {
		for {
			if err := fn(); err != nil {
				done <- err
				return
			}
			if sleep(ctx, every) != nil {
				done <- nil
				return
			}
		}
	}()
	return func(context.Context) error {
		cancel()
		return <-done
	}
}

// compact compacts the log now. Real brokers are asked only while no transaction is open:
// their cleaner would stop there, and the harness would wait for it forever.
func (w *world) compact() (removed int, err error) {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	return w.compactNow()
}

// compactNow compacts the log. The caller holds logMu.
func (w *world) compactNow() (removed int, err error) {
	if w.env.LateTap && w.tap.openTransactions() > 0 {
		return 0, nil
	}
	behind, opening := w.lowest()
	if err := w.tap.sync(); err != nil {
		return 0, err
	}
	if err := w.clean(); err != nil {
		return 0, err
	}
	if w.cleaned, err = w.stable(); err != nil {
		return 0, err
	}
	removed, tombstones, err := w.tap.compacted()
	w.sometimes.add(sometimesTombstoneGone, tombstones)
	if removed > 0 {
		w.raced(behind, opening)
	}
	return removed, err
}

// stable returns where a compaction stops: at the first record of an open
// transaction, or else at the end of the log. The caller holds logMu.
func (w *world) stable() (int64, error) {
	info, err := w.cluster.Partition()
	if err == nil && w.tap.openTransactions() > 0 {
		return info.LastStableOffset, nil
	}
	return info.HighWatermark, err
}

// clean makes the brokers compact. When delete.retention.ms was lowered, and clients may
// not have heard of that, tombstones stay for as long as before: nothing can be promised to
// clients that asked too early.
func (w *world) clean() error {
	_, now, kept := w.retention()
	if now == kept {
		return w.erase()
	}
	keep := func(d time.Duration) error {
		return w.cluster.AlterTopic(map[string]string{settingRetention: milliseconds(d)})
	}
	if err := keep(kept); err != nil {
		return err
	}
	return errors.Join(w.erase(), keep(now))
}

// erase makes the brokers compact. Where that takes time, the history gets what is removed
// before it can be removed.
func (w *world) erase() error {
	if !w.env.LateTap {
		return w.cluster.Compact()
	}
	ctx, stop := context.WithCancel(w.ctx)
	var all sync.WaitGroup
	w.tap.anticipate()
	all.Go(func() {
		for sleep(ctx, 100*time.Millisecond) == nil {
			w.tap.anticipate()
		}
	})
	err := w.cluster.Compact()
	stop()
	all.Wait()
	return err
}

// raced counts what was going on during a compaction that removed something.
func (w *world) raced(behind int64, opening bool) {
	if opening {
		w.sometimes.hit(sometimesCompactionOpen)
	}
	if w.tap.openTransactions() > 0 {
		w.sometimes.hit(sometimesCompactionTxn)
	}
	if w.inflight.count(opKind.writes) > 0 {
		w.sometimes.hit(sometimesCompactionWrite)
	}
	if w.inflight.count(opKind.reads) > 0 {
		w.sometimes.hit(sometimesCompactionRead)
	}
	if end, err := w.cluster.EndOffset(); err == nil && behind < end-1 {
		w.sometimes.hit(sometimesCompactionLag)
	}
}

// lowest returns the lowest position of a client, and whether one is opening,
// so that its position is not known.
func (w *world) lowest() (lowest int64, opening bool) {
	lowest = 1 << 62
	for _, s := range w.everyone() {
		pos, known, up := s.position()
		switch {
		case !known:
			opening = true
		case up:
			lowest = min(lowest, pos)
		}
	}
	return lowest, opening
}

// DeleteRecords deletes the oldest records.
type DeleteRecords struct {
	// Keep is how many offsets at the end of the log stay.
	Keep int `plan:"keep"`
	// Read deletes what all clients have read, and nothing else, as programs do that no longer
	// need it: Keep is not used. It waits until there is something, and until the log goes
	// beyond it, which one that lost its tail may not do.
	Read bool `plan:"read"`
	Span
}

// Kind implements Fault.
func (f DeleteRecords) Kind() string { return "delete-records" }

// String implements Fault.
func (f DeleteRecords) String() string { return line(f.Kind(), &f) }

func (f DeleteRecords) check(*Plan) error {
	if f.Read && f.Keep != 0 {
		return errors.New("read and keep exclude each other")
	}
	return nil
}

func (f DeleteRecords) start(ctx context.Context, w *world) (*effect, error) {
	begins := func() bool {
		info, err := w.cluster.Partition()
		return err == nil && f.begin(w, info) > info.LogStartOffset
	}
	if err := w.await(ctx, begins); err != nil {
		return nil, err
	}
	w.logMu.Lock()
	defer w.logMu.Unlock()
	defer w.cluster.Quiet()()
	if err := w.tap.sync(); err != nil {
		return nil, err
	}
	info, err := w.cluster.Partition()
	if err != nil {
		return nil, err
	}
	start := f.begin(w, info)
	if start == info.LogStartOffset { // the log lost its tail since
		return counted(0), nil
	}
	if behind, _ := w.lowest(); behind < start {
		w.sometimes.hit(sometimesDeletedUnderReader)
	}
	if err := w.cluster.DeleteRecords(start); err != nil {
		return nil, err
	}
	w.tap.trimmed(start)
	return counted(int(start - info.LogStartOffset)), nil
}

// begin returns where the log has to begin, which is where it does if there is nothing to delete.
func (f DeleteRecords) begin(w *world, info kfake.PartitionInfo) int64 {
	start := info.HighWatermark - int64(f.Keep)
	if f.Read {
		start, _ = w.lowest()
	}
	if start > info.HighWatermark {
		return info.LogStartOffset
	}
	return max(info.LogStartOffset, start)
}

// LoseTail loses the newest records, as an unclean leader election does.
//
// It loses nothing that a compaction has seen. The broker that is elected has
// compacted its own log, which never held what is lost, so a record that only a
// lost one superseded is still there; the one log of a world would not have it.
//
// Nor does it separate an ended transaction from its marker: without the marker the broker
// would abort what it had committed, and a client that has read a part of it, up to
// somewhere before the marker, could never know.
type LoseTail struct {
	// Records is how many offsets at the end of the log are lost; a batch is lost as a
	// whole.
	Records int `plan:"records"`
	Span
}

// Kind implements Fault.
func (f LoseTail) Kind() string { return "lose-tail" }

// String implements Fault.
func (f LoseTail) String() string { return line(f.Kind(), &f) }

func (f LoseTail) check(*Plan) error {
	if f.Records < 1 {
		return fmt.Errorf("records has to be 1 or more: it says how many go")
	}
	return nil
}

func (f LoseTail) start(ctx context.Context, w *world) (*effect, error) {
	if err := w.await(ctx, w.loses); err != nil {
		return nil, err
	}
	w.logMu.Lock()
	defer w.logMu.Unlock()
	hits := 0
	err := w.tap.replace(func() (int64, error) {
		info, err := w.cluster.Partition()
		if err != nil {
			return 0, err
		}
		from, err := w.tail(info, int64(f.Records))
		if err != nil {
			return 0, err
		}
		lost, err := w.cluster.LoseTail(from)
		if err != nil || len(lost) == 0 {
			return info.HighWatermark, err
		}
		for i := range lost {
			hits += max(1, len(lost[i].Records))
		}
		w.sometimes.hit(sometimesTailLost)
		w.rec.Truncate(lost[0].FirstOffset)
		w.board.clear()
		return lost[0].FirstOffset, nil
	})
	return counted(hits), err
}

// loses reports whether the log has a tail that can be lost.
func (w *world) loses() bool {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	info, err := w.cluster.Partition()
	if err != nil || w.tap.sync() != nil {
		return false
	}
	from, err := w.tail(info, 1)
	return err == nil && from < info.HighWatermark
}

// tail returns the offset from which the log is lost when n records are to be lost; the
// log's end when none can be. The tap knows the log.
func (w *world) tail(info kfake.PartitionInfo, n int64) (from int64, err error) {
	ended := w.tap.ended()
	lowest := recordlog.After(max(info.LogStartOffset, w.cleaned), ended)
	if lowest >= info.HighWatermark {
		return info.HighWatermark, nil
	}
	batches, err := w.cluster.ReadLog(lowest)
	if err != nil {
		return 0, err
	}
	from = lowest
	for i := range batches { // the last batch that begins early enough
		switch b := &batches[i]; {
		case b.FirstOffset < lowest: // the log begins within it, and may not end below
			from = max(from, b.LastOffset+1)
		case b.FirstOffset <= info.HighWatermark-n:
			from = max(from, b.FirstOffset)
		}
	}
	return recordlog.Before(min(from, info.HighWatermark), ended), nil
}

// Recreate deletes the topic and creates it again.
type Recreate struct {
	Span
}

// Kind implements Fault.
func (f Recreate) Kind() string { return "recreate-topic" }

// String implements Fault.
func (f Recreate) String() string { return line(f.Kind(), &f) }

func (f Recreate) check(*Plan) error { return nil }

func (f Recreate) start(_ context.Context, w *world) (*effect, error) {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	defer w.cluster.Quiet()()
	err := w.tap.replace(func() (int64, error) {
		return 0, w.cluster.RecreateTopic(func() {
			w.cleaned = 0
			w.rec.Recreate()
			w.board.clear()
		})
	})
	return counted(1), err
}

// Transaction writes records in a foreign transaction, which stays open for as long as the
// fault lasts.
type Transaction struct {
	Records int `plan:"records"`
	// End is commit or abort.
	End string `plan:"end"`
	Span
}

// Kind implements Fault.
func (f Transaction) Kind() string { return "transaction" }

// String implements Fault.
func (f Transaction) String() string { return line(f.Kind(), &f) }

func (f Transaction) check(*Plan) error {
	if f.End != "commit" && f.End != "abort" {
		return fmt.Errorf("end=%s has to be commit or abort", f.End)
	}
	return between("records", f.Records, 1, 1000)
}

func (f Transaction) start(_ context.Context, w *world) (*effect, error) {
	t, err := w.begin("transaction", f.From, f.Records)
	if err != nil {
		return nil, err
	}
	return &effect{hits: func() int { return f.Records }, undo: func(context.Context) error { return t.end(f.End == "commit") }}, nil
}

// A foreignTxn is a transaction of another program that has records in the log.
type foreignTxn struct {
	simcluster.Transactor
	w  *world
	id string
}

// begin begins one and writes the given number of records in it. It blocks until the
// coordinator and the leader have answered.
func (w *world) begin(purpose string, from time.Duration, n int) (*foreignTxn, error) {
	records := w.foreignRecords(purpose, from, n, true)
	id := w.stranger()
	t, err := w.cluster.Begin(id)
	if err != nil {
		return nil, err
	}
	w.logMu.Lock()
	defer w.logMu.Unlock()
	if err := t.Append(records...); err != nil {
		return nil, err
	}
	w.foreign.add(id)
	return &foreignTxn{t, w, id}, nil
}

// end commits or aborts it, and blocks until the marker is in the log.
func (t *foreignTxn) end(commit bool) error {
	w := t.w
	w.logMu.Lock()
	defer w.logMu.Unlock()
	defer w.foreign.remove(t.id)
	if w.inflight.count(opKind.waits) > 0 {
		w.sometimes.hit(sometimesTxnHeld)
	}
	if commit {
		w.sometimes.hit(sometimesTxnCommitted)
		return t.Commit()
	}
	w.sometimes.hit(sometimesTxnAborted)
	return t.Abort()
}

// foreignRecords draws records of another program.
func (w *world) foreignRecords(purpose string, from time.Duration, n int, keyed bool) []fakecluster.Record {
	r := stream(w.plan.Seed, purpose, int(from))
	out := make([]fakecluster.Record, n)
	for i := range out {
		out[i].Value = encodePayload(fmt.Sprintf("x.%d", w.foreignValues.Add(1)), 40)
		if !keyed {
			continue
		}
		out[i].Key = []byte(w.keys[r.IntN(len(w.keys))])
		if r.IntN(5) == 0 {
			out[i].Value = nil
		}
	}
	return out
}

// Keyless writes records without a key, which Kafka itself refuses on a
// compacted topic but older brokers and other systems do not.
type Keyless struct {
	Records int `plan:"records"`
	Span
}

// Kind implements Fault.
func (f Keyless) Kind() string { return "keyless" }

// String implements Fault.
func (f Keyless) String() string { return line(f.Kind(), &f) }

func (f Keyless) check(*Plan) error {
	return between("records", f.Records, 1, 1000)
}

func (f Keyless) start(_ context.Context, w *world) (*effect, error) {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	err := w.cluster.Append(w.foreignRecords("keyless", f.From, f.Records, false)...)
	return counted(f.Records), err
}
