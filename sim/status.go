package sim

import (
	"fmt"
	"time"

	"github.com/kvsim/kvsim/kvstore"
)

// Names of the reasons when a client does not say the truth about itself, or is not well for no
// reason.
const (
	statusName = "status-is-true"
	causesName = "trouble-has-a-cause"
)

// A look is what a client said of itself at a moment.
type look struct {
	at time.Time
	kvstore.Status
}

// looks are those of a process. Its mu guards them.
type looks struct {
	last look
	// mark is a look from which on the client has time to read what the log had then.
	mark time.Time
	end  int64 // of the log at mark
}

// look asks a client for its Status and judges what it says. The caller holds mu, and the client
// is open.
func (p *process) look() kvstore.Status {
	now := look{at: time.Now(), Status: p.client.Status()}
	w := p.slot.w
	if w.env.LateTap || p.crashed.Load() {
		return now.Status
	}
	if wrong := now.wrong(p.born, p.looks.last); wrong != "" {
		w.findings.add(statusName, "process %d of %s at %v: %s: %+v", p.number, p.slot.name, now.at.Sub(w.start), wrong, now.Status)
	}
	p.looks.last = now
	p.judgeTrouble(now)
	p.judgePosition(now)
	return now.Status
}

// wrong says what can't be true of a look at a client that is open since born at the earliest, after
// an earlier look, and nothing if all can.
func (l look) wrong(born time.Time, before look) string {
	up := l.State == kvstore.StateOpening || l.State == kvstore.StateLive
	problems := []kvstore.Problem{l.Reading, l.Writing, l.Topic}
	switch {
	case l.Since.After(l.at):
		return "the state has been entered in the future"
	case l.Since.Before(born):
		return "the state has been entered before the process was there"
	case !before.at.IsZero() && l.Since.Before(before.at) && (l.State != before.State || !l.Since.Equal(before.Since)):
		return "the state was another one at " + before.at.String()
	case up != (l.Err == nil):
		return "an error has to say why a client is neither opening nor live, and only then"
	case l.Lag != max(0, l.End-l.Position):
		return "the lag is not the end without the position"
	case l.Rebuilds < before.Rebuilds || l.SkippedRecords < before.SkippedRecords || l.HookPanics < before.HookPanics:
		return "what is counted became less"
	case l.State == kvstore.StateRebuilding && l.Rebuilds == 0:
		return "it rebuilds for the first time, and that is not counted"
	}
	for _, p := range problems {
		switch met := p.Count > 0; {
		case met != (p.Err != nil), met == p.Since.IsZero():
			return "a problem has a cause, a time and a count, or nothing"
		case met && (p.Since.After(l.at) || p.Since.Before(born)):
			return "a problem was met in the future, or before the process was there"
		}
	}
	return ""
}

// judgeTrouble judges that a client which is not well has a reason. A state counts from when it was
// entered.
func (p *process) judgeTrouble(now look) {
	w, name := p.slot.w, p.slot.name
	tell := func(what string, err error) {
		w.findings.add(causesName, "process %d of %s at %v: %s, although nothing was in its way: %v", p.number, name, now.at.Sub(w.start), what, err)
	}
	switch now.State {
	case kvstore.StateOpening, kvstore.StateLive, kvstore.StateClosed:
	case kvstore.StateFailed:
		if !gone(now.Err) { // endings judges whether a topic is gone
			w.findings.add(failedName, "%s has failed at %v, and its topic is there: %v", name, now.at.Sub(w.start), now.Err)
		}
		return
	case kvstore.StateStalled, kvstore.StateRebuilding:
		if w.well(name, now.Since, now.Since) || w.well(name, now.at, now.at) {
			tell(fmt.Sprintf("it is %v since %v", now.State, now.Since.Sub(w.start)), now.Err)
		}
	}
	if now.State == kvstore.StateClosed {
		return
	}
	if now.Reading.Err != nil && w.well(name, now.at, now.at) && !w.holds.anyDown() {
		tell("Status.Reading names a problem since "+now.Reading.Since.Sub(w.start).String(), now.Reading.Err)
	}
	if now.Topic.Err != nil && !w.plan.unfits() {
		tell("Status.Topic names a problem since "+now.Topic.Since.Sub(w.start).String(), now.Topic.Err)
	}
}

// unfits reports whether the topic's settings may become unfit in the plan.
func (p *Plan) unfits() bool {
	for _, f := range p.Faults {
		switch f.(type) {
		case AlterTopic, GrowPartitions:
			return true
		}
	}
	return false
}

// judgePosition judges that a client to which nothing happens has read, a little later, what the
// log had.
func (p *process) judgePosition(now look) {
	w, m := p.slot.w, &p.looks
	if now.State != kvstore.StateLive {
		m.mark = time.Time{}
		return
	}
	if !m.mark.IsZero() && now.at.Sub(m.mark) < w.promptly() {
		return
	}
	if !m.mark.IsZero() && min(now.Position, now.End) < m.end && w.well(p.slot.name, m.mark, now.at) && !w.blind(p) {
		w.findings.add(statusName, "process %d of %s at %v: it is live at position %d with a lag of %d, but the log has gone up to %d for %v, and nothing was in its way", p.number, p.slot.name, now.at.Sub(w.start), now.Position, now.Lag, m.end, now.at.Sub(m.mark))
	}
	m.mark = now.at
	_, m.end = w.tap.extent()
}

// judgeWriting judges, after a write of which nothing was in the way, that the client does not say
// that it can't write.
func (o *operation) judgeWriting(err error) {
	w, now := o.w, time.Now()
	if err != nil || w.env.LateTap || o.p.crashed.Load() {
		return
	}
	if st := o.p.client.Status(); st.Writing.Err != nil && st.State == kvstore.StateLive && w.well(o.slot.name, o.begun, now) {
		w.findings.add(statusName, "process %d of %s at %v: a write was acknowledged, nothing is in the way of others, and Status.Writing says: %v", o.p.number, o.slot.name, now.Sub(w.start), st.Writing.Err)
	}
}

// lookAround looks at all clients that are open.
func (w *world) lookAround() {
	for _, s := range w.everyone() {
		if p := s.openProcess(); p != nil {
			p.mu.Lock()
			p.look()
			p.mu.Unlock()
		}
	}
}
