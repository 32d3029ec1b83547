package sim

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/kvsim/kvsim/kvstore"
)

// readingName is the name of the reason when a client did not say why it can't read.
const readingName = "held-up-reading-names-its-cause"

// unread is how long a client has to have been kept from reading before it must know that:
// a fetch that was under way may wait at the broker for a second.
const unread = 2 * time.Second

// judgingReading judges, when the effect of a fault ends that keeps a client from reading,
// whether the client's Status says so, with the name of the error with which brokers refuse
// it. A process is judged only if it was there when the fault began, and nothing else was
// in its way.
func (w *world) judgingReading(f Fault, client string, e *effect) *effect {
	cause := readingCause(f)
	if cause == "" {
		return e
	}
	began, undo := time.Now(), e.undo
	before := w.processOf(client)
	e.undo = func(ctx context.Context) error {
		now := time.Now()
		if p := w.processOf(client); p != nil && p == before && now.Sub(began) >= unread && !w.disturbed(client, now, cause) {
			w.judgeReading(p, cause)
		}
		return undo(ctx)
	}
	return e
}

func (w *world) judgeReading(p *process, cause string) {
	st := p.client.Status()
	if st.State != kvstore.StateLive && st.State != kvstore.StateStalled {
		return
	}
	if st.Reading.Err == nil || !strings.Contains(st.Reading.Err.Error(), cause) {
		w.findings.add(readingName, "%s could not read at %v because of %s, and Status.Reading says: %v", p.slot.name, time.Since(w.start), cause, st.Reading.Err)
	}
}

// disturbed reports whether a client was blocked by anything but the loss of the right to
// read, or the wrong password, that a cause stands for.
func (w *world) disturbed(client string, now time.Time, cause string) bool {
	_, other := w.holds.since(client, now, w.recovery(), func(h hold) bool { return readingCause(h.fault) != cause })
	return other
}

// findsOut returns how long a fault has to keep a client from all brokers until the client must know
// that, and false if it does not keep it from all of them. Where connections stay open, a fetch that was
// under way may wait at the broker for its time and then for the request timeout.
func (w *world) findsOut(f Fault) (time.Duration, bool) {
	silent := unread + cmp.Or(w.plan.World.RequestTimeout, 10*time.Second)
	switch f := f.(type) {
	case RestartAll:
		return unread, true
	case Silence:
		return silent, f.Broker == ""
	case BlackHole:
		return silent, f.Broker == ""
	case Stall:
		return silent, f.Broker == ""
	}
	return 0, false
}

// cutOff judges, when the returned function is called, whether clients that could reach no broker
// since then say so. A process is judged only if it was live, and nothing else is in its way.
func (w *world) cutOff(f Fault) (judge func()) {
	least, is := w.findsOut(f)
	if !is || w.env.LateTap {
		return func() {}
	}
	began := time.Now()
	var live []*process
	for _, s := range named(w.slots, setting[string](f, "client")) {
		if p := s.openProcess(); p != nil && p.client.Status().State == kvstore.StateLive {
			live = append(live, p)
		}
	}
	return func() {
		now := time.Now()
		for _, p := range live {
			_, other := w.holds.since(p.slot.name, now, w.recovery(), func(h hold) bool { return h.fault != f })
			if now.Sub(began) < least || other || p.slot.openProcess() != p {
				continue
			}
			if st := p.client.Status(); st.State != kvstore.StateStalled || st.Reading.Err == nil {
				w.findings.add(readingName, "%s could reach no broker since %v, and at %v it is %s, and Status.Reading says: %v", p.slot.name, began.Sub(w.start), now.Sub(w.start), st.State, st.Reading.Err)
			}
		}
	}
}

// Causes by the names that brokers give them.
const (
	causeNoRight  = "TOPIC_AUTHORIZATION_FAILED"
	causePassword = "SASL_AUTHENTICATION_FAILED"
)

// readingCause is the name of the error with which brokers refuse to let a client read
// while a fault lasts, empty if they don't.
func readingCause(f Fault) string {
	switch f := f.(type) {
	case Revoke:
		if f.Right != "write" {
			return causeNoRight
		}
	case ChangePassword:
		return causePassword
	}
	return ""
}

// processOf returns the process of a client that is open, or nil.
func (w *world) processOf(client string) *process {
	for _, s := range w.everyone() {
		if s.name == client {
			return s.openProcess()
		}
	}
	return nil
}

// openProcess returns the slot's process that is open, or nil.
func (s *slot) openProcess() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil || s.current.client == nil {
		return nil
	}
	return s.current
}
