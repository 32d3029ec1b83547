package kvstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
)

// delivered is the result of a record batch.
type delivered struct {
	// offset is that of its first record, -1 when it is in the log at an
	// unknown place, or not known to be there.
	offset int64

	// outcome is nil when the batch is in the log.
	outcome error
	cause   error
}

// deliver brings a batch into the log, trying again until it has an outcome or ctx
// ends. When it returns, no try of the batch is still to come from this client.
//
// I17: a batch of which a try may have been appended is sent again only under the same
// identity, by which the broker recognises it. A broker that has forgotten the producer
// does not; therefore the writer looks into the log before it sends such a batch again, and
// a failed look counts as a failed try. What remains is a broker that forgets the producer
// between the first try and the next, accepts any sequence, and had the first batch above
// the high watermark when the writer looked.
func (w *writer) deliver(ctx context.Context, b *recordBatch) (d delivered) {
	defer w.ask(askNobody, -1)
	var t trial
	var hung hangUps
	if invariant.On {
		defer func() { checkOutcome(t, d) }()
	}
	if w.sparePointless(ctx); ctx.Err() != nil {
		return w.gaveUp(ctx, t)
	}
	for tries := w.tries + 1; ; tries++ {
		a := w.attempt(ctx, b, t.doubt)
		if errors.Is(a.err, errWithdrawn) {
			w.tries = tries
			return delivered{offset: -1, outcome: ErrNotWritten, cause: errWithdrawn}
		}
		w.tries = 0
		before := t
		v := t.judge(a.grade())
		if invariant.On {
			checkVerdict(before, t, v)
		}
		v = hung.review(v, a, b.size(), time.Now())
		if v == verdictDuplicate || v == verdictUnknown {
			if offset, found := w.decide(ctx, b, a.broker); found {
				a, v = answer{broker: a.broker, seen: true, offset: offset}, verdictWritten
			} else if v == verdictDuplicate && a.grade() == gradeDuplicate {
				// It is not below the high watermark yet, and only records below that can
				// be waited for. The next try tells more, or finds it.
				v = verdictAgain
			}
		}
		switch v {
		case verdictWritten:
			w.written(b)
			if a.seen {
				return delivered{offset: a.offset}
			}
			return delivered{offset: a.part.BaseOffset}
		case verdictDuplicate:
			w.written(b)
			w.who = noSender // without the offset the next batch could not be distinguished from this one
			return delivered{offset: -1}
		case verdictRefused:
			w.refused(a.problem())
			return delivered{offset: -1, outcome: ErrRefused, cause: a.problem()}
		case verdictUnknown:
			w.held(a.problem())
			w.who = noSender
			return delivered{offset: -1, outcome: ErrOutcomeUnknown, cause: a.problem()}
		case verdictRenew:
			w.who = noSender
			b.take(noSender)
		}
		w.queue.handBack(t)
		if ctx.Err() == nil {
			w.held(a.problem())
			w.reconsider(ctx, a)
			w.part.rest(ctx, w.backoff(tries))
		}
		w.sparePointless(ctx)
		if ctx.Err() != nil {
			return w.gaveUp(ctx, t)
		}
	}
}

// sparePointless waits for the end of ctx when it is so near that another try would hardly
// be answered. Such a try would only put a write in doubt.
func (w *writer) sparePointless(ctx context.Context) {
	if end, ok := ctx.Deadline(); ok && time.Until(end) < min(leastTry, w.life/8) {
		<-ctx.Done()
	}
}

// leastTry is how much of a write's life has to remain for another try.
const leastTry = 250 * time.Millisecond

