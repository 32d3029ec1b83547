package fakecluster

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// txnState is the state of a transactional id, as in Kafka's coordinator. There is no state for
// dead ids, because they are not kept.
type txnState int

const (
	txnEmpty txnState = iota
	txnOngoing
	txnPrepareCommit
	txnPrepareAbort
	txnCompleteCommit
	txnCompleteAbort
)

func (s txnState) String() string {
	return [...]string{"Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort"}[s]
}

// txnID is what a coordinator knows about one transactional id. Its methods are the transitions of
// Kafka's TransactionCoordinator and TransactionMetadata. They do no I/O and read no clock.
//
// Invariant: parts is empty unless state is Ongoing, PrepareCommit or
// PrepareAbort. Between a Prepare and its Complete, every request that would
// change the id is answered with CONCURRENT_TRANSACTIONS.
type txnID struct {
	id      string
	timeout time.Duration // how long a transaction may be open

	producer     int64
	epoch        int16 // -1: no producer was given out yet
	lastEpoch    int16 // the epoch before the last change that a client asked for; -1: none
	prevProducer int64 // the producer before the last change of producer; -1: none
	nextProducer int64 // the producer from the next Complete on; -1: the same

	state   txnState
	started time.Time // when Ongoing began
	updated time.Time // when the state last changed
	parts   []partition
	offsets []*kmsg.OffsetCommitRequest // to be committed with the transaction, see kfake_offsets.go
	v2      bool                        // the client speaks transaction.version 2 (KIP-890)
	run     int                         // counts the transactions
}

const (
	noProducer = -1
	noEpoch    = -1
	// lastEpochOf is the last epoch that a producer gets. One more is reserved, for
	// fencing.
	lastEpochOf = math.MaxInt16 - 1
)

func newTxnID(id string, producer int64) *txnID {
	return &txnID{id: id, producer: producer, epoch: noEpoch, lastEpoch: noEpoch, prevProducer: noProducer, nextProducer: noProducer}
}

// producerEpoch names one incarnation of a producer.
type producerEpoch struct {
	id    int64
	epoch int16
}

func (t *txnID) current() producerEpoch { return producerEpoch{t.producer, t.epoch} }

// preparing reports whether a transaction is being ended, but its markers are not all written.
func (t *txnID) preparing() bool { return t.state == txnPrepareCommit || t.state == txnPrepareAbort }

// init gives the next incarnation of the producer to a client, which may say which one it has
// (expected). If a transaction is open, it is aborted first: the client is told to try again, and
// the caller writes the markers. fresh is a producer id to use if the epochs run out.
func (t *txnID) init(now time.Time, timeout time.Duration, expected *producerEpoch, fresh int64) (producerEpoch, *kerr.Error) {
	if expected != nil && t.epoch != noEpoch && expected.id != t.producer &&
		(expected.id != t.prevProducer || expected.epoch < lastEpochOf) {
		return producerEpoch{}, kerr.ProducerFenced
	}
	switch t.state {
	case txnPrepareCommit, txnPrepareAbort:
		return producerEpoch{}, kerr.ConcurrentTransactions
	case txnOngoing:
		t.fence(now)
		return producerEpoch{}, kerr.ConcurrentTransactions
	}
	switch {
	case t.epoch == noEpoch:
		t.epoch, t.lastEpoch = 0, noEpoch
	case t.epoch >= lastEpochOf && (expected == nil || expected.epoch == t.epoch):
		t.prevProducer, t.producer = t.producer, fresh
		t.lastEpoch, t.epoch = t.epoch, 0
	case expected == nil:
		t.lastEpoch, t.epoch = noEpoch, t.epoch+1
	case expected.epoch == t.epoch:
		t.lastEpoch, t.epoch = t.epoch, t.epoch+1
	case expected.epoch == t.lastEpoch:
		// The client repeats the request, because the answer was lost.
	default:
		return producerEpoch{}, kerr.ProducerFenced
	}
	t.state, t.timeout, t.updated, t.v2 = txnEmpty, timeout, now, false
	return t.current(), nil
}

// add adds partitions to the open transaction of a producer, or opens one.
func (t *txnID) add(now time.Time, p producerEpoch, parts []partition, v2 bool) *kerr.Error {
	if e := t.takes(p); e != nil {
		return e
	}
	if t.state != txnOngoing {
		t.state, t.started, t.run = txnOngoing, now, t.run+1
	}
	t.updated = now
	t.v2 = t.v2 || v2
	for _, tp := range parts {
		if !slices.Contains(t.parts, tp) {
			t.parts = append(t.parts, tp)
		}
	}
	slices.SortFunc(t.parts, comparePartitions)
	return nil
}

// has returns nil if a producer has a partition in its open transaction. Leaders ask this about
// clients older than transaction.version 2.
func (t *txnID) has(p producerEpoch, tp partition) *kerr.Error {
	e := t.takes(p)
	if e == nil && !slices.Contains(t.parts, tp) {
		e = kerr.InvalidTxnState
	}
	return e
}

