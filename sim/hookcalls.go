package sim

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/kvsim/kvsim/internal/outcome"
	"github.com/kvsim/kvsim/internal/simnet"
	"github.com/kvsim/kvsim/kvstore"
	lin "github.com/kvsim/kvsim/linearizability"
)

// Names of the reasons when hooks, or calls from hooks, did what they must not.
const (
	reentryName = "call-in-a-hook-waits-for-nothing"
	hooksName   = "each-hook-is-told-the-same"
	panicsName  = "panic-of-a-hook-is-reported"
)

// Forms of hooks, and of calls from hooks.
const (
	formHookGet      form = "a Get in a hook"
	formHookRange    form = "a Range in a hook"
	formHookPut      form = "a Put in a hook"
	formHookBatch    form = "a Batch in a hook"
	formHookSync     form = "a Sync in a hook"
	formHookWait     form = "a WaitRevision in a hook"
	formHookShutdown form = "a Shutdown in a hook"
	formHookClose    form = "a Close in a hook"
	formHookPanic    form = "WithHookErrorHandler"
	formHookTwo      form = "two hooks"
	formWrapOnSet    form = "WrapOnSet"
	formWrapOnSetErr form = "WrapOnSetErr"
	formWrapOnDelete form = "WrapOnDelete"
)

var hookForms = []form{
	formHookGet, formHookRange, formHookPut, formHookBatch, formHookSync, formHookWait, formHookShutdown, formHookClose, formHookPanic,
	formHookTwo, formWrapOnSet, formWrapOnSetErr, formWrapOnDelete,
}

// errHook is what hooks panic with.
var errHook = errors.New("simulated panic of a hook")

// hookState is what the hooks of an unusual process know of each other. They run on one goroutine, one
// after the other.
type hookState struct {
	r    *rand.Rand
	last lin.Hook // what the first hook was told
	told bool     // the second one was, too
	skip bool     // the second one is not told of values that a serde can't read

	mu     sync.Mutex
	panics int64 // that are to be reported, and have not been
	all    int64
}

// hookOptions are hooks of an unusual process behind the one that reports to the history: they call the
// client, panic, and compare what they are told with what that one was.
func (p *process) hookOptions(r *rand.Rand) (options []kvstore.ClientOption) {
	w := p.slot.w
	p.hooks = &hookState{r: r, told: true}
	w.did(formHookTwo, formHookPanic)
	second := func(key, value []byte) { p.second(lin.Hook{Key: string(key), Value: decodePayload(value)}) }
	switch r.IntN(3) {
	case 0:
		w.did(formWrapOnSet)
		p.hooks.skip = true
		second = kvstore.WrapOnSet(kvstore.Serde[payload](payloads{}), func(key []byte, v payload) {
			p.second(lin.Hook{Key: string(key), Value: v.id})
		})
	case 1:
		w.did(formWrapOnSetErr)
		second = kvstore.WrapOnSetErr(kvstore.Serde[payload](payloads{}), func(key []byte, v payload) {
			p.second(lin.Hook{Key: string(key), Value: v.id})
		}, func(key []byte, err error) {
			id, wrong, _ := idOf(key, payload{}, err)
			w.accuseTyped(p.slot.name, wrong)
			p.second(lin.Hook{Key: string(key), Value: id})
		})
	}
	w.did(formWrapOnDelete)
	told := []kvstore.ClientOption{
		kvstore.WithOnSetHook(second),
		kvstore.WithOnDeleteHook(kvstore.WrapOnDelete[payload](func(key []byte) { p.second(lin.Hook{Key: string(key), Delete: true}) })),
	}
	calls := []kvstore.ClientOption{
		kvstore.WithOnSetHook(func(key, _ []byte) { p.call(string(key)) }),
		kvstore.WithOnDeleteHook(func(key []byte) { p.call(string(key)) }),
	}
	options = append(told, calls...)
	if r.IntN(2) == 0 { // a hook behind one that panics is called, too
		options = append(calls, told...)
	}
	return append(options, kvstore.WithHookErrorHandler(p.panicked))
}

// first is called by the hook that reports to the history.
func (p *process) first(h lin.Hook) {
	s := p.hooks
	if s == nil {
		return
	}
	last := s.last
	if skipped := s.skip && !last.Delete && !readable(last.Value); !s.told && !skipped {
		p.slot.w.findings.add(hooksName, "the second hook of %s was not told of %q = %s (deleted: %v)", p.slot.name, last.Key, last.Value, last.Delete)
	}
	s.last, s.told = h, false
}

// second is the second hook: it is told the same, right after the first.
func (p *process) second(h lin.Hook) {
	s, first := p.hooks, p.hooks.last
	if s.told || h.Key != first.Key || h.Delete != first.Delete || h.Value != first.Value {
		p.slot.w.findings.add(hooksName, "the second hook of %s was told of %q = %s (deleted: %v), the first one of %q = %s (deleted: %v), told before: %v",
			p.slot.name, h.Key, h.Value, h.Delete, first.Key, first.Value, first.Delete, s.told)
	}
	s.told = true
}

// panicked is told of hooks that panicked.
func (p *process) panicked(err error) {
	s := p.hooks
	s.mu.Lock()
	defer s.mu.Unlock()
	s.panics--
	he, ok := errors.AsType[*kvstore.HookError](err)
	if !ok || !errors.Is(err, errHook) || string(he.Key) != s.last.Key || s.panics != 0 {
		p.slot.w.findings.add(panicsName, "the panic of a hook of %s for key %q was reported as: %v (%d others were not reported)", p.slot.name, s.last.Key, err, s.panics)
	}
}

