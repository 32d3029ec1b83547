package sim

import (
	"context"
	"errors"
	"time"

	"github.com/kvsim/kvsim/kvstore"
	lin "github.com/kvsim/kvsim/linearizability"
)

// endedName is the name of the reason when a call did something although its context had ended before.
const endedName = "call-with-an-ended-context-does-nothing"

// formLanes is how many lanes a worker has for what it does at the same time as others in other forms,
// its own included: those behind them are for contexts.
const formLanes = 5

// bound sets how long the operation may take: the drawn timeout or, in another form, something else.
func (o *operation) bound(ctx context.Context, timeout time.Duration) (stop func()) {
	o.until = after(ctx, timeout)
	if o.odd == nil || o.odd.IntN(100) >= o.w.plan.Workload.Forms || o.odd.IntN(4) > 0 {
		var cancel context.CancelFunc
		o.ctx, cancel = context.WithDeadline(ctx, o.until)
		return cancel
	}
	return o.boundAs(ctx)
}

// boundAs bounds the operation in another form.
func (o *operation) boundAs(ctx context.Context) (stop func()) {
	var cancel context.CancelFunc
	// A context ends in a lane of its own: at the instant of its worker it would be chance what comes first.
	lane := inLane(ctx, workLane(formLanes*len(o.w.workers)+o.index))
	soon := after(lane, exponential(o.odd, pick(o.odd, []time.Duration{time.Microsecond, time.Millisecond, 5 * time.Millisecond, 50 * time.Millisecond})))
	switch o.odd.IntN(6) {
	case 0:
		o.w.did(formCanceledBefore)
		o.hasEnded, o.hasty, o.until = true, true, time.Now()
		o.ctx, cancel = context.WithCancel(ctx)
		cancel()
		return func() {}
	case 1:
		o.w.did(formPassedBefore)
		o.hasEnded, o.hasty, o.until = true, true, time.Now()
		o.ctx, cancel = context.WithDeadline(ctx, time.Now())
		return cancel
	case 2:
		o.w.did(formOpenEnded)
		o.hasty = true
		o.ctx, cancel = context.WithCancel(ctx)
		end := time.AfterFunc(time.Until(o.until), cancel) // or a world with all brokers dead would never end
		return func() { end.Stop(); cancel() }
	case 3:
		o.w.did(formCanceled)
		o.hasty, o.until = true, soon
		o.ctx, cancel = context.WithCancel(ctx)
		end := time.AfterFunc(time.Until(soon), cancel)
		return func() { end.Stop(); cancel() }
	default:
		o.w.did(formShort)
		o.hasty, o.until = true, soon
		o.ctx, cancel = context.WithDeadline(ctx, soon)
		return cancel
	}
}

// judgeContext judges the result of a call whose context had ended before: it says so, and a write did
// nothing.
func (o *operation) judgeContext(err error) {
	if !o.hasEnded || o.p.crashed.Load() || excused(err) {
		return
	}
	said := errors.Is(err, o.ctx.Err()) && !errors.Is(err, kvstore.ErrOutcomeUnknown)
	if !said && !errors.Is(err, kvstore.ErrRefused) {
		o.w.findings.add(endedName, "a call of %s at %v, whose context had ended before, returned: %v", o.slot.name, time.Since(o.w.start), err)
	}
}

// waitAs waits in another form.
func (o *operation) waitAs(c *kvstore.Client) {
	switch o.odd.IntN(3) {
	case 0:
		o.w.did(formWaitUnknown)
		call := o.begin(lin.Operation{Kind: lin.OpSync})
		err := c.WaitRevision(o.ctx, -1)
		o.end(func() { o.told(call, err) })
		o.over(err)
	case 1:
		o.w.did(formWaitInvalid)
		err := c.WaitRevision(o.ctx, -2-o.odd.Int64N(1000))
		if !errors.Is(err, kvstore.ErrInvalidRevision) {
			o.w.findings.add(refusedName, "a wait of %s for a revision below -1 returned: %v", o.slot.name, err)
		}
	default:
		o.w.did(formWaitBeyond)
		o.waitFor(c.Position() + 1000 + o.odd.Int64N(1<<40))
	}
}

// waitFor waits for a revision to which the log does not get.
func (o *operation) waitFor(revision int64) {
	lane := inLane(o.ctx, workLane(formLanes*len(o.w.workers)+o.index))
	ctx, cancel := context.WithDeadline(o.ctx, after(lane, exponential(o.odd, 20*time.Millisecond)))
	defer cancel()
	call := o.begin(lin.Operation{Kind: lin.OpWait, Revision: revision})
	err := o.p.client.WaitRevision(ctx, revision)
	o.end(func() { o.told(call, err) })
	o.lost(err)
}
