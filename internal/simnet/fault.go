package simnet

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"
)

// Target selects links. The zero value selects every link in both directions.
type Target struct {
	Clients []string  // Clients are exact names; empty means all.
	Brokers []int32   // Brokers are broker numbers; empty means all.
	Dir     Direction // Dir is the direction; Both means either.
	// Keys are api keys. They select requests with these keys and the answers to
	// them; empty means every frame. A target with keys selects no dials, and only
	// those connections that have such a request unanswered.
	Keys []int16
}

func (t Target) matches(l Link) bool {
	return t.matchesEnds(l) && (t.Dir == Both || t.Dir == l.Dir)
}

func (t Target) matchesFrame(l Link, key int16) bool {
	return t.matches(l) && (len(t.Keys) == 0 || slices.Contains(t.Keys, key))
}

func (t Target) matchesConn(p *pair) bool {
	if !t.matches(p.toBroker.link) && !t.matches(p.toClient.link) {
		return false
	}
	return len(t.Keys) == 0 || p.asks(t.Keys)
}

func (t Target) matchesEnds(l Link) bool {
	return (len(t.Clients) == 0 || slices.Contains(t.Clients, l.Client)) &&
		(len(t.Brokers) == 0 || slices.Contains(t.Brokers, l.Broker))
}

func (t Target) clone() Target {
	t.Clients = slices.Clone(t.Clients)
	t.Brokers = slices.Clone(t.Brokers)
	t.Keys = slices.Clone(t.Keys)
	return t
}

type faultKind uint8

const (
	kindDelay faultKind = iota
	kindStall
	kindBlackHole
	kindSilence
	kindRefuse
	kindLose
	kindCut
	kindCorrupt
	kindEdit
	kindAnswer
)

// Effect is a fault that is active on a network until it is undone or used up. Faults
// compose: delays add up, and of several faults that would end a frame's journey, the
// one installed first does. An Effect is safe for concurrent use.
type Effect struct {
	n       *Network
	kind    faultKind
	target  Target
	latency Latency
	cutAt   int
	edit    EditFunc
	answer  AnswerFunc
	arrived atomic.Int64

	Counter
	timer *time.Timer
}

// Arrived returns how many of the answers that f changed, or gave, have reached their clients. The hits
// also count those that something else lost on the way.
func (f *Effect) Arrived() int { return int(f.arrived.Load()) }

// Wait blocks until the fault has at least n hits. It returns ctx's error if ctx ends
// before that, [ErrUndone] if the fault does, or [ErrClosed] if the network does.
func (f *Effect) Wait(ctx context.Context, n int) error {
	return f.Await(ctx, n, ErrUndone, f.n.done, ErrClosed)
}

// Undo ends the fault. Frames that a stall held are delivered in order. It may be
// called more than once, and after [Network.Close].
func (f *Effect) Undo() {
	if !f.stop() {
		return
	}
	f.n.remove(f)
	if f.kind != kindStall && f.kind != kindBlackHole {
		return
	}
	f.n.mu.Lock()
	close(f.n.changed)
	f.n.changed = make(chan struct{})
	f.n.mu.Unlock()
	for _, p := range f.n.live(Target{Clients: f.target.Clients, Brokers: f.target.Brokers}) {
		p.toBroker.kick()
		p.toClient.kick()
	}
}

// stop ends f, and reports whether it was active until then.
func (f *Effect) stop() bool {
	ended := f.End()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.timer != nil {
		f.timer.Stop()
	}
	return ended
}

// hit counts one hit. It reports false if the fault has ended.
func (f *Effect) hit() bool {
	took, usedUp := f.Take()
	if usedUp {
		f.n.remove(f)
	}
	return took
}

func (n *Network) add(f *Effect, count int) *Effect {
	f.n = n
	f.Limit(count)
	f.target = f.target.clone()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		f.ended = true
		return f
	}
	old := n.faults.Load()
	var next []*Effect
	if old != nil {
		next = append(next, *old...)
	}
	next = append(next, f)
	n.faults.Store(&next)
	return f
}

func (n *Network) remove(f *Effect) {
	n.mu.Lock()
	defer n.mu.Unlock()
	old := n.faults.Load()
	if old == nil {
		return
	}
	next := slices.DeleteFunc(slices.Clone(*old), func(o *Effect) bool { return o == f })
	if len(next) == 0 {
		n.faults.Store(nil)
		return
	}
	n.faults.Store(&next)
}

// Delay adds latency to every frame and dial that t selects. The added latency is drawn
// from the stream of the frame's own link.
func (n *Network) Delay(t Target, l Latency) (*Effect, error) {
	return n.DelayNext(t, l, 0)
}