// attempt makes one try, with the requests that have to precede it.
//
// I19: a producer id ends with the leader under which it wrote. By the id alone the client
// could not distinguish a batch from an earlier one at the same offset of another log.
func (w *writer) attempt(ctx context.Context, b *recordBatch, doubt bool) answer {
	was := b.who
	w.ask(askLead, -1)
	l, err := w.part.lead(ctx)
	if err != nil {
		return answer{broker: -1, err: err}
	}
	w.leader = l
	if doubt && b.naming != l.naming { // in another cluster the producer id may be another producer's
		return answer{broker: l.node, err: w.part.current(leader{naming: b.naming})}
	}
	if doubt {
		w.ask(askLog, l.node)
		offset, found, err := w.look(ctx, l, b)
		switch {
		case found:
			return answer{broker: l.node, seen: true, offset: offset}
		case err != nil:
			return answer{broker: l.node, err: fmt.Errorf("look whether the write is in the log before sending it again: %w", err)}
		}
	}
	if !doubt && w.whoAt != l {
		b.take(noSender)
	}
	if b.who.id < 0 {
		if w.who.id < 0 || w.who.sequence > lastSequence || w.whoAt != l {
			w.ask(askSender, l.node)
			if w.who, err = w.identify(ctx, l); err != nil {
				return answer{broker: l.node, err: err}
			}
			w.whoAt = l
			w.recent.Mine(w.who.id)
		}
		b.take(w.who)
	}
	if !doubt && !w.queue.handOver() {
		return answer{broker: l.node, err: errWithdrawn}
	}
	if invariant.On {
		w.checkTry(b, doubt, was)
		w.checkSender(b, doubt)
	}
	b.naming = l.naming
	w.ask(askProduce, l.node)
	return w.try(ctx, l, b)
}

// decide looks into the log for a batch when the brokers' answers leave open whether or
// where it is there.
func (w *writer) decide(ctx context.Context, b *recordBatch, broker int32) (offset int64, found bool) {
	if broker < 0 {
		return -1, false
	}
	offset, found, err := w.look(ctx, w.leader, b)
	if err != nil {
		w.log.warn("kvstore: could not look whether a write is in the log", err)
	}
	return offset, found
}

// written notes that a batch is in the log.
func (w *writer) written(b *recordBatch) {
	if invariant.On {
		w.wrote.Swap(&wroteAt{b.who.id, w.leader})
	}
	w.taken = max(w.taken, b.size())
	w.who.sequence = b.who.sequence + int32(b.records)
	w.whoAt = w.leader
	w.through()
}

// reconsider looks for another leader after a try that failed, or for another address of
// the same one.
func (w *writer) reconsider(ctx context.Context, a answer) {
	switch {
	case a.part != nil && (a.part.ErrorCode == kerr.NotEnoughReplicas.Code || a.part.ErrorCode == kerr.NotEnoughReplicasAfterAppend.Code):
		return // this is the leader
	case a.broker >= 0:
		w.part.forget(w.leader)
	}
	w.askBrokers(ctx) // even after an answer: it may come from another broker at the old address
}

// gaveUp ends a batch whose time is over, or whose client ends.
func (w *writer) gaveUp(ctx context.Context, t trial) delivered {
	cause := context.Cause(ctx)
	if errors.Is(cause, ErrDeliveryTimeout) {
		cause = w.because(cause)
	}
	if t.doubt {
		w.who = noSender
		return delivered{offset: -1, outcome: ErrOutcomeUnknown, cause: cause}
	}
	return delivered{offset: -1, outcome: ErrNotWritten, cause: cause}
}

// lifeOf returns a context that ends with the first of the writes.
func (w *writer) lifeOf(ctx context.Context, group []*write) (context.Context, context.CancelFunc) {
	end := group[0].deadline
	for _, wr := range group[1:] {
		if wr.deadline.Before(end) {
			end = wr.deadline
		}
	}
	return context.WithDeadlineCause(ctx, end, fmt.Errorf("%w of %v", ErrDeliveryTimeout, w.life))
}

// deadline returns when a write that begins now ends.
func (w *writer) deadline() time.Time { return time.Now().Add(w.life) }
