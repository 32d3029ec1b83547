package kvstore

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/kvsim/kvsim/kvstore/internal/position"
)

// shown waits until reads show a write that was acknowledged.
//
// The log may lose records meanwhile, or may have before, so that the position goes back:
//
//	log read           a=1 b=1 |
//	log of the leader  a=1 | w=1      the write is acknowledged at "|", below the position
//
// Waiters for an offset are then told of the loss, because the log may have other records
// there now. This write may be one of those: it is if the leader that acknowledged it leads
// the log that is reread. So the client waits once more, until it has found out about the loss if
// it has not, and looks for it there.
func (c *Client) shown(ctx context.Context, res written) error {
	err := res.wait
	switch {
	case res.below != nil:
		err = c.foundOut(ctx, res)
	case err == nil:
		err = c.confirm(ctx, res)
	}
	for errors.Is(err, ErrDataLoss) {
		term, _, _ := c.tracker.Now()
		if term == res.term {
			if _, another := errors.AsType[*anotherLogError](err); !another {
				break
			}
			if over := c.over(ctx, term); over != nil {
				err = fmt.Errorf("%w: %w", err, over)
				break
			}
			continue
		}
		res.term, res.itself = term, true
		err = c.readUpTo(ctx, res, term)
	}
	return err
}

// readUpTo waits until the log has been read up to a write, and makes sure that it is there.
func (c *Client) readUpTo(ctx context.Context, res written, term uint64) error {
	if err := c.tracker.Wait(ctx, res.revision+1, term); err != nil {
		return err
	}
	return c.confirm(ctx, res)
}

// foundOut waits until the tail knows of the loss because of which a write was acknowledged
// below the position, and returns the write's error for it. When there is nothing to find out, the
// log has all that was read, and what it did not keep are writes of this client that it has not read.
// Then this one is at its place, or it is not, as any other.
func (c *Client) foundOut(ctx context.Context, res written) error {
	for failures := 1; ; failures++ {
		term, pos, epoch := c.tracker.Reading()
		if term != res.term {
			return res.below
		}
		switch err := cmp.Or(c.part.unsettled(), c.part.holds(ctx, pos, epoch)); {
		case ctx.Err() != nil:
			return fmt.Errorf("%w: %w", res.below, c.because(contextError(ctx)))
		case err == nil && epoch < 0 && pos > res.revision: // where the client may only believe to have read (I10)
			return res.below
		case err == nil:
			if err := c.readUpTo(ctx, res, term); err != nil {
				return fmt.Errorf("%w: %w", res.below, err)
			}
			return nil
		case errors.Is(err, ErrDataLoss), c.part.unsettled() != nil:
			c.part.suspect()
			if err := c.over(ctx, term); err != nil {
				return fmt.Errorf("%w: %w", res.below, err)
			}
		}
		if dead := c.tracker.DeadBy(); dead != nil {
			return dead
		}
		c.part.rest(ctx, c.backoff(failures))
	}
}

// over waits until the tail has found out about a loss, which ends the term.
func (c *Client) over(ctx context.Context, term uint64) error {
	err := c.tracker.Over(ctx, term)
	if err != nil && ctx.Err() != nil {
		return c.because(contextError(ctx))
	}
	return err
}

// because adds to err, which ends a wait for the tail, what delays that.
func (c *Client) because(err error) error {
	if why := c.tracker.Why(); why != nil {
		return fmt.Errorf("%w (last cause: %w)", err, why)
	}
	return err
}

// confirm makes sure that the record which was applied at a write's revision is the write's
// (I20). Compaction may have removed it before this client read it, which is fine: then the
// log has to be the one that was read, and to have had the write. After a loss, in another
// term, the write itself has to be there, as it is if any record of its batch has been read again.
func (c *Client) confirm(ctx context.Context, res written) error {
	if !res.itself && c.recent.Has(res.revision, res.who.batch()) {
		return nil
	}
	var err error
	if !res.itself || !c.recent.Came(res.who.batch()) {
		err = c.confirms.get(ctx, res)
	}
	if term, _, _ := c.tracker.Now(); term != res.term { // it was seen in a log that is being reread
		return errRolledBack
	}
	if unconfirmed(err) {
		c.part.suspect()
	}
	return err
}