// DelayNext is [Network.Delay] for the next count frames only. A count of 0
// means until undone.
func (n *Network) DelayNext(t Target, l Latency, count int) (*Effect, error) {
	if err := l.Validate(); err != nil {
		return nil, err
	}
	return n.add(&Effect{kind: kindDelay, target: t, latency: l}, count), nil
}

// Count counts the frames and dials that t selects, and does nothing to them.
func (n *Network) Count(t Target) *Effect {
	return n.add(&Effect{kind: kindDelay, target: t}, 0)
}

// Stall holds the frames and dials that t selects, and everything behind them on the same
// connection, until it is undone. They are then delivered in a burst, in order.
func (n *Network) Stall(t Target) *Effect {
	return n.add(&Effect{kind: kindStall, target: t}, 0)
}

// StallFor is like [Network.Stall], but undoes itself after d.
func (n *Network) StallFor(t Target, d time.Duration) *Effect {
	f := n.Stall(t)
	f.mu.Lock()
	if !f.ended {
		f.timer = time.AfterFunc(d, f.Undo)
	}
	f.mu.Unlock()
	return f
}

// BlackHole swallows the frames that t selects, while their connections stay open, and
// holds new dials until it is undone or they time out. A connection that lost a frame
// stays dead in that direction even after the fault is undone.
func (n *Network) BlackHole(t Target) *Effect {
	return n.add(&Effect{kind: kindBlackHole, target: t}, 0)
}

// Silence is like [Network.BlackHole], but dials succeed. It is what clients see of a
// broker whose process is stopped: it accepts connections and says nothing.
func (n *Network) Silence(t Target) *Effect {
	return n.add(&Effect{kind: kindSilence, target: t}, 0)
}

// RefuseDials refuses every dial between the ends that t selects, as when
// nothing listens. Open connections are left alone.
func (n *Network) RefuseDials(t Target) *Effect {
	return n.add(&Effect{kind: kindRefuse, target: t}, 0)
}

// LoseRequest swallows the next count requests that t selects, before the broker sees
// them, and resets their connections. A count of 0 means until undone. The direction of
// t is ignored.
func (n *Network) LoseRequest(t Target, count int) *Effect {
	t.Dir = ToBroker
	return n.add(&Effect{kind: kindLose, target: t}, count)
}

// LoseAnswer swallows the broker's answers to the next count requests that t selects,
// and resets their connections. By the time a hit is counted, the broker has acted on
// the request, and the client can't know. A count of 0 means until undone. The direction
// of t is ignored.
func (n *Network) LoseAnswer(t Target, count int) *Effect {
	t.Dir = ToClient
	return n.add(&Effect{kind: kindLose, target: t}, count)
}

// CutFrame delivers only the first prefix bytes of the next count frames that t selects,
// and then resets their connections. If prefix is 0, or not less than the size of the
// frame, half of the frame is delivered. A count of 0 means until undone.
func (n *Network) CutFrame(t Target, prefix, count int) *Effect {
	return n.add(&Effect{kind: kindCut, target: t, cutAt: prefix}, count)
}

// Corrupt flips a bit in the last byte of the next count frames that t
// selects. A count of 0 means until undone.
func (n *Network) Corrupt(t Target, count int) *Effect {
	return n.add(&Effect{kind: kindCorrupt, target: t}, count)
}

// An EditFunc changes a broker's answer to a request of an api key and a version: it returns the new
// frame, with its length prefix, or nil to leave the answer as it is, which does not count as a hit. It
// may return the frame that it gets, and must not change it if it returns nil.
type EditFunc func(key, version int16, frame []byte) []byte

// EditAnswers lets edit change the next count answers to requests that t selects. A count of 0 means
// until undone. The direction of t is ignored.
func (n *Network) EditAnswers(t Target, edit EditFunc, count int) *Effect {
	t.Dir = ToClient
	return n.add(&Effect{kind: kindEdit, target: t, edit: edit}, count)
}

// An AnswerFunc answers a request in place of its broker: it returns the answer to a frame of an api
// key and a version, with its length prefix, or nil to let the broker answer. It must not change or keep
// the request.
type AnswerFunc func(key, version int16, request []byte) []byte

// AnswerRequests lets answer answer the next count requests that t selects. The broker gets a request for
// its api versions in place of each of them, so that the answer comes in its turn. A count of 0 means
// until undone. The direction of t is ignored.
func (n *Network) AnswerRequests(t Target, answer AnswerFunc, count int) *Effect {
	t.Dir = ToBroker
	return n.add(&Effect{kind: kindAnswer, target: t, answer: answer}, count)
}

