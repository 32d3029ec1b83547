package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kvsim/kvsim/kvstore"
	lin "github.com/kvsim/kvsim/linearizability"
)

// Names of the reasons when a client did not end as it should.
const (
	closedName   = "closed-client-says-so"
	shutdownName = "shutdown-lets-writes-finish"
)

// Forms of the end of a client.
const (
	formCloseTwice     form = "a client that is closed twice"
	formCloseTogether  form = "a client that several close at the same time"
	formShutdown       form = "Client.Shutdown"
	formShutdownWrites form = "a Shutdown while writes are under way"
	formShutdownShort  form = "a Shutdown whose context ends"
	formShutdownClose  form = "a Shutdown and a Close at the same time"
	formCallClosed     form = "calls to a closed client"
)

var endForms = []form{
	formCloseTwice, formCloseTogether, formShutdown, formShutdownWrites, formShutdownShort, formShutdownClose, formCallClosed,
}

// reopen ends the worker's process and opens the next one, as when a program is deployed. Other
// workers may have calls under way.
func (o *operation) reopen() {
	s, p := o.slot, o.p
	if !s.take(p) {
		return
	}
	unlabelled() // it outlives the process
	if c := o.other(); c != nil {
		o.endAs(c)
	} else {
		s.shut(p)
	}
	if err := s.open(o.w.ctx); err != nil && !errors.Is(err, errCrashed) {
		o.w.fail(err)
	}
}

// endAs ends the client in another form.
func (o *operation) endAs(c *kvstore.Client) {
	p := o.p
	o.w.lookAt(p.client)
	defer o.writeMeanwhile().Wait()
	if err := o.finish(c); err != nil { // the context of a Shutdown had ended
		_ = c.Close() // now a hook or the storage has returned, too
	}
	p.leaves()
	p.cancel(kvstore.ErrClientClosed)
	// A Shutdown lets calls go on. In the history the client is closed when all of them have ended.
	for p.calls.Load() > 0 {
		_ = sleep(inLane(context.WithoutCancel(o.w.ctx), slotLane(o.slot.n)), time.Millisecond)
	}
	o.w.rec.Begin(lin.Operation{Client: o.slot.name, Process: p.number, Kind: lin.OpClose}).OK()
	p.closed()
	o.callClosed(c)
}

// patience is how long a Shutdown may wait for writes, unless its context is to end before.
const patience = 20 * time.Second

// writeMeanwhile makes other goroutines write, half of the time, and waits until some of their writes may
// be under way.
func (o *operation) writeMeanwhile() *sync.WaitGroup {
	var all sync.WaitGroup
	if o.odd.IntN(2) == 0 {
		return &all
	}
	w := o.w
	for i := range 1 + o.odd.IntN(formLanes-1) {
		ctx := inLane(w.ctx, workLane(len(w.workers)+o.index*(formLanes-1)+i))
		k := &worker{
			w: w, slot: o.slot, id: fmt.Sprintf("%s/%d+%d", o.id, o.p.number, i), keys: o.keys, ctx: ctx,
			rng: stream(w.plan.Seed, "meanwhile", o.slot.n, o.n, o.p.number, i),
		}
		all.Go(func() {
			if sleep(ctx, exponential(k.rng, 300*time.Microsecond)) == nil {
				k.do(ctx, o.p, opPut)
			}
		})
	}
	_ = sleep(o.worker.ctx, exponential(o.odd, 700*time.Microsecond))
	return &all
}

// finish ends the client by one of the ways that there are.
func (o *operation) finish(c *kvstore.Client) error {
	switch o.odd.IntN(6) {
	case 0:
		o.w.did(formCloseTwice)
		return errors.Join(c.Close(), c.Close())
	case 1:
		o.w.did(formCloseTogether)
		return together(c.Close, c.Close, c.Close)
	case 2:
		o.w.did(formShutdownShort)
		return o.shutdown(c, exponential(o.odd, 5*time.Millisecond))
	case 3:
		o.w.did(formShutdownClose)
		return together(func() error { return o.shutdown(c, patience) }, c.Close)
	}
	o.w.did(formShutdown)
	if o.p.writing.Load() > 0 {
		o.w.did(formShutdownWrites)
	}
	o.p.mu.Lock()
	o.p.shutdown = time.Now()
	o.p.mu.Unlock()
	err := o.shutdown(c, patience)
	o.p.judgeShutdown(err == nil)
	return err
}

