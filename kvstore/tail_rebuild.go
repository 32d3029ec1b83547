package kvstore

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
)

// rebuild brings the view up from the start of the log: when the client opens, when the log
// lost records that the client had applied, and when tombstones may have been removed that
// it had not read. When a hole turned out not to be empty, it starts from there.
//
// I8: what has been applied since a truncated offset can't be taken back one by one,
// because the values that those records replaced are not in the storage any more. So
// the storage is emptied and the log read again from its start. Reads wait meanwhile;
// they would go back in time. The hooks are told what differs up to the truncation,
// and each record from there on.
type rebuild struct {
	// resume is the first offset of which no record has been seen before. Records below it
	// are applied without hooks, then the state is compared with the one before.
	resume   int64
	compared bool
	before   held
	// lossy says that before is from a rebuild before this one which was for a loss.
	lossy bool

	// whole says that the log lost nothing. Then no key has vanished that a record from
	// resume on still sets or deletes. gone has the keys that may have vanished; the hooks
	// are told of them at the end.
	whole bool
	gone  map[string]struct{}

	// left is up to where the log has what had been read, as a leader of epoch leftUnder said
	// when it had lost the rest. 0 if no leader said so.
	left      int64
	leftUnder int32
	undecided time.Time // since when the leader says that less than that is decided, zero if it does not

	// The position of reads when rereading began although the log lost nothing. I3: nothing
	// moves for waiters until the log has been read up to there, and up to its end.
	floor      int64
	floorEpoch int32

	// What had been read when rereading began although the log lost nothing: the client's own
	// writes are remembered up to seen. digest is that of the storage there, if digested.
	seen      int64
	seenEpoch int32
	digest    digest
	digested  bool

	under leader // at which the first records were read
	moved bool   // others were read at another one

	cause   error
	begun   bool
	start   int64 // where it began to read
	asked   bool  // the first fetch was answered
	started time.Time
	target  int64 // the high watermark when the rebuild began
	opening bool
	expired int // how many times in a row the log could not be read in time
	records int64
}

// keeps reports whether positions still name the same records, so that the client shows the
// one it had until it is reached again. False for nil: nothing is rebuilt.
func (rb *rebuild) keeps() bool { return rb != nil && rb.whole && !rb.opening }

// newOpening is the rebuild with which a client starts: there is nothing to compare, and
// all records go to the hooks.
func newOpening() *rebuild { return &rebuild{opening: true, compared: true} }

// unseen returns the first offset of which no record has been seen. While the log is reread, that
// is where it had been read up to before, and not how far the rereading is.
func (t *tail) unseen() int64 {
	if rb := t.rebuild; rb != nil && !rb.compared {
		return rb.resume
	}
	return t.pos
}

// startOver makes the next step reread the log because it lost records. What has been read is in
// it up to end at most.
func (t *tail) startOver(end int64, cause error) {
	t.hole, t.silence = nil, silence{}
	t.begin(&rebuild{resume: min(end, t.unseen()), cause: cause})
	t.rebuild.left = min(t.rebuild.left, end) // or the next leader would be found to have lost that
	t.track.Trust(-1)
}

// begin makes the next step begin a rebuild, replacing one that is under way.
func (t *tail) begin(next *rebuild) {
	t.log.warn("kvstore: rebuilding from the log", next.cause)
	if rb := t.rebuild; rb != nil {
		next.opening, next.gone = rb.opening, rb.gone
		// Unless the leader says that less is left.
		next.left, next.leftUnder = rb.left, rb.leftUnder
		if !rb.compared { // the hooks still have the state before the first one
			next.before, next.resume, next.lossy = rb.before, min(rb.resume, next.resume), rb.lossy || !rb.whole
		}
	}
	t.gate.Shut()
	t.health.setTarget(-1) // not known yet
	if !next.opening {
		t.health.set(StateRebuilding, next.cause)
	}
	t.rebuild = next
	t.checked = noLeader
	t.short = 0
}

