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
	// highest is the highest call of a write that was acknowledged before from, or -1.
	highest int64
	past    *pastWrites
}

// maybeLast reports whether the key can have had the value when the piece began.
func (p *piece) maybeLast(value int32) bool {
	if unsure := p.past.unsure[value]; unsure != 0 && unsure < p.from {
		return true
	}
	if value == 0 && (p.from == 0 || p.highest < 0) {
		return true // none of the writes is certain to have happened
	}
	return p.past.lastReturn(value, p.from) >= max(p.highest, 0)
}

// maybePast reports whether the key can have had the value before the piece.
func (p *piece) maybePast(value int32) bool {
	first := p.past.first[value]
	return value == 0 || (first != 0 && first < p.from)
}

// A splitter cuts the history of one key.
type splitter struct {
	h        *keyHistory
	opts     PorcupineOptions
	past     *pastWrites
	lastRead []int64 // by value: the return of the last read
	highest  int64   // the highest call of an acknowledged write before the cut
	crossing crossing
}

// split cuts a key's history into pieces of at most opts.PieceOperations operations.
// Register says to judge barrier reads only.
func (h *keyHistory) split(opts PorcupineOptions, register bool) []*piece {
	s := &splitter{h: h, opts: opts, highest: -1, lastRead: make([]int64, len(h.values)), past: h.pastWrites()}
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
		}
	}
	if register {
		slices.SortStableFunc(ops, func(a, b keyOp) int { return cmp.Compare(a.call, b.call) })
	}
	return s.cut(ops)
}

// cut makes the pieces.
func (s *splitter) cut(ops []keyOp) []*piece {
	var out []*piece
	from := int64(0)
	for len(ops) > 0 {
		n := s.length(ops, s.crossing.at(from))
		to := forever
		if n < len(ops) {
			to = ops[n].call
		}
		p := &piece{h: s.h, from: from, to: to, past: s.past, highest: s.highest}
		for _, o := range s.crossing.of(readValues(ops[:n], to), from, s.h.shared, s.opts.PieceUnknown+1) {
			o.call, o.ret, o.unknown = from, forever, true
			p.ops = append(p.ops, o)
		}
		for _, o := range ops[:n] {
			if o.kind == keyWrite && o.ret <= to && !o.unknown {
				s.highest = max(s.highest, o.call)
			}
			switch {
			case o.ret <= to || to == forever:
				p.ops = append(p.ops, o)
			case o.kind == keyWrite:
				if s.lastRead[o.value] > to {
					s.crossing.add(o, s.lastRead[o.value])
				}
				o.ret, o.unknown = forever, true
				p.ops = append(p.ops, o)
			}
		}
		p.settle(s.opts.PieceUnknown)
		if cap(p.ops) > 2*len(p.ops) {
			p.ops = slices.Clone(p.ops)
		}
		out = append(out, p)
		ops, from = ops[n:], to
	}
	return out
}

// readValues returns the values that the reads of a piece return, each once.
func readValues(ops []keyOp, to int64) (values []int32) {
	for _, o := range ops {
		if o.kind == keyRead && (o.ret <= to || to == forever) {
			values = append(values, o.value)
		}
	}
	slices.Sort(values)
	return slices.Compact(values)
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