// anotherLogError says that the log is not the one that this client has read, so that nothing is
// known yet of the write.
type anotherLogError struct{ error }

func (e *anotherLogError) Unwrap() error { return e.error }

// unconfirmed reports whether err says for sure that a write is not in the log.
func unconfirmed(err error) bool {
	return errors.Is(err, ErrDataLoss) || errors.Is(err, ErrTopicRecreated) || errors.Is(err, ErrTopicDeleted)
}

// confirms asks the brokers on behalf of all writes of a client that have to be confirmed.
// One round of requests is under way at a time, and each write gets the answers of a round
// that began after it joined: an older one may not have seen what matters for the write.
type confirms struct {
	ctx     context.Context //nolint:containedctx // the client's life
	client  *Client
	running sync.WaitGroup

	mu     sync.Mutex
	calls  []*confirmCall // still waiting
	busy   bool
	closed bool
	why    Problem // of the last rounds, in a row
}

type confirmCall struct {
	res  written
	done chan error // of capacity 1
}

// confirmQuestion is what has one answer for all writes of a batch.
type confirmQuestion struct {
	who    sender
	itself bool
}

func (c *confirmCall) question() confirmQuestion { return confirmQuestion{c.res.who, c.res.itself} }

// gather is how long a round waits for others: writes of one record batch become
// visible together, and then ask together.
const gather = time.Millisecond

// get waits until a write is confirmed (nil) or can't be.
func (f *confirms) get(ctx context.Context, res written) error {
	call := &confirmCall{res, make(chan error, 1)}
	if !f.join(call) {
		return ErrClientClosed
	}
	select {
	case err := <-call.done:
		return err
	case <-ctx.Done():
		return f.client.tracker.EndedFor(ctx, res.revision+1, position.Reason(f.leave(call)))
	}
}

func (f *confirms) join(call *confirmCall) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	f.calls = append(f.calls, call)
	if !f.busy {
		f.busy = true
		f.running.Go(f.run)
	}
	return true
}

// leave takes a call back and returns what kept it waiting.
func (f *confirms) leave(call *confirmCall) Problem {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = slices.DeleteFunc(f.calls, func(c *confirmCall) bool { return c == call })
	return f.why
}

func (f *confirms) run() {
	for failures := 1; ; failures++ {
		sleep(f.ctx, gather)
		calls := f.next()
		if calls == nil {
			return
		}
		if err := f.round(calls); err == nil {
			failures = 0
		} else {
			f.client.part.rest(f.ctx, f.client.backoff(failures))
		}
	}
}

// next returns the waiting calls, in the order of their revisions. It returns nil when
// there are none and run has to end.
func (f *confirms) next() []*confirmCall {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.calls) == 0 {
		f.busy = false
		return nil
	}
	calls := slices.Clone(f.calls)
	slices.SortFunc(calls, func(a, b *confirmCall) int { return cmp.Compare(a.res.revision, b.res.revision) })
	return calls
}

// round asks the brokers and ends the calls whose answer is known then. An error means that
// the others go on waiting.
func (f *confirms) round(calls []*confirmCall) error {
	lost, err := f.ask(calls)
	end := f.client.tracker.DeadBy()
	if f.ctx.Err() != nil {
		end = cmp.Or(end, ErrClientClosed)
	}
	if unconfirmed(err) {
		end = cmp.Or(end, err)
	}
	term, _, _ := f.client.tracker.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		f.why = Problem{}
	} else {
		f.why = f.why.met(err)
	}
	for _, call := range calls {
		loss := lost[call.question()]
		if loss == nil && end == nil && err != nil && term == call.res.term {
			continue
		}
		call.done <- cmp.Or(loss.of(call.res), end)
		f.calls = slices.DeleteFunc(f.calls, func(c *confirmCall) bool { return c == call })
	}
	return err
}

