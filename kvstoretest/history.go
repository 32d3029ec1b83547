package kvstoretest

import (
	"maps"
	"slices"
	"time"

	"github.com/kvsim/kvsim/internal/fakecluster"
	"github.com/kvsim/kvsim/internal/outcome"
	"github.com/kvsim/kvsim/internal/recordlog"
	"github.com/kvsim/kvsim/kvstore"
	lin "github.com/kvsim/kvsim/linearizability"
)

// history records what the stores of a kit do, and what happens to the log.
//
// The log is noted after the fact (lin.TapLate), but in its own order: whoever
// changes the log lets everything be noted that was appended before. Methods
// that note something do nothing on a nil history. The caller holds the kit's
// logOp.
type history struct {
	k         *Kit
	rec       *lin.Recorder
	start     time.Time
	tap       *fakecluster.Tap
	stores    []*Recorded // guarded by the kit's mu
	strangers int         // guarded by the kit's mu

	next        int // batches of the tap that are noted
	incarnation int // how often the topic was recreated

	live    map[int64]bool // offsets that the log has
	removed map[int64]bool // offsets of the history's records that compaction has removed
	txns    recordlog.Transactions
}

// startHistory makes the kit's history, unless there is one.
func (k *Kit) startHistory() error {
	k.logOp <- struct{}{}
	defer func() { <-k.logOp }()
	k.mu.Lock()
	started := k.history != nil
	k.mu.Unlock()
	if started {
		return nil
	}
	tap, err := k.cluster.Tap(k.cfg.topic, 0)
	if err != nil {
		return err
	}
	start := time.Now()
	h := &history{
		k: k, tap: tap, start: start, live: map[int64]bool{}, removed: map[int64]bool{},
		rec: lin.NewRecorder(func() time.Duration { return time.Since(start) }, lin.RecorderOptions{
			Header: lin.Header{Version: lin.FormatVersion, Tap: lin.TapLate, Meta: map[string]string{"test": k.t.Name()}},
		}),
	}
	info, err := k.cluster.Partition(k.cfg.topic, 0)
	if err != nil {
		return err
	}
	if err := h.began(info.HighWatermark); err != nil {
		return err
	}
	// Without any event the judge would take it that nobody looked at the log.
	h.rec.End(info.LogStartOffset)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.history = h
	for _, f := range k.faults {
		if f.active() {
			heal := h.rec.Fault(f.text)
			f.mu.Lock()
			f.heal = heal
			f.mu.Unlock()
		}
	}
	return nil
}

// began notes the log as it is now. Its end was at end at some time before.
func (h *history) began(end int64) error {
	batches, err := h.tap.Batches() // also what compaction removed
	if err != nil {
		return err
	}
	log, err := h.k.readLog()
	if err != nil {
		return err
	}
	left := make([]int64, len(log))
	for i, r := range log {
		left[i] = r.Offset
	}
	for ; h.next < len(batches); h.next++ {
		h.batch(&batches[h.next], h.only(left))
		end = max(end, batches[h.next].LastOffset+1)
	}
	h.end(left, end)
	return nil
}

// only returns what notes a record if its offset is in a sorted list.
func (h *history) only(left []int64) func(lin.Record) {
	return func(r lin.Record) {
		if _, is := slices.BinarySearch(left, r.Offset); is {
			h.append(r)
		}
	}
}

// end notes where the log ends if the last record before is not among those that are left. What
// readers skip there is a record without a key to judges.
func (h *history) end(left []int64, end int64) {
	if _, is := slices.BinarySearch(left, end-1); !is && end > 0 {
		h.rec.Append(lin.Record{Offset: end - 1, Foreign: true})
	}
}

// note records what was appended and is not in the history yet, as far as
// wanted accepts it.
func (h *history) note(wanted func(*fakecluster.Tapped) bool) error {
	batches, err := h.tap.Batches()
	if err != nil {
		return err
	}
	for ; h.next < len(batches) && wanted(&batches[h.next]); h.next++ {
		h.batch(&batches[h.next], h.append)
	}
	return nil
}

func (h *history) noteAll() error {
	if h == nil {
		return nil
	}
	return h.note(func(*fakecluster.Tapped) bool { return true })
}

// batch gives add the records of a batch, and notes the end of a transaction.
func (h *history) batch(b *fakecluster.Tapped, add func(lin.Record)) {
	of, inTxn := h.txns.Next(&b.Batch)
	if b.Control || b.Unreadable != nil {
		add(lin.Record{Offset: b.LastOffset, Foreign: true})
		if inTxn && of.Ended() {
			h.rec.Transaction(of.Name(), of.Commit)
		}
		return
	}
	txn := ""
	if inTxn {
		txn = of.Name()
	}
	for i := range b.Records {
		r := &b.Records[i]
		// The store writes with an idempotent producer, the kit without one.
		rec := lin.Record{Offset: r.Offset, Key: string(r.Key), Txn: txn, Foreign: b.Transactional || b.ProducerID < 0}
		if len(r.Key) == 0 {
			rec.Foreign = true
		} else if r.Value != nil {
			rec.Value = rawID(r.Value)
		}
		add(rec)
	}
}

func (h *history) append(r lin.Record) {
	h.live[r.Offset] = true
	h.rec.Append(r)
}