// beginRebuild empties the view and goes to the start of the log.
func (t *tail) beginRebuild(ctx context.Context) error {
	rb := t.rebuild
	sent := time.Now()
	start, first, err := t.part.offsetUnder(ctx, atEarliest)
	if err != nil {
		return err
	}
	end, l, err := t.part.offsetUnder(ctx, atLatest)
	if err != nil {
		return err
	}
	if err := t.part.current(first); err != nil {
		return err
	}
	switch pos, epoch := t.extent(); {
	case rb.whole && l.naming != t.naming: // the log may be another one than that whose positions it keeps
		return t.renamed(ctx, pos, epoch)
	case rb.whole && start > rb.seen: // what is new below the start is lost
		return t.lostStart(ctx, start, rb.seen)
	}
	if !rb.keeps() {
		t.debt = debt{}
	}
	if rb.cause != nil {
		if !rb.keeps() {
			left := rb.resume
			if l.naming != t.naming {
				left = 0 // the epochs of what had been read mean nothing there
			}
			t.track.Rollback(start, left, rb.cause)
			t.recent.Reset()
		}
		t.track.Because(rb.cause)
	}
	if rb.keeps() && !rb.digested {
		if rb.digest, err = t.digest(ctx); err != nil {
			return err
		}
		rb.digested = true
	}
	if err := t.empty(ctx); err != nil {
		return err
	}
	t.pos, t.epoch, t.checked = start, -1, noLeader
	t.naming = l.naming
	t.part.settle(l.naming)
	if invariant.On {
		t.of.Swap(t.part.topicID())
	}
	if t.hole != nil && t.hole.at < start {
		t.hole = nil
	}
	t.fresh.begin(sent)
	t.advance(start)
	rb.begun, rb.start, rb.started, rb.target = true, start, time.Now(), end
	t.health.sawEnd(end)
	t.track.SawEnd(end)
	t.health.setTarget(end)
	// If nothing was lost so far, the leader is asked first whether that is so.
	if !rb.compared && !rb.whole && start >= rb.resume {
		return t.compare(ctx)
	}
	return nil
}

// empty removes everything from the view. If hooks have to be told what a rebuild changes, what was
// there before the first one is kept.
func (t *tail) empty(ctx context.Context) error {
	if rb := t.rebuild; !rb.compared && rb.before == nil && t.hooks.any() { // the default storage may have to make its order for this
		err := t.insist(ctx, func() (err error) {
			rb.before, err = t.view.hold(ctx)
			return err
		})
		if err != nil {
			return err
		}
	}
	t.gate.Emptying()
	return t.insist(ctx, func() error { return t.view.reset(ctx) })
}

// confirm compares the answer to the first fetch of a rebuild with the offsets that the leader
// had named before. A question for offsets names no topic id: who answered may still have known
// the topic that was there before. If the log begins before the offset that was named, the
// rebuild begins again, and the error says why.
func (t *tail) confirm(f *fetched) error {
	rb := t.rebuild
	if rb == nil || rb.asked {
		return nil
	}
	if f.start >= 0 && f.start < rb.start {
		err := fmt.Errorf("the log begins at offset %d, and the leader said %d when it was asked", f.start, rb.start)
		rb.begun = false
		if rb.cause == nil {
			rb.cause = err // the position goes back
		}
		return err
	}
	rb.asked = true
	if rb.target < f.end {
		rb.target = f.end
		t.health.setTarget(f.end)
	}
	return nil
}

// finishRebuild lets reads pass once the view equals the log.
//
// An opening client waits for everything that was in the log, even behind a transaction
// that is still open. A rebuild waits only for what is decided: the client had not shown
// more before. Both wait for what superseded the records that they did not find (I25).
func (t *tail) finishRebuild(ctx context.Context, f fetched) error {
	rb := t.rebuild
	if rb == nil || !rb.begun {
		return nil
	}
	enough := rb.target
	if !rb.opening {
		enough = min(enough, f.stable)
	}
	if rb.keeps() {
		enough = max(enough, rb.floor, rb.seen)
	}
	pos, epoch := t.reached()
	if pos < max(enough, t.debt.upTo) {
		return nil
	}
	if enough, err := t.checkLeft(ctx, f); !enough {
		return err
	}
	if invariant.On {
		t.checkSeen()
	}
	if !rb.compared { // the log ends even before resume
		if err := t.compare(ctx); err != nil {
			return err
		}
	}
	if err := t.tellGone(ctx); err != nil {
		return err
	}
	t.progress(true)
	t.rebuild, t.rooms = nil, nil
	t.track.Show(pos, epoch) // before a read can show what the position has not reached
	t.gate.Open()
	t.health.set(StateLive, nil)
	t.track.Advance(pos)
	if rb.cause != nil && (pos < f.stable || f.stable == f.end) {
		t.moving()
	}
	if rb.opening {
		t.opened()
	}
	return nil
}

