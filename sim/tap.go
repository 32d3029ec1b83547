package sim

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/kvsim/kvsim/internal/fakecluster"
	"github.com/kvsim/kvsim/internal/recordlog"
	lin "github.com/kvsim/kvsim/linearizability"
)

// A tap writes everything that happens to the log into the history, before
// compaction or a loss can erase it.
//
// D3: it is a consumer with a connection that has no delay, whose fetch waits at the
// leader. A record reaches it at the very instant at which it is appended, and a client,
// all of whose links have a delay, at a later one. So in virtual time the tap is exact:
// each append is in the history before a client can see it or hear of it.
type tap struct {
	w *world

	mu      sync.Mutex
	next    int64 // everything below is in the history
	live    map[int64]tapped
	going   map[int64]bool   // compacted in the history, maybe not yet in the log
	removed map[int64]tapped // compacted in the log, so that another leader may have it
	txns    recordlog.Transactions
	commits map[string]bool
	conn    net.Conn // to the leader; closed to make the tap look again
	stopped bool     // while the log is being replaced
	noted   int      // batches so far
	// generation counts how often the log was replaced.
	generation int
	again      chan struct{}
}

// tapped is what the tap remembers of a record that the log has.
type tapped struct {
	key       string
	txn       string // name of its transaction
	tombstone bool
	at        time.Time // as it says itself
	seen      time.Time // when the log got it
}

func newTap(w *world) *tap {
	return &tap{
		w: w, live: map[int64]tapped{}, going: map[int64]bool{}, removed: map[int64]tapped{},
		commits: map[string]bool{}, again: make(chan struct{}),
	}
}

// run follows the log until ctx ends.
func (t *tap) run(ctx context.Context) {
	stop := context.AfterFunc(ctx, t.refresh)
	defer stop()
	for ctx.Err() == nil {
		if err := t.follow(ctx); err != nil && ctx.Err() == nil {
			// The leader moved, or the brokers restarted.
			_ = sleep(ctx, t.pause())
		}
	}
}

// pause is how long the tap waits for brokers that can't be reached.
func (t *tap) pause() time.Duration {
	if t.w.env.LateTap {
		return 5 * time.Millisecond
	}
	return 50 * time.Microsecond
}

// follow fetches from the present leader until something goes wrong or
// refresh is called.
func (t *tap) follow(ctx context.Context) error {
	t.mu.Lock()
	stopped, again := t.stopped, t.again
	t.mu.Unlock()
	if stopped {
		select {
		case <-again:
		case <-ctx.Done():
		}
		return nil
	}
	info, err := t.w.cluster.Partition()
	if err != nil {
		return err
	}
	conn, err := t.w.cluster.Direct(ctx, info.Leader)
	if err != nil {
		return err
	}
	defer conn.Close()
	t.mu.Lock()
	if t.again != again { // refreshed meanwhile
		t.mu.Unlock()
		return nil
	}
	t.conn = conn
	t.mu.Unlock()
	f := fetcher{conn: conn}
	for ctx.Err() == nil {
		t.mu.Lock()
		next := t.next
		t.mu.Unlock()
		batches, err := f.fetch(t.w.cluster.Topic(), next)
		if err != nil {
			return err
		}
		t.mu.Lock()
		if t.again != again {
			t.mu.Unlock()
			return nil
		}
		t.note(batches)
		t.mu.Unlock()
	}
	return nil
}

// refresh makes the tap look for the leader again.
func (t *tap) refresh() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reconnect()
}

func (t *tap) reconnect() {
	close(t.again)
	t.again = make(chan struct{})
	if t.conn != nil {
		_ = t.conn.Close()
		t.conn = nil
	}
}

// sync brings the history up to the log as it is now. The lock is not held while it reads:
// brokers may be away for a long time, and the goroutine that starts them needs it.
func (t *tap) sync() error {
	for {
		t.mu.Lock()
		next, generation := t.next, t.generation
		t.mu.Unlock()
		batches, err := t.w.cluster.ReadLog(next)
		if err != nil {
			return fmt.Errorf("log tap: %w", err)
		}
		t.mu.Lock()
		same := t.generation == generation
		if same {
			t.note(batches)
		}
		t.mu.Unlock()
		if same {
			return nil
		}
	}
}

