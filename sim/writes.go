package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/kvsim/kvsim/kvstore"
	lin "github.com/kvsim/kvsim/linearizability"
)

// Names of the reasons when a write broke a promise that takes knowledge of the world to
// judge.
const (
	lifeName  = "write-ends-with-its-life"
	causeName = "failed-write-names-its-cause"
	heldName  = "refused-for-what-held"
	limitName = "size-error-tells-the-limit"
)

// findings are what the simulator found wrong during the run.
type findings struct {
	mu  sync.Mutex
	all []Reason
}

func (f *findings) add(name, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = append(f.all, Reason{name, fmt.Sprintf(format, args...)})
}

// judge judges a write that failed.
func (o *operation) judge(err error) {
	if err == nil || o.p.crashed.Load() {
		return
	}
	if !o.hasty {
		o.judgeCause(err)
	}
	o.judgeLimit(err)
	o.judgeRefusal(err)
	o.judgeRefused(err)
}

// tooLarge reports whether a write was too large.
func tooLarge(err error) bool {
	return errors.Is(err, kvstore.ErrValueTooLarge) || errors.Is(err, kvstore.ErrBatchTooLarge)
}

// judgeRefused checks that a write which is called refused would be refused again: what it was refused
// for was so while it was under way. Which limits the topic had is judgeLimit's.
func (o *operation) judgeRefused(err error) {
	w, now := o.w, time.Now()
	_, answered := errors.AsType[*kerr.Error](err)
	late := errors.Is(err, kvstore.ErrDeliveryTimeout) || o.ctx.Err() != nil && errors.Is(err, o.ctx.Err())
	if !errors.Is(err, kvstore.ErrRefused) || tooLarge(err) || !answered && !late {
		return
	}
	says := func(name string) bool { return strings.Contains(err.Error(), name) }
	if w.holds.had(o.slot.name, o.begun, now, func(f Fault) bool {
		switch f := f.(type) {
		case Revoke:
			return f.Right != "read" && says(causeNoRight)
		case Answer:
			return says(f.Error)
		}
		return false
	}) {
		return
	}
	w.findings.add(heldName, "a write of %s at %v was refused at %v, and what it names was not so: %v", o.slot.name, o.begun.Sub(w.start), now.Sub(w.start), err)
}

// noticed is how long before a write a cause must have begun for the write to have met it.
const noticed = time.Second

// judgeCause checks that a write which failed while its client could not write names the
// cause, if nothing else was in its way.
func (o *operation) judgeCause(err error) {
	for _, anyway := range []error{ // it would have failed without that cause
		kvstore.ErrValueTooLarge, kvstore.ErrBatchTooLarge, kvstore.ErrInvalidKey, errUnwritable, kvstore.ErrClientClosed,
	} {
		if errors.Is(err, anyway) {
			return
		}
	}
	w, now := o.w, time.Now()
	if errors.Is(err, context.Canceled) && now.Sub(o.begun) < noticed { // its caller gave it up before it met anything
		return
	}
	held := func(is func(hold) bool) bool {
		since, found := w.holds.since(o.slot.name, now, 0, is)
		return found && o.begun.Sub(since) >= noticed
	}
	cause := ""
	switch {
	case held(func(h hold) bool { return h.fault.Kind() == BelowMinimum{}.Kind() }):
		cause = "NOT_ENOUGH_REPLICAS"
	case held(func(h hold) bool { f, ok := h.fault.(Revoke); return ok && f.Right == "write" }):
		cause = "TOPIC_AUTHORIZATION_FAILED"
	default:
		return
	}
	others := func(h hold) bool {
		switch f := h.fault.(type) {
		case BelowMinimum:
			return cause != "NOT_ENOUGH_REPLICAS"
		case Revoke:
			return cause == "NOT_ENOUGH_REPLICAS" || f.Right != "write"
		}
		return true
	}
	if _, disturbed := w.holds.since(o.slot.name, now, w.recovery(), others); disturbed {
		return
	}
	names := func(err error) bool {
		return err != nil && (strings.Contains(err.Error(), cause) || w.saysForgotten(err))
	}
	if !names(err) {
		w.findings.add(causeName, "a write of %s that began at %v failed and does not say that it was %s: %v", o.slot.name, o.begun.Sub(w.start), cause, err)
	}
	if st := o.p.client.Status(); cause == "NOT_ENOUGH_REPLICAS" && !names(st.Writing.Err) {
		w.findings.add(causeName, "a write of %s failed at %v for want of replicas in sync, and Status.Writing says: %v", o.slot.name, now.Sub(w.start), st.Writing.Err)
	}
}

