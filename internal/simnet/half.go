package simnet

import (
	"io"
	"math/rand/v2"
	"sync"
	"time"
)

type parcelKind uint8

const (
	parcelData parcelKind = iota
	parcelLose            // never arrives; resets the connection when it would have
	parcelCut             // data is a prefix; resets the connection after it
	parcelFin             // orderly end
	parcelReset
)

// parcel is a frame, or the end of the stream, on its way.
type parcel struct {
	kind parcelKind
	held bool // counted by a stall
	with bool // the one before, which has the instant
	key  int16
	vers int16 // of the request
	corr int32
	size int
	data []byte
	by   []*Effect // what changed or gave this answer
	at   time.Time // at is the instant of delivery; zero means as soon as it is first.
}

// half is one direction of one connection: the link that carries frames, and the buffer
// from which its reader reads.
//
// Invariant: flight is FIFO, and instants in it never decrease.
type half struct {
	p       *pair
	link    Link
	latency Latency
	rng     *rand.Rand // not set on a direct connection
	lane    Lane       // of all deliveries
	direct  bool

	mu      sync.Mutex
	raw     bool
	partial []byte // written, but not yet a whole frame
	flight  []parcel
	last    time.Time // instant of the newest timed parcel
	entered time.Time // when the newest parcel was sent
	dead    bool      // nothing enters any more
	timer   *time.Timer
	armed   time.Time // instant that timer is set for

	cond     sync.Cond
	buf      []byte
	off      int
	end      error // io.EOF or errReset, once buf is drained
	closed   bool  // the reader has closed
	waiting  int
	deadline time.Time
	wake     *time.Timer
	wakeAt   time.Time
}

func (h *half) init(p *pair, link Link) {
	cfg := &p.n.cfg
	h.p, h.link, h.raw = p, link, cfg.Raw
	h.latency = cfg.Latency
	h.rng = link.stream(cfg.Seed)
	h.lane = p.place.lane(cfg.Seed, link, openingLane+p.place.opening%openingLane)
	h.cond.L = &h.mu
}

// write takes bytes from the sender, and sends every frame that they complete.
func (h *half) write(b []byte) {
	h.mu.Lock()
	if len(h.partial) > 0 {
		h.partial = append(h.partial, b...)
		b = h.partial
	}
	for len(b) > 0 {
		n := len(b)
		if !h.raw {
			if n = frameLen(b); n < 0 {
				h.raw = true
				n = len(b)
			}
			if n == 0 || n > len(b) {
				break
			}
		}
		h.enter(b[:n])
		b = b[n:]
	}
	h.partial = append(h.partial[:0], b...)
	reset := h.pump()
	h.mu.Unlock()
	if reset {
		h.p.reset(h)
	}
}

// enter decides the fate of a frame and puts it on its way.
func (h *half) enter(frame []byte) {
	pc := parcel{key: NoKey, size: len(frame)}
	if !h.raw {
		a := h.p.describe(h.link.Dir, frame)
		pc.key, pc.vers, pc.corr = a.key, a.vers, a.corr
		if a.instead != nil {
			frame, pc.size, pc.by = a.instead, len(a.instead), a.by
		}
	}
	if h.dead || h.closed {
		h.observe(&pc, Vanished)
		return
	}
	if h.direct {
		h.deliver(&pc, frame)
		return
	}
	if h.link.Dir == ToBroker {
		h.p.sent.Add(1)
		if !h.raw {
			h.p.opened(pc.key)
		}
	}
	gone, extra := h.p.n.judgeEntry(h.link, pc.key, h.rng)
	if gone {
		h.dead = true
		h.observe(&pc, Vanished)
		return
	}
	if extra == 0 && h.meets() {
		pc.with, pc.at, pc.data = true, h.last, append([]byte(nil), frame...)
		h.flight = append(h.flight, pc)
		return
	}
	d := h.latency.draw(h.rng) + extra
	if d == 0 && len(h.flight) == 0 && h.p.n.faults.Load() == nil {
		h.deliver(&pc, frame)
	} else {
		pc.data = append([]byte(nil), frame...)
		h.queue(pc, d)
	}
	if h.link.Dir == ToBroker {
		h.p.open(pc.key)
	}
}

// meets reports whether another frame was sent at the present instant already. The
// goroutines that send them run in no particular order, so the frames arrive together, one
// latency later, and nothing depends on which was sent first.
func (h *half) meets() bool {
	n := len(h.flight)
	if n == 0 || h.p.shaking.Load() || !h.entered.Equal(time.Now()) {
		return false
	}
	before := &h.flight[n-1]
	return before.kind == parcelData && !before.held && !before.at.IsZero() && before.at.Equal(h.last)
}

// queue puts a parcel behind those that are on their way already.
func (h *half) queue(pc parcel, d time.Duration) {
	now := h.p.clock(d)
	h.entered = time.Now()
	if d > 0 || h.last.After(now) {
		at := now.Add(d)
		if !at.After(h.last) {
			at = h.last.Add(1)
		}
		pc.at = h.p.n.claim(h.lane.Next(at))
		h.last = pc.at
	}
	h.flight = append(h.flight, pc)
}