// note records batches that are not in the history yet. The caller holds mu.
func (t *tap) note(batches []fakecluster.Batch) {
	for i := range batches {
		b := &batches[i]
		if b.LastOffset < t.next {
			continue
		}
		if b.Unreadable != nil && !t.w.plan.hostile() {
			t.w.fail(fmt.Errorf("log tap: the batch at offset %d: %w", b.FirstOffset, b.Unreadable))
			return
		}
		if b.FirstOffset > t.next || !b.Control && b.Unreadable == nil && int64(len(b.Records)) != b.LastOffset-b.FirstOffset+1 {
			t.w.fail(fmt.Errorf("log tap: something between %d and %d went before it was seen", t.next, b.LastOffset))
			return
		}
		t.noted++
		txn, inTxn := t.txns.Next(b)
		switch {
		case b.Control:
			t.marker(b, txn, inTxn)
		case b.Unreadable != nil:
			t.unreadable(b)
		default:
			t.append(b, txn, inTxn)
		}
		t.next = b.LastOffset + 1
	}
}

// extent returns how many batches have been appended so far, and where the log ends.
func (t *tap) extent() (batches int, end int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.noted, t.next
}

// marker records a control batch, which takes an offset and ends a transaction.
func (t *tap) marker(b *fakecluster.Batch, txn recordlog.Transaction, ends bool) {
	t.live[b.LastOffset] = tapped{at: b.MaxTimestamp}
	t.w.rec.Append(lin.Record{Offset: b.LastOffset, Foreign: true})
	if ends {
		t.commits[txn.Name()] = txn.Commit
		t.w.rec.Transaction(txn.Name(), txn.Commit)
	}
}

// unreadable records a batch that nobody can read by its last offset.
func (t *tap) unreadable(b *fakecluster.Batch) {
	t.live[b.LastOffset] = tapped{at: b.MaxTimestamp}
	t.w.rec.Append(lin.Record{Offset: b.LastOffset, Foreign: true})
}

func (t *tap) append(b *fakecluster.Batch, of recordlog.Transaction, inTxn bool) {
	txn := ""
	if inTxn {
		txn = of.Name()
	}
	writers := map[string]bool{}
	for i := range b.Records {
		r := &b.Records[i]
		rec := lin.Record{Offset: r.Offset, Key: string(r.Key), Txn: txn}
		switch {
		case len(r.Key) == 0:
			rec.Foreign = true
		case r.Value == nil:
			rec.Foreign = b.Transactional
		case len(r.Value) > mostInflated: // of a hostile batch
			rec.Value, rec.Foreign = hostileID, true
		default:
			rec.Value = decodePayload(r.Value)
			rec.Foreign = foreign(rec.Value)
			writers[writeOf(rec.Value)] = true
		}
		t.live[r.Offset] = tapped{key: string(r.Key), txn: txn, tombstone: len(r.Key) > 0 && r.Value == nil, at: r.Timestamp, seen: time.Now()}
		t.w.rec.Append(rec)
	}
	if len(writers) > 1 {
		t.w.sometimes.hit(sometimesGroupCommit)
	}
}