// ask makes sure that the log is the one that was read, that it has what was acknowledged
// in the batches of calls, and that the topic is the same after that. It returns which
// batches are lost. Any error but those of unconfirmed may be temporary.
func (f *confirms) ask(calls []*confirmCall) (lost map[confirmQuestion]*batchLoss, err error) {
	c := f.client
	pos, epoch := c.tracker.Read()
	if err := c.part.holds(f.ctx, pos, epoch); err != nil {
		if errors.Is(err, ErrDataLoss) {
			err = &anotherLogError{err}
		}
		return nil, err
	}
	lost = map[confirmQuestion]*batchLoss{}
	for _, call := range calls {
		if _, asked := lost[call.question()]; asked {
			continue
		}
		lost[call.question()], err = c.writer.stands(f.ctx, call.res)
		if err != nil {
			return nil, err
		}
	}
	return lost, c.part.sameTopic(f.ctx)
}

// close ends what is under way and refuses more. The context has to be over.
func (f *confirms) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.running.Wait()
}

// A batchLoss says why a batch of acknowledged writes is not in the log, or can't be known to be.
type batchLoss struct {
	// is has a verb for the offset at which a write of the batch was acknowledged, unless err is set.
	is  string
	err error
}

// of returns the error of one of the batch's writes, nil if the batch is not lost.
func (l *batchLoss) of(res written) error {
	switch {
	case l == nil:
		return nil
	case l.err != nil:
		return l.err
	}
	return &lostError{res.revision, fmt.Sprintf("%v: "+l.is, ErrDataLoss, res.revision)}
}

const startDeleted = "the log's start was deleted beyond offset %d, where the write was acknowledged, before this client had read it"

// stands looks at what the log has at the offset of an acknowledged write. A client that
// had not read that far does not learn of its loss by reading (I20).
//
// The write's batch is lost when another one is there. When none is, compaction has
// removed what was there: the write, or what came in its place when the log had lost it. (It is looked
// for where its batch ends. The log has all of a batch or nothing, but it may begin in the middle of one,
// which nobody sees at the offsets below then.) The
// leader knows which, by the end of the epoch under which the write was acknowledged. It does not
// if the log's start was deleted beyond the write, which therefore counts as lost, as it does when
// nothing is there and the write itself has to be.
func (w *writer) stands(ctx context.Context, res written) (*batchLoss, error) {
	l, err := w.part.lead(ctx)
	if err != nil {
		return nil, err
	}
	raw, end, err := w.peek(ctx, l, res.last, 1) // a broker answers a whole batch, if there is one
	first := int64(math.MaxInt64)
	switch {
	case errors.Is(err, kerr.OffsetOutOfRange):
		return &batchLoss{is: startDeleted}, nil
	case err != nil:
		w.part.forget(l)
		return nil, err
	case len(raw) >= batchOverhead:
		first = int64(binary.BigEndian.Uint64(raw))
	case end <= res.last: // a new leader may not show yet all that its log has
		return nil, fmt.Errorf("fetch at offset %d: %w, which ends at %d", res.last, errNothing, end)
	}
	switch {
	case first > res.last && res.itself:
		return &batchLoss{is: "nothing is left at offset %d, where the write was acknowledged"}, nil
	case first > res.last:
		err := w.part.reaches(ctx, res.last+1, res.epoch)
		switch start, ended := w.part.listOffset(ctx, atEarliest); {
		case unconfirmed(err):
			return &batchLoss{err: err}, nil
		case err != nil || ended != nil:
			return nil, cmp.Or(err, ended)
		case start > res.last: // by when the leader was asked, it may have known the end no more
			return &batchLoss{is: startDeleted}, nil
		}
		return nil, nil
	case sentAs(raw, res.who):
		return nil, nil
	}
	return &batchLoss{is: "the record at offset %d is not the write's that was acknowledged there"}, nil
}