// DropConns resets every connection that t selects and returns how many there were. On
// links with latency, each end learns of it one latency later.
func (n *Network) DropConns(t Target) int {
	pairs := n.live(t)
	for _, p := range pairs {
		p.reset(nil)
	}
	return len(pairs)
}

// judgeEntry asks the faults about a frame that enters a link: whether a black hole
// swallows it, and how much delay is added.
func (n *Network) judgeEntry(l Link, key int16, r *rand.Rand) (gone bool, extra time.Duration) {
	fs := n.faults.Load()
	if fs == nil {
		return false, 0
	}
	for _, f := range *fs {
		if f.kind != kindDelay && f.kind != kindBlackHole && f.kind != kindSilence || !f.target.matchesFrame(l, key) || !f.hit() {
			continue
		}
		if f.kind != kindDelay {
			return true, 0
		}
		extra += f.latency.draw(r)
	}
	return false, extra
}

type verdict struct {
	kind    parcelKind
	corrupt bool
	cutAt   int
	data    []byte    // what arrives in place of the frame, nil if that is not changed
	answer  []byte    // what is answered in place of the broker, nil if the broker is
	by      []*Effect // what changed or gave the answer
}

// arriving are the kinds of faults that are asked about a frame that would arrive.
var arriving = []faultKind{kindLose, kindCut, kindCorrupt, kindEdit, kindAnswer}

// judgeArrival asks the faults about a frame that would arrive now. Faults that count
// hits are asked here rather than at the entry: many frames may enter at one instant, in
// no particular order, but with latency no two arrive at the same instant.
func (n *Network) judgeArrival(l Link, p *parcel) verdict {
	var v verdict
	fs := n.faults.Load()
	if fs == nil {
		return v
	}
	for _, f := range *fs {
		if v.kind != parcelData || v.answer != nil || !slices.Contains(arriving, f.kind) || !f.target.matchesFrame(l, p.key) {
			continue
		}
		v.ask(f, p)
	}
	return v
}

// ask lets a fault do its part to a frame.
func (v *verdict) ask(f *Effect, p *parcel) {
	frame := p.data
	if v.data != nil {
		frame = v.data
	}
	var changed []byte
	switch f.kind {
	case kindEdit:
		if f.Over() {
			return
		}
		changed = f.edit(p.key, p.vers, frame)
	case kindAnswer:
		changed = f.answer(p.key, p.vers, frame)
	default:
	}
	if (f.kind == kindEdit || f.kind == kindAnswer) && changed == nil || !f.hit() {
		return
	}
	switch f.kind {
	case kindCorrupt:
		v.corrupt = true
	case kindEdit:
		v.data, v.by = changed, append(v.by, f)
	case kindAnswer:
		v.answer, v.by = changed, append(v.by, f)
	case kindCut:
		v.kind, v.cutAt = parcelCut, f.cutAt
	default:
		v.kind = parcelLose
	}
}

// stalled reports whether a stall holds a frame. count says to count it as a hit, because
// that has not been done yet.
func (n *Network) stalled(l Link, key int16, count bool) bool {
	fs := n.faults.Load()
	if fs == nil {
		return false
	}
	held := false
	for _, f := range *fs {
		if f.kind != kindStall || !f.target.matchesFrame(l, key) {
			continue
		}
		if count {
			held = f.hit() || held
		} else {
			held = true
		}
	}
	return held
}

type dialVerdict uint8

const (
	dialGoes dialVerdict = iota
	dialRefused
	dialHeld
)

// judgeDial asks the faults what happens to a dial. Each fault counts a dial once, however
// often it is asked.
func (n *Network) judgeDial(p *pair, counted map[*Effect]bool) (dialVerdict, time.Duration) {
	fs := n.faults.Load()
	if fs == nil {
		return dialGoes, 0
	}
	var extra time.Duration
	result := dialGoes
	for _, f := range *fs {
		if len(f.target.Keys) > 0 || !f.target.matchesEnds(p.toBroker.link) {
			continue
		}
		first := !counted[f]
		hit := func() bool {
			counted[f] = true
			return !first || f.hit()
		}
		switch f.kind {
		case kindDelay:
			if first && hit() {
				extra += f.latency.draw(p.toBroker.rng)
			}
		case kindRefuse:
			if hit() {
				return dialRefused, extra
			}
		case kindStall, kindBlackHole:
			if hit() {
				result = dialHeld
			}
		}
	}
	return result, extra
}
