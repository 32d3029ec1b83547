package linearizability

import (
	"cmp"
	"slices"
)

// A piece is a part of a key's history, from one instant between two calls to another.
// Histories are judged in pieces because porcupine's search takes exponential time at
// worst. J4: a cut must never make a legal history illegal. It only ever removes
// constraints:
//
//   - A read that is in progress at the cut is left out.
//   - A write that is in progress at the cut is put into both pieces, with an unknown
//     outcome, because it is not known in which of them it took effect.
//   - At the start of a piece the key may have any value that can have been the last
//     before the cut: that of a write that no acknowledged write followed before the
//     cut, or that of any write of unknown outcome.
//   - A read that may lag can return any value from before the cut, as long as its
//     process has not seen a value from after it.
//
// A write of unknown outcome may be constrained further. If no read of the piece returns
// its value, it can be left out: whenever the other operations have a legal order without
// it, they have one with it. If a read returns its value, the write happened before the
// first such read returned.
//
// Cutting hides violations whose evidence lies on both sides of a cut.
type piece struct {
	h    *keyHistory
	ops  []keyOp
	from int64 // the cut before it, 0 for the first piece
	to   int64 // the cut after it, or forever
	// last has the values of the acknowledged writes that can have been the last
	// one before from.
	last map[int32]bool
	// past has, for each value, the call of the first write of it, and unsure the
	// call of the first write of it with an unknown outcome. 0 means none.
	past, unsure []int64
}

// maybeLast reports whether the key can have had the value when the piece began.
func (p *piece) maybeLast(value int32) bool {
	return p.last[value] || (p.unsure[value] != 0 && p.unsure[value] < p.from)
}

// maybePast reports whether the key can have had the value before the piece.
func (p *piece) maybePast(value int32) bool {
	return value == 0 || (p.past[value] != 0 && p.past[value] < p.from)
}

// A splitter cuts the history of one key.
type splitter struct {
	h        *keyHistory
	opts     PorcupineOptions
	past     []int64 // by value, as in piece
	unsure   []int64
	lastRead []int64 // by value: the return of the last read
	carried  []lastWrite
	highest  int64 // the highest call of an acknowledged write before the cut
}

// A lastWrite is a write that may be the last one before a cut.
type lastWrite struct {
	value int32
	ret   int64
}

// initially is the return of an imagined first write, which leaves the key without a
// value.
const initially = int64(-1)

// split cuts a key's history into pieces of at most opts.PieceOperations operations.
// Register says to judge barrier reads only.
func (h *keyHistory) split(opts PorcupineOptions, register bool) []*piece {
	n := len(h.values)
	s := &splitter{
		h: h, opts: opts, highest: -1,
		past: make([]int64, n), unsure: make([]int64, n), lastRead: make([]int64, n),
	}
	ops := make([]keyOp, 0, len(h.ops))
	for _, o := range h.ops {
		if o.kind == keyRead && register {
			if !o.barrier {
				continue
			}
			o.call = o.since
		}
		ops = append(ops, o)
		if o.kind == keyRead {
			s.lastRead[o.value] = max(s.lastRead[o.value], o.ret)
			continue
		}
		s.past[o.value] = cmp.Or(s.past[o.value], o.call)
		if o.unknown && s.unsure[o.value] == 0 {
			s.unsure[o.value] = o.call
		}
	}
	if register {
		slices.SortStableFunc(ops, func(a, b keyOp) int { return cmp.Compare(a.call, b.call) })
	}
	s.carried = []lastWrite{{0, initially}}
	return s.cut(ops)
}

// cut makes the pieces.
func (s *splitter) cut(ops []keyOp) []*piece {
	var out []*piece
	var crossing []keyOp // writes that were in progress at the previous cut
	from := int64(0)
	for len(ops) > 0 {
		n := s.length(ops, len(crossing))
		to := forever
		if n < len(ops) {
			to = ops[n].call
		}
		p := &piece{h: s.h, from: from, to: to, past: s.past, unsure: s.unsure, last: s.last(from)}
		var still []keyOp
		for _, o := range crossing {
			if o.ret > to && s.lastRead[o.value] > to {
				still = append(still, o)
			}
			o.call, o.ret, o.unknown = from, forever, true
			p.ops = append(p.ops, o)
		}
		for _, o := range ops[:n] {
			s.note(o, to)
			switch {
			case o.ret <= to || to == forever:
				p.ops = append(p.ops, o)
			case o.kind == keyWrite:
				if s.lastRead[o.value] > to {
					still = append(still, o)
				}
				o.ret, o.unknown = forever, true
				p.ops = append(p.ops, o)
			}
		}
		p.settle(s.opts.PieceUnknown)
		out = append(out, p)
		crossing, ops, from = still, ops[n:], to
	}
	return out
}