// pump delivers the parcels that are due. It reports whether the connection must be reset.
func (h *half) pump() (reset bool) {
	for len(h.flight) > 0 {
		pc := &h.flight[0]
		if !pc.at.IsZero() {
			if wait := time.Until(pc.at); wait > 0 {
				h.arm(pc.at, wait)
				return false
			}
		}
		if pc.kind != parcelReset && !h.direct && h.p.n.stalled(h.link, pc.key, !pc.held) {
			pc.held = true
			return false
		}
		p := h.flight[0]
		h.flight[0] = parcel{}
		h.flight = h.flight[1:]
		h.free(&p)
		if p.kind == parcelData {
			h.arrive(&p)
		}
		switch p.kind {
		case parcelData:
			h.deliver(&p, p.data)
		case parcelFin:
			h.finish(io.EOF)
		case parcelReset:
			h.finish(errReset)
		case parcelLose:
			h.observe(&p, LostReset)
			h.drop()
			h.finish(errReset)
			return true
		case parcelCut:
			h.receive(p.data)
			h.observe(&p, CutReset)
			h.drop()
			h.finish(errReset)
			return true
		}
	}
	return false
}

// arrive lets the faults change a parcel at the last moment.
func (h *half) arrive(p *parcel) {
	if h.closed {
		return
	}
	v := h.p.n.judgeArrival(h.link, p)
	p.kind = v.kind
	if v.answer != nil {
		h.p.answer(p.corr, v.answer, v.by)
		p.data = placeholder(p.corr)
		return
	}
	if v.data != nil {
		p.data = v.data
	}
	p.by = append(p.by, v.by...)
	n := len(p.data)
	if v.corrupt && n > 0 {
		p.data[n-1] ^= 1
	}
	if p.kind == parcelCut {
		if v.cutAt <= 0 || v.cutAt >= n {
			v.cutAt = n / 2
		}
		p.data = p.data[:v.cutAt]
	}
}

func (h *half) arm(at time.Time, wait time.Duration) {
	if h.armed.Equal(at) {
		return
	}
	h.armed = at
	if h.timer == nil {
		h.timer = time.AfterFunc(wait, h.onTimer)
		return
	}
	h.timer.Reset(wait)
}

func (h *half) onTimer() {
	h.mu.Lock()
	h.armed = time.Time{}
	reset := h.pump()
	h.mu.Unlock()
	if reset {
		h.p.reset(h)
	}
}

// kick delivers what a stall held: immediately, or, on a link with latency, one parcel after
// the other, each at an instant of its own.
func (h *half) kick() {
	h.mu.Lock()
	if len(h.flight) > 0 && h.flight[0].held && !h.p.n.stalled(h.link, h.flight[0].key, false) {
		h.respread()
	}
	reset := h.pump()
	h.mu.Unlock()
	if reset {
		h.p.reset(h)
	}
}

func (h *half) respread() {
	if h.latency.IsZero() {
		return
	}
	last := time.Now()
	for i := range h.flight {
		pc := &h.flight[i]
		if pc.at.After(last) {
			break
		}
		if pc.with && i > 0 {
			pc.at = last
			continue
		}
		h.free(pc)
		pc.at = h.p.n.claim(h.lane.Next(last.Add(h.latency.drawJitter(h.rng))))
		last = pc.at
	}
	if last.After(h.last) {
		h.last = last
	}
}

func (h *half) deliver(pc *parcel, data []byte) {
	if h.closed {
		h.observe(pc, DroppedEnd)
		return
	}
	h.receive(data)
	for _, f := range pc.by {
		f.arrived.Add(1)
	}
	h.observe(pc, Delivered)
}

// receive makes data readable.
func (h *half) receive(data []byte) {
	if h.closed {
		return
	}
	if h.off == len(h.buf) {
		h.buf, h.off = h.buf[:0], 0
	}
	h.buf = append(h.buf, data...)
	h.broadcast()
}

func (h *half) finish(err error) {
	h.dead = true
	if h.end == nil {
		h.end = err
	}
	h.broadcast()
}

func (h *half) broadcast() {
	if h.waiting > 0 {
		h.cond.Broadcast()
	}
}

// drop discards everything that is on its way.
func (h *half) drop() {
	for i := range h.flight {
		h.free(&h.flight[i])
		if h.flight[i].size > 0 {
			h.observe(&h.flight[i], DroppedEnd)
		}
	}
	h.flight, h.partial = nil, nil
	if h.timer != nil {
		h.timer.Stop()
		h.armed = time.Time{}
	}
}

// free gives the instant of a parcel back.
func (h *half) free(pc *parcel) {
	if !pc.at.IsZero() && !pc.with {
		h.p.n.release(pc.at)
	}
	pc.at, pc.with = time.Time{}, false
}

func (h *half) observe(pc *parcel, fate Fate) {
	if fn := h.p.n.cfg.Observe; fn != nil && !h.direct {
		fn(Frame{Link: h.link, Key: pc.key, Correlation: pc.corr, Size: pc.size, Fate: fate})
	}
}

// abort resets the reader's end: immediately, or one latency later on a link with latency.
func (h *half) abort() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop()
	h.dead = true
	if h.closed || h.end != nil {
		return
	}
	d := h.latency.draw(h.rng)
	if d == 0 {
		h.finish(errReset)
		return
	}
	h.last = time.Time{}
	h.queue(parcel{kind: parcelReset}, d)
	h.pump()
}

// kill resets the reader's end immediately.
func (h *half) kill() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop()
	h.finish(errReset)
	if h.wake != nil {
		h.wake.Stop()
	}
}