// compacted finds out what a compaction removed, records it and returns how
// many records and tombstones that were.
func (t *tap) compacted() (records, tombstones int, err error) {
	if err := t.sync(); err != nil {
		return 0, 0, err
	}
	t.mu.Lock()
	known := t.offsets(func(int64) bool { return true })
	t.mu.Unlock()
	left, err := t.w.cluster.ReadLog(0)
	if err != nil {
		return 0, 0, fmt.Errorf("log tap: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	there := make(map[int64]bool, len(left))
	for i := range left {
		for j := range left[i].Records {
			there[left[i].Records[j].Offset] = true
		}
		there[left[i].LastOffset] = there[left[i].LastOffset] || left[i].Control || left[i].Unreadable != nil
	}
	removed := slices.DeleteFunc(known, func(off int64) bool { return there[off] })
	for _, off := range removed {
		if t.live[off].tombstone {
			tombstones++
		}
		t.removed[off] = t.live[off]
		delete(t.live, off)
	}
	if len(removed) > 0 {
		t.w.rec.Compact(removed)
	}
	records = len(removed)
	for off := range t.going {
		if !there[off] {
			delete(t.going, off)
			records++
		}
	}
	return records, tombstones, nil
}

// uncompacted finds out what is in the log again that a compaction had removed, because another
// broker leads. It records that and returns how many records and tombstones that are.
func (t *tap) uncompacted() (records int, err error) {
	log, err := t.w.cluster.ReadLog(0)
	if err != nil {
		return 0, fmt.Errorf("log tap: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var returned []int64
	back := func(off int64) {
		if was, ok := t.removed[off]; ok {
			t.live[off] = was
			delete(t.removed, off)
			returned = append(returned, off)
		}
	}
	for i := range log {
		b := &log[i]
		for j := range b.Records {
			if !b.Control {
				back(b.Records[j].Offset)
			}
		}
		if b.Control || b.Unreadable != nil {
			back(b.LastOffset)
		}
	}
	if len(returned) > 0 {
		t.w.rec.Uncompact(returned)
	}
	return len(returned), nil
}

// removals returns how many records of the log compaction has removed.
func (t *tap) removals() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.removed)
}

// anticipate records what a compaction under way may soon remove: every record with a newer
// one for its key. Brokers that compact at a time of their own don't say when they did, so
// that a client which opens could miss a record before the history says that it was
// removed.
func (t *tap) anticipate() {
	t.mu.Lock()
	defer t.mu.Unlock()
	committed := t.offsets(func(off int64) bool {
		r := t.live[off]
		return r.key != "" && (r.txn == "" || t.commits[r.txn])
	})
	newest := map[string]int64{}
	for _, off := range committed {
		newest[t.live[off].key] = off
	}
	committed = slices.DeleteFunc(committed, func(off int64) bool { return newest[t.live[off].key] == off })
	for _, off := range committed {
		delete(t.live, off)
		t.going[off] = true
	}
	if len(committed) > 0 {
		t.w.rec.Compact(committed)
	}
}

// trimmed records that the log begins at start now.
func (t *tap) trimmed(start int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, off := range t.offsets(func(off int64) bool { return off < start }) {
		delete(t.live, off)
	}
	maps.DeleteFunc(t.going, func(off int64, _ bool) bool { return off < start })
	maps.DeleteFunc(t.removed, func(off int64, _ tapped) bool { return off < start })
	t.next = max(t.next, start)
	t.w.rec.Trim(start)
}

// replace lets fn take the log's tail away, or the whole log, while the tap
// does not follow. The tap goes on at the offset that fn returns.
func (t *tap) replace(fn func() (from int64, err error)) error {
	t.mu.Lock()
	t.stopped = true
	t.reconnect()
	t.mu.Unlock()
	err := t.sync()
	from := int64(0)
	if err == nil {
		from, err = fn()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.next = min(t.next, from)
		for _, off := range t.offsets(func(off int64) bool { return off >= from }) {
			delete(t.live, off)
		}
		maps.DeleteFunc(t.going, func(off int64, _ bool) bool { return off >= from })
		maps.DeleteFunc(t.removed, func(off int64, _ tapped) bool { return off >= from })
		t.lost(from)
		t.generation++
	}
	t.stopped = false
	t.reconnect()
	return err
}

// lost records that the open transactions that begin at or above an offset have lost
// everything that they wrote. The others stay open.
func (t *tap) lost(from int64) {
	var names []string
	for _, txn := range t.txns.Truncate(from) {
		names = append(names, txn.Name())
	}
	slices.Sort(names)
	for _, name := range names {
		t.w.rec.Transaction(name, false)
	}
}

// lastOpened returns the producer of the transaction that was opened last, of those
// that are open; -1 if none is.
func (t *tap) lastOpened() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	open := t.txns.Open()
	if len(open) == 0 {
		return -1
	}
	return open[len(open)-1].Producer
}

// isOpen reports whether a producer has a transaction open.
func (t *tap) isOpen(producer int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, open := t.txns.Of(producer)
	return open
}

// openTransactions returns how many transactions have records and no end.
func (t *tap) openTransactions() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.txns.Open())
}

// offsets returns the live offsets that fn accepts, ascending.
func (t *tap) offsets(fn func(int64) bool) []int64 {
	var out []int64
	for off := range t.live {
		if fn(off) {
			out = append(out, off)
		}
	}
	slices.Sort(out)
	return out
}

// ended returns the transactions that have ended.
func (t *tap) ended() []recordlog.Transaction {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.txns.Decided()
}