// saysForgotten reports whether an error names what brokers answer that have forgotten the client's
// producer. They may be asked last, whatever else is in the way of a write.
func (w *world) saysForgotten(err error) bool {
	forget := func(f Fault) bool { return f.Kind() == ForgetProducers{}.Kind() }
	names := func(e *kerr.Error) bool { return strings.Contains(err.Error(), e.Message) }
	return slices.ContainsFunc(w.plan.Faults, forget) &&
		slices.ContainsFunc([]*kerr.Error{kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID, kerr.InvalidProducerIDMapping}, names)
}

// judgeLimit checks that the error of a write that is too large has a limit that the topic
// had while it was under way, if its client could hear of it.
func (o *operation) judgeLimit(err error) {
	var size *kvstore.SizeError
	if !errors.As(err, &size) || size.Limit == 0 {
		return
	}
	w, now := o.w, time.Now()
	if _, disturbed := w.holds.since(o.slot.name, now, w.recovery(), func(hold) bool { return true }); disturbed {
		return
	}
	limits := w.altered.values(w, settingMessage, o.begun.Add(-noticed), now)
	if w.plan.hostile() {
		limits = append(limits, strconv.Itoa(mostInflated)) // more could not be read back
	}
	if n := w.plan.World.ReadBytes; n > 0 && size.Limit < n && size.Limit > n-aroundRecords {
		limits = append(limits, strconv.Itoa(size.Limit)) // likewise
	}
	if !slices.Contains(limits, strconv.Itoa(size.Limit)) {
		w.findings.add(limitName, "a write of %s at %v was refused with a limit of %d bytes, but %s was %s", o.slot.name, o.begun.Sub(w.start), size.Limit, settingMessage, strings.Join(limits, ", then "))
	}
}

// outlived returns a sentence for each put that got into the log after the end of its life.
// What was under way then may still arrive, as late as the world's links and brokers are
// slow.
func (w *world) outlived(h *lin.History) (out []string) {
	life := cmp.Or(w.plan.World.DeliveryTimeout, 2*time.Minute)
	most := life + w.underWay()
	called := map[string]*lin.Operation{} // by value id
	for i := range h.Ops {
		if o := &h.Ops[i]; o.Kind == lin.OpPut && o.Value != emptyID {
			called[o.Value] = o
		}
	}
	for i := range h.Log {
		l := &h.Log[i]
		o := called[l.Value]
		if l.Kind != lin.LogAppend || o == nil || l.Time-o.Call.Time <= most {
			continue
		}
		out = append(out, fmt.Sprintf("put(%q, %s) of %s was called at %v and came into the log at %v: %v later, but a write lives for %v", l.Key, l.Value, o.Client, o.Call.Time, l.Time, l.Time-o.Call.Time, life))
	}
	return out
}

// underWay is how long a request may take from the client into the log.
func (w *world) underWay() time.Duration {
	d := max(w.plan.World.LatencyMax, 8*w.plan.World.LatencyMean) + 10*time.Millisecond
	for _, f := range w.plan.Faults {
		switch f := f.(type) {
		case Latency:
			d += 10 * max(f.Min, f.Mean)
		case SlowBroker:
			d += f.Delay
		}
	}
	return d
}
