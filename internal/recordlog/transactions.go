package recordlog

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
)

// Transactions follows a log batch by batch, and knows which transactions it has. The zero value
// has seen nothing. It is for one goroutine at a time.
type Transactions struct {
	count int
	open  map[int64]Transaction // by producer
	ended []Transaction
}

// Transaction is one transaction of a log.
type Transaction struct {
	// Number counts transactions in the order of their first batches, from 1.
	Number int
	// Producer is the producer's id, and Epoch its epoch in the last batch.
	Producer int64
	Epoch    int16
	// First is the offset of the first record.
	First int64
	// Marker is the offset of the marker that ended it; -1 if nothing has.
	Marker int64
	// Commit says how it ended.
	Commit bool
}

// Name names the transaction in histories: "t1".
func (x Transaction) Name() string { return "t" + strconv.Itoa(x.Number) }

// Ended reports whether the log has the transaction's end.
func (x Transaction) Ended() bool { return x.Marker >= 0 }

// Parted reports whether a cut of the log at an offset takes the transaction's end away, and leaves
// its first record.
func (x Transaction) Parted(from int64) bool { return x.First < from && from <= x.Marker }

// Before returns the nearest offset up to from that parts none of these transactions.
func Before(from int64, all []Transaction) int64 {
	for i := 0; i < len(all); i++ {
		if all[i].Parted(from) {
			from, i = all[i].First, -1
		}
	}
	return from
}

// After returns the nearest offset from from on that parts none of these transactions.
func After(from int64, all []Transaction) int64 {
	for i := 0; i < len(all); i++ {
		if all[i].Parted(from) {
			from, i = all[i].Marker+1, -1
		}
	}
	return from
}

// Next takes note of the next batch of the log, and returns the transaction that it is part of or
// that it ends; false if there is none. A control batch that is neither commit nor abort counts as
// an abort.
func (t *Transactions) Next(b *Batch) (Transaction, bool) {
	x, open := t.open[b.ProducerID]
	switch {
	case b.Control && !open:
		return Transaction{}, false
	case b.Control:
		commit, ok := b.Marker()
		x.Marker, x.Commit = b.LastOffset, ok && commit
		delete(t.open, b.ProducerID)
		t.ended = append(t.ended, x)
		return x, true
	case !b.Transactional:
		return Transaction{}, false
	case !open:
		if t.open == nil {
			t.open = make(map[int64]Transaction)
		}
		t.count++
		x = Transaction{Number: t.count, Producer: b.ProducerID, First: b.FirstOffset, Marker: -1}
	}
	x.Epoch = b.ProducerEpoch
	t.open[b.ProducerID] = x
	return x, true
}

// Truncate takes note that the log lost everything from an offset on. It returns the open
// transactions that are gone as a whole, in the order of their numbers. The other open ones stay
// open, and those that had ended stay ended as long as their markers are there.
func (t *Transactions) Truncate(from int64) (gone []Transaction) {
	for _, x := range t.Open() {
		if x.First >= from {
			delete(t.open, x.Producer)
			gone = append(gone, x)
		}
	}
	t.ended = slices.DeleteFunc(t.ended, func(x Transaction) bool { return x.Marker >= from })
	return gone
}

// Abort takes note that the log has an open transaction's records, and will never have its end.
func (t *Transactions) Abort(x Transaction) { delete(t.open, x.Producer) }

// Count returns how many transactions there have been, and so the highest number.
func (t *Transactions) Count() int { return t.count }

// Of returns the open transaction of a producer.
func (t *Transactions) Of(producer int64) (Transaction, bool) {
	x, ok := t.open[producer]
	return x, ok
}

// Open returns the open transactions, in the order of their numbers.
func (t *Transactions) Open() []Transaction {
	return slices.SortedFunc(maps.Values(t.open), func(a, b Transaction) int { return cmp.Compare(a.Number, b.Number) })
}

// Decided returns the transactions that have ended, in the order of their markers.
func (t *Transactions) Decided() []Transaction { return slices.Clone(t.ended) }