// takes returns the error of a producer that can't go on with the transaction.
func (t *txnID) takes(p producerEpoch) *kerr.Error {
	if e := t.is(p); e != nil || !t.preparing() {
		return e
	}
	return kerr.ConcurrentTransactions
}

// is returns the error of a producer that is not the present one.
func (t *txnID) is(p producerEpoch) *kerr.Error {
	switch {
	case p.id != t.producer:
		return kerr.InvalidProducerIDMapping
	case p.epoch != t.epoch:
		return kerr.ProducerFenced
	}
	return nil
}

// end ends the open transaction of a producer. It returns the incarnation with which the client
// continues, and whether there is something to complete.
func (t *txnID) end(now time.Time, p producerEpoch, commit, v2 bool, fresh int64) (next producerEpoch, begun bool, e *kerr.Error) {
	if v2 {
		return t.end2(now, p, commit, fresh)
	}
	if e := t.is(p); e != nil {
		return next, false, e
	}
	switch t.state {
	case txnOngoing:
		t.prepare(now, commit)
		return t.current(), true, nil
	case txnCompleteCommit, txnCompleteAbort:
		if commit == (t.state == txnCompleteCommit) {
			return t.current(), false, nil
		}
	case txnPrepareCommit, txnPrepareAbort:
		if commit == (t.state == txnPrepareCommit) {
			return next, false, kerr.ConcurrentTransactions
		}
	}
	return next, false, kerr.InvalidTxnState
}

// end2 is end for transaction.version 2, where each end gives the producer the next epoch. By the
// epoch a repeated request can be told from the next one.
func (t *txnID) end2(now time.Time, p producerEpoch, commit bool, fresh int64) (next producerEpoch, begun bool, e *kerr.Error) {
	rotated := t.prevProducer == p.id && p.epoch >= lastEpochOf && t.epoch == 0
	again := t.epoch == p.epoch+1 || rotated
	if p.id != t.producer && !rotated {
		return next, false, kerr.InvalidProducerIDMapping
	}
	valid := p.epoch == t.epoch
	switch t.state {
	case txnPrepareCommit, txnPrepareAbort:
		valid = again
	case txnCompleteCommit, txnCompleteAbort:
		valid = valid || again
	}
	if !valid {
		return next, false, kerr.ProducerFenced
	}
	switch t.state {
	case txnOngoing:
		return t.prepare2(now, commit, fresh), true, nil
	case txnPrepareCommit, txnPrepareAbort:
		if commit == (t.state == txnPrepareCommit) {
			return next, false, kerr.ConcurrentTransactions
		}
	case txnCompleteCommit, txnCompleteAbort:
		switch {
		case again && commit == (t.state == txnCompleteCommit):
			return t.current(), false, nil
		case !again && !commit:
			return t.prepare2(now, false, fresh), true, nil // abort an empty transaction
		}
	case txnEmpty:
		if !commit {
			return t.prepare2(now, false, fresh), true, nil
		}
	}
	return next, false, kerr.InvalidTxnState
}

func (t *txnID) prepare(now time.Time, commit bool) {
	t.state = txnPrepareAbort
	if commit {
		t.state = txnPrepareCommit
	}
	t.updated = now
}

// prepare2 prepares the end of a transaction and gives the producer its next epoch, which the
// markers have. If the epochs run out, the client continues with another producer id.
func (t *txnID) prepare2(now time.Time, commit bool, fresh int64) producerEpoch {
	t.prepare(now, commit)
	t.v2 = true
	t.lastEpoch, t.epoch = t.epoch, t.epoch+1
	if t.epoch > lastEpochOf {
		t.nextProducer = fresh
		return producerEpoch{fresh, 0}
	}
	return t.current()
}

// fence aborts an open transaction that its owner has not ended. The owner's epoch is then too
// old from then on.
func (t *txnID) fence(now time.Time) {
	t.lastEpoch = noEpoch
	if t.epoch < math.MaxInt16 {
		t.epoch++
	}
	t.prepare(now, false)
	if t.v2 && t.epoch < math.MaxInt16 {
		t.lastEpoch, t.epoch = t.epoch, t.epoch+1
	}
}

// complete is called when the markers are in the log.
func (t *txnID) complete(now time.Time) {
	switch t.state {
	case txnPrepareCommit:
		t.state = txnCompleteCommit
	case txnPrepareAbort:
		t.state = txnCompleteAbort
	default:
		return
	}
	if t.nextProducer != noProducer {
		t.prevProducer, t.producer, t.nextProducer = t.producer, t.nextProducer, noProducer
		t.lastEpoch, t.epoch = t.epoch, 0
	}
	t.parts, t.updated = nil, now
}

func comparePartitions(a, b partition) int {
	return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.n, b.n))
}