// length returns how many operations the next piece takes. In the last third of those
// that fit, it cuts where the fewest operations are in progress.
func (s *splitter) length(ops []keyOp, crossing int) int {
	most := max(s.opts.PieceOperations-crossing, 8)
	if len(ops) <= most {
		return len(ops)
	}
	best, fewest := most, len(ops)
	for n := most; n > most*2/3; n-- {
		open := 0
		for i := n - 1; i >= 0 && i >= n-2*most; i-- {
			if o := &ops[i]; o.ret > ops[n].call && !o.unknown {
				open++
			}
		}
		if open < fewest {
			best, fewest = n, open
		}
		if open == 0 {
			break
		}
	}
	return best
}

// note updates the set of writes that may be the last one before the cut at to.
func (s *splitter) note(o keyOp, to int64) {
	if o.kind != keyWrite {
		return
	}
	if o.ret <= to && !o.unknown {
		s.highest = max(s.highest, o.call)
	}
	if !o.unknown {
		s.carried = append(s.carried, lastWrite{o.value, o.ret})
	}
}

// last returns the values of the acknowledged writes that may be the last one before
// a cut, and "no value" if there may have been none.
func (s *splitter) last(from int64) map[int32]bool {
	if from > 0 && s.highest >= 0 {
		s.carried = slices.DeleteFunc(s.carried, func(w lastWrite) bool {
			return w.ret == initially || w.ret < s.highest
		})
	}
	last := make(map[int32]bool, len(s.carried))
	for _, w := range s.carried {
		last[w.value] = true
	}
	return last
}

// settle removes the writes of unknown outcome that make no difference. If more than
// most are left, it also removes the reads that return their values.
func (p *piece) settle(most int) {
	p.dropUnread()
	unknown := 0
	for _, o := range p.ops {
		if o.unknown && o.ret == forever {
			unknown++
		}
	}
	if unknown <= most {
		return
	}
	// Remove the reads of values that several unknown writes share.
	from := forever
	for _, o := range p.ops {
		if o.unknown && p.h.shared[o.value] {
			from = min(from, o.call)
		}
	}
	p.ops = slices.DeleteFunc(p.ops, func(o keyOp) bool {
		return o.kind == keyRead && p.h.shared[o.value] && o.ret > from
	})
	p.dropUnread()
}

// dropUnread removes the unknown writes whose value no read returns. The others are
// given the return of the first read that returned their value.
func (p *piece) dropUnread() {
	first := map[int32]int64{}
	for _, o := range p.ops {
		if o.kind != keyRead {
			continue
		}
		if ret, ok := first[o.value]; !ok || o.ret < ret {
			first[o.value] = o.ret
		}
	}
	kept := p.ops[:0]
	for _, o := range p.ops {
		if o.kind == keyWrite && o.unknown {
			ret, read := first[o.value]
			if !read {
				continue
			}
			// A write that was called before the piece may have happened before it.
			if !p.h.shared[o.value] && o.call > p.from && o.call < ret {
				o.ret = ret
			}
		}
		kept = append(kept, o)
	}
	p.ops = kept
}

// narrowed returns the piece with writes of unknown outcome that took effect as late as
// they can have: while the first read that returned their value was under way. An order
// that explains it explains the piece too, and is found without trying each order of the
// writes. It returns nil if that would save nothing.
func (p *piece) narrowed() *piece {
	first := map[int32]keyOp{}
	for _, o := range p.ops {
		if r, ok := first[o.value]; o.kind == keyRead && (!ok || o.ret < r.ret) {
			first[o.value] = o
		}
	}
	n, many := *p, 0
	n.ops = slices.Clone(p.ops)
	for i := range n.ops {
		o := &n.ops[i]
		if r, ok := first[o.value]; ok && o.kind == keyWrite && o.unknown && !p.h.shared[o.value] && o.call < r.ret {
			o.call, o.ret = max(o.call, r.call), min(o.ret, r.ret)
			many++
		}
	}
	if many < fewUnknown {
		return nil
	}
	return &n
}

// fewUnknown is how many writes of unknown outcome in a piece are tried in each order
// from the start.
const fewUnknown = 4