// progress reports how far the opening is.
func (t *tail) progress(done bool) {
	rb := t.rebuild
	if t.report == nil || !rb.opening {
		return
	}
	pos, _ := t.reached()
	p := Progress{Position: pos, Target: rb.target, Records: rb.records, Done: done}
	if took := time.Since(rb.started).Seconds(); took > 0 {
		p.RecordsPerSecond = float64(rb.records) / took
	}
	t.health.callout.begin(codeProgress)
	err := guarded("progress callback", func() error { t.report(p); return nil })
	t.health.callout.end()
	if err != nil {
		panic(err) // for runGuarded
	}
}

// compare tells the hooks what the loss changed: a delete for each key that vanished, in
// key order, then a set for each key whose value has changed.
func (t *tail) compare(ctx context.Context) error {
	rb := t.rebuild
	var gone, changed []Record
	if t.hooks.any() {
		var err error
		if gone, changed, err = t.differences(ctx, rb.before); err != nil {
			return err
		}
	}
	rb.compared, rb.before = true, nil
	if rb.whole && !rb.lossy {
		// The hooks have been told of every record below resume, or compaction removed it
		// before it was read. It may be in the log of another leader still.
		changed = nil
	}
	if rb.whole {
		if rb.gone == nil {
			rb.gone = map[string]struct{}{}
		}
		for _, r := range gone {
			rb.gone[string(r.Key)] = struct{}{}
		}
		gone = nil
	}
	return t.tell(ctx, append(gone, changed...), func(Record) {})
}

// tellGone tells the hooks of keys that vanished without a record: their tombstones were
// compacted away.
func (t *tail) tellGone(ctx context.Context) error {
	var gone []Record
	for _, key := range slices.Sorted(maps.Keys(t.rebuild.gone)) {
		gone = append(gone, Record{Key: []byte(key), Delete: true, Revision: -1}) // there is no record for it
	}
	return t.tell(ctx, gone, func(Record) {})
}

// differences returns which keys are gone, and which are new or have another record than before. It
// tries each call of the storage again that fails, not all from the first on.
func (t *tail) differences(ctx context.Context, before held) (gone, changed []Record, err error) {
	err = t.insist(ctx, func() error {
		gone = nil
		for e, err := range before.all(ctx) {
			if err != nil {
				return err
			}
			err = t.persist(ctx, func() error {
				_, err := t.view.entry(ctx, e.Key)
				if isNotFound(err) {
					gone = append(gone, Record{Key: e.Key, Delete: true, Revision: -1}) // there is no record for it
					return nil
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	var entries iter.Seq2[Entry, error]
	err = t.insist(ctx, func() (err error) {
		entries, err = t.view.scan(ctx, KeyConstraint{}, QueryOptions{})
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	err = t.insist(ctx, func() error {
		changed = nil
		for e, err := range entries {
			if err != nil {
				return err
			}
			var old indexed
			var ok bool
			err = t.persist(ctx, func() (err error) {
				old, ok, err = before.lookup(ctx, e.Key)
				return err
			})
			if err != nil {
				return err
			}
			if !ok || old.revision != e.Revision || old.timeMillis != e.Time.UnixMilli() {
				changed = append(changed, Record{Key: e.Key, Value: e.Value, Revision: e.Revision, TimeMillis: e.Time.UnixMilli()})
			}
		}
		return nil
	})
	return gone, changed, err
}