// compacted notes what a compaction removed.
func (h *history) compacted() error {
	if h == nil {
		return nil
	}
	if err := h.noteAll(); err != nil {
		return err
	}
	left, err := h.k.readLog()
	if err != nil {
		return err
	}
	there := map[int64]bool{}
	for _, r := range left {
		there[r.Offset] = true
	}
	h.compact(h.forget(func(off int64) bool { return !there[off] }))
	return nil
}

// compact notes that compaction removed records.
func (h *history) compact(offsets []int64) {
	if len(offsets) == 0 {
		return
	}
	for _, off := range offsets {
		delete(h.live, off)
		h.removed[off] = true
	}
	h.rec.Compact(offsets)
}

// uncompacted notes what is in the log again that compaction had removed.
func (h *history) uncompacted() error {
	if h == nil {
		return nil
	}
	if err := h.noteAll(); err != nil {
		return err
	}
	log, err := h.k.readLog()
	if err != nil {
		return err
	}
	var all, returned []int64
	unknown := int64(-1)
	for _, r := range log {
		all = append(all, r.Offset)
		switch {
		case h.removed[r.Offset]:
			returned = append(returned, r.Offset)
		case !h.live[r.Offset] && unknown < 0:
			unknown = r.Offset
		}
	}
	for _, off := range returned {
		delete(h.removed, off)
		h.live[off] = true
	}
	if len(returned) > 0 {
		h.rec.Uncompact(returned)
	}
	if unknown < 0 {
		return nil
	}
	// It was removed before the history began, or noted what is left of a lost tail.
	h.forget(func(off int64) bool { return off >= unknown })
	h.truncate(unknown)
	return h.again(all[slices.Index(all, unknown):], unknown, all[len(all)-1]+1)
}

// trimmed notes that the log begins at start now.
func (h *history) trimmed(start int64) error {
	if h == nil {
		return nil
	}
	if err := h.noteAll(); err != nil {
		return err
	}
	h.forget(func(off int64) bool { return off < start })
	maps.DeleteFunc(h.removed, func(off int64, _ bool) bool { return off < start })
	h.rec.Trim(start)
	return nil
}

// truncated notes that the log lost its records from an offset on.
func (h *history) truncated(from int64) error {
	if h == nil {
		return nil
	}
	// Batches from there on that are not lost were appended since.
	err := h.note(func(b *fakecluster.Tapped) bool { return b.Lost || b.LastOffset < from })
	if err != nil {
		return err
	}
	start := from
	for _, x := range h.txns.Decided() {
		if x.Parted(from) {
			start = min(start, x.First)
		}
	}
	h.abort(h.txns.Truncate(from))
	left := h.forget(func(off int64) bool { return off >= start })
	h.truncate(start)
	return h.again(left, start, from)
}

// truncate notes that the log lost what it had from an offset on.
func (h *history) truncate(from int64) {
	maps.DeleteFunc(h.removed, func(off int64, _ bool) bool { return off >= from })
	h.rec.Truncate(from)
}

// again notes once more what the log has from start to end, of which left is what compaction has
// left. Transactions that the history has as committed lost their markers with what was behind end,
// and the brokers abort them.
func (h *history) again(left []int64, start, end int64) error {
	if start == end {
		return nil
	}
	batches, err := h.tap.Batches()
	if err != nil {
		return err
	}
	opened := h.txns.Count()
	for i := range batches[:h.next] {
		b := &batches[i]
		if b.Incarnation != h.incarnation || b.Lost || b.LastOffset < start || b.FirstOffset >= end {
			continue
		}
		h.batch(b, h.only(left))
	}
	h.end(left, end)
	for _, x := range h.txns.Open() {
		if x.Number > opened {
			h.txns.Abort(x)
			h.rec.Transaction(x.Name(), false)
		}
	}
	return nil
}

// recreated notes that the log is a new one.
func (h *history) recreated() error {
	if h == nil {
		return nil
	}
	if err := h.note(func(b *fakecluster.Tapped) bool { return b.Incarnation <= h.incarnation }); err != nil {
		return err
	}
	h.incarnation++
	h.abort(h.txns.Truncate(0))
	clear(h.live)
	clear(h.removed)
	h.rec.Recreate()
	return nil
}

// forget returns the offsets of the log that gone accepts, ascending, and takes
// them for gone.
func (h *history) forget(gone func(int64) bool) []int64 {
	var out []int64
	for off := range h.live {
		if gone(off) {
			out = append(out, off)
			delete(h.live, off)
		}
	}
	slices.Sort(out)
	return out
}

// abort notes that open transactions ended with all that they wrote.
func (h *history) abort(gone []recordlog.Transaction) {
	for _, x := range gone {
		h.rec.Transaction(x.Name(), false)
	}
}

// snapshot records all that a client shows when it has caught up.
func (h *history) snapshot(r *Recorded) error {
	ctx, cancel := h.k.context()
	defer cancel()
	switch r.kv.Status().State {
	case kvstore.StateClosed, kvstore.StateFailed:
		return nil // it shows nothing any more
	default:
	}
	if err := h.k.follow(ctx, r.kv); err != nil {
		return err
	}
	entries, err := contents(ctx, r.kv)
	if err != nil {
		return err
	}
	h.rec.Snapshot(lin.Snapshot{
		Kind: lin.SnapshotFinal, Client: r.client, Process: r.process, Position: r.kv.Position(), Items: itemsOf(entries),
	})
	return nil
}

func itemsOf(entries Entries) []lin.Item {
	items := make([]lin.Item, len(entries))
	for i, e := range entries {
		items[i] = outcome.Item(rawID, e)
	}
	return items
}
