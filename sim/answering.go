package sim

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/kvsim/kvsim/internal/fakecluster"
	"github.com/kvsim/kvsim/kvstore"
)

// Names of the reasons when a client took what passes for something that lasts.
const (
	refusalName = "refused-for-what-lasts"
	passingName = "passing-answer-fails-no-call"
	failedName  = "failed-with-its-topic-only"
)

// mayLast are the error codes with which a call may fail, because some answer says with them that a right
// is missing, or that something can't be done.
var mayLast = func() map[*kerr.Error]bool {
	all := map[*kerr.Error]bool{}
	for _, c := range fakecluster.Answers() {
		all[c.Err] = all[c.Err] || c.Lasting
	}
	return all
}()

// passing returns the error code that err names, if it is one that brokers give for a while, and with
// which no call has to fail.
func passing(err error) (*kerr.Error, bool) {
	e, is := errors.AsType[*kerr.Error](err)
	if !is {
		return nil, false
	}
	lasts, known := mayLast[e]
	return e, known && !lasts
}

// judgeRefusal checks that a write was not refused because of an answer that another try would not have got.
func (o *operation) judgeRefusal(err error) {
	if e, is := passing(err); is && errors.Is(err, kvstore.ErrRefused) {
		o.w.findings.add(refusalName, "a write of %s at %v was refused with %s, which a broker may answer for a moment: %v", o.slot.name, o.begun.Sub(o.w.start), e.Message, err)
	}
}

// judgePassing checks that a call which writes nothing did not fail because of an answer that another try
// would not have got, while there was time for it.
func (w *world) judgePassing(ctx context.Context, client, what string, err error) {
	e, is := passing(err)
	if !is || ctx.Err() != nil || gone(err) || errors.Is(err, kvstore.ErrDataLoss) {
		return
	}
	w.findings.add(passingName, "%s of %s failed at %v with %s, which a broker may answer for a moment, before its context ended: %v", what, client, time.Since(w.start), e.Message, err)
}

// judgeWaiting is judgePassing for an operation.
func (o *operation) judgeWaiting(what string, err error) {
	if !o.p.crashed.Load() {
		o.w.judgePassing(o.ctx, o.slot.name, what, err)
	}
}

// judgeFailed checks that a client which can't go on says that its topic is gone: nothing else ends one in a world.
func (o *operation) judgeFailed() {
	st := o.p.client.Status()
	if st.State == kvstore.StateFailed && !gone(st.Err) && !slices.ContainsFunc([]error{errCrashed, kvstore.ErrClientClosed}, func(e error) bool { return errors.Is(st.Err, e) }) {
		o.w.findings.add(failedName, "%s has failed at %v, and its topic is there: %v", o.slot.name, time.Since(o.w.start), st.Err)
	}
}