// together calls functions at the same time.
func together(fns ...func() error) error {
	errs := make([]error, len(fns))
	var all sync.WaitGroup
	for i, fn := range fns {
		all.Go(func() { errs[i] = fn() })
	}
	all.Wait()
	return errors.Join(errs...)
}

// shutdown calls Shutdown, and judges its error: it is the context's.
func (o *operation) shutdown(c *kvstore.Client, most time.Duration) error {
	ctx := inLane(o.w.ctx, slotLane(o.slot.n))
	ctx, cancel := context.WithDeadline(ctx, after(ctx, most))
	defer cancel()
	err := c.Shutdown(ctx)
	o.w.judgePunctual(deadline(ctx), o.slot.name, "a Shutdown", lateCall)
	if err != nil && (ctx.Err() == nil || !errors.Is(err, ctx.Err())) {
		o.w.findings.add(closedName, "Shutdown of %s returned at %v, before its context had ended: %v", o.slot.name, time.Since(o.w.start), err)
	}
	return err
}

// cut notes that a write failed because its client was closed. It must not if it was called before a
// Shutdown that let writes finish.
func (o *operation) cut(err error) {
	p := o.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shutdown.IsZero() || !o.begun.Before(p.shutdown) || !errors.Is(err, kvstore.ErrClientClosed) || p.crashed.Load() {
		return
	}
	p.interrupted = append(p.interrupted, err)
	p.accuseShutdown()
}

// judgeShutdown judges the writes that a Shutdown ended, if it says that they have finished.
func (p *process) judgeShutdown(finished bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.finished = finished
	p.accuseShutdown()
}

// accuseShutdown accuses a Shutdown that said that writes had finished. The caller holds mu.
func (p *process) accuseShutdown() {
	if !p.finished || p.slot.w.ctx.Err() != nil {
		return
	}
	for _, err := range p.interrupted {
		p.slot.w.findings.add(shutdownName, "a write of %s that was called before %v, when Shutdown was, ended with: %v", p.slot.name, p.shutdown.Sub(p.slot.w.start), err)
	}
	p.interrupted = nil
}

// callClosed calls everything that a client has after it was closed.
func (o *operation) callClosed(c *kvstore.Client) {
	o.w.did(formCallClosed)
	ctx, key := o.w.ctx, []byte("closed")
	var rangeErr, entriesErr error
	for _, err := range c.Range(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
		rangeErr = err
	}
	for _, err := range c.RangeEntries(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
		entriesErr = err
	}
	_, getErr := c.Get(ctx, key)
	_, entryErr := c.GetEntry(ctx, key)
	_, batchErr := c.Batch().Put(key, nil).Delete(key).ExecuteRevision(ctx)
	for _, call := range []struct {
		name string
		err  error
	}{
		{"Get", getErr},
		{"GetEntry", entryErr},
		{"Range", rangeErr},
		{"RangeEntries", entriesErr},
		{"Put", c.Put(ctx, key, nil)},
		{"Delete", c.Delete(ctx, key)},
		{"Execute", batchErr},
		{"Sync", c.Sync(ctx)},
		{"WaitRevision", c.WaitRevision(ctx, c.Position()+1)},
	} {
		if !excused(call.err) && ctx.Err() == nil {
			o.w.findings.add(closedName, "%s of %s, which is closed, returned: %v", call.name, o.slot.name, call.err)
		}
	}
	if err := errors.Join(c.Close(), c.Shutdown(ctx)); err != nil && ctx.Err() == nil {
		o.w.findings.add(closedName, "the second Close of %s, or a Shutdown after it, returned: %v", o.slot.name, err)
	}
	if st := c.Status(); st.State != kvstore.StateClosed {
		o.w.findings.add(closedName, "%s, which is closed, says that it is %v", o.slot.name, st.State)
	}
}