// call is another hook: now and then it calls its client, or panics. A program has a client to call
// once NewClient has returned.
func (p *process) call(key string) {
	s, r := p.slot, p.hooks.r
	there := s.has(p)
	if r.IntN(100) >= hookCalls || p.crashed.Load() {
		return
	}
	if r.IntN(4) == 0 {
		p.hooks.mu.Lock()
		p.hooks.panics++
		p.hooks.all++
		p.hooks.mu.Unlock()
		panic(errHook)
	}
	c := storeOf(p.client)
	if !there || c == nil {
		return
	}
	ctx, cancel := context.WithDeadline(p.ctx, after(p.ctx, time.Second))
	defer cancel()
	began := time.Now()
	closed := p.callAs(ctx, c, key)
	if took := time.Since(began); took > 0 && !s.w.env.LateTap {
		s.w.findings.add(reentryName, "a call in a hook of %s at %v took %v", s.name, began.Sub(s.w.start), took)
	}
	if closed { // meanwhile the client gets so far that it calls no hook for the next record
		_ = sleep(context.WithoutCancel(p.ctx), simnet.Round)
	}
}

// hookCalls is how many of a hundred hooks do something.
const hookCalls = 12

// callAs calls the client from a hook. It reports whether it has closed it.
func (p *process) callAs(ctx context.Context, c *kvstore.Client, key string) (closed bool) {
	w, r, k := p.slot.w, p.hooks.r, []byte(key)
	short := []byte("hook") // a key that fits any limit, also twice in a batch
	switch r.IntN(8) {
	case 0:
		w.did(formHookGet)
		p.readIn(ctx, lin.Operation{Kind: lin.OpGet, Key: key}, func(call *lin.Call) error {
			e, err := c.GetEntry(ctx, k)
			return outcome.Got(call, decodePayload, e, err)
		})
	case 1:
		w.did(formHookRange)
		p.readIn(ctx, lin.Operation{Kind: lin.OpRange, Limit: 3}, func(call *lin.Call) error {
			items, err := entries(ctx, p.client, "", "", 3)
			call.Items(items)
			return err
		})
	case 2:
		w.did(formHookPut)
		p.wantReentry("Put", c.Put(ctx, short, []byte("from a hook")), kvstore.ErrNotWritten)
	case 3:
		w.did(formHookBatch)
		p.wantReentry("Execute", c.Batch().Delete(short).Put(short, nil).Execute(ctx), kvstore.ErrNotWritten)
	case 4:
		w.did(formHookSync)
		p.wantReentry("Sync", c.Sync(ctx), kvstore.ErrHookReentry)
	case 5:
		w.did(formHookWait)
		p.wantReentry("WaitRevision", c.WaitRevision(ctx, c.Position()+1_000_000), kvstore.ErrHookReentry)
	case 6:
		if r.IntN(8) == 0 {
			w.did(formHookClose)
			p.closeIn(c)
			return true
		}
		fallthrough
	default:
		w.did(formHookShutdown)
		p.wantReentry("Shutdown", c.Shutdown(ctx), kvstore.ErrHookReentry)
	}
	return false
}

// readIn reads in a hook. That fails only while the client rereads the log, or is at its end.
func (p *process) readIn(ctx context.Context, op lin.Operation, read func(*lin.Call) error) {
	w := p.slot.w
	op.Client, op.Process, op.Deadline = p.slot.name, p.number, outcome.Deadline(ctx, w.start)
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.slot.has(p) { // it was closed meanwhile, and the next one may be there
		return
	}
	call := w.rec.Begin(op)
	err := read(call)
	if p.crashed.Load() {
		return
	}
	if err != nil && !errors.Is(err, kvstore.ErrHookReentry) && !excused(err) && ctx.Err() == nil {
		w.findings.add(reentryName, "a read in a hook of %s at %v returned: %v", p.slot.name, time.Since(w.start), err)
	}
	if err == nil && w.blind(p) {
		err = errBlind
	}
	outcome.Told(call, p.client.Position, err)
}

// closeIn closes the client in a hook, and lets the next process open.
func (p *process) closeIn(c *kvstore.Client) {
	if err := c.Close(); err != nil {
		p.slot.w.findings.add(reentryName, "Close in a hook of %s returned: %v", p.slot.name, err)
	}
	p.slot.replace(p)
}

// wantReentry judges a call that would wait for the hook that makes it.
func (p *process) wantReentry(what string, err, too error) {
	readOnly := p.variant.readOnly && errors.Is(err, kvstore.ErrReadOnly)
	refused := errors.Is(err, kvstore.ErrHookReentry) && errors.Is(err, too)
	if p.crashed.Load() || excused(err) || p.ctx.Err() != nil || refused || readOnly {
		return
	}
	p.slot.w.findings.add(reentryName, "%s in a hook of %s at %v returned: %v", what, p.slot.name, time.Since(p.slot.w.start), err)
}

// judgePanics judges, when a process is at its end, how many panics its Status counts.
func (p *process) judgePanics(st kvstore.Status) {
	if p.hooks == nil || p.crashed.Load() {
		return
	}
	p.hooks.mu.Lock()
	defer p.hooks.mu.Unlock()
	if st.HookPanics != p.hooks.all || p.hooks.panics != 0 {
		p.slot.w.findings.add(panicsName, "%d hooks of %s panicked, Status.HookPanics is %d, and %d were not reported", p.hooks.all, p.slot.name, st.HookPanics, p.hooks.panics)
	}
}
