package linearizability

import (
	"cmp"
	"slices"
)

// Porcupine's search is exponential at worst, so that a key's history is judged
// in pieces. J4: a cut must never make a legal history illegal. It is at an instant
// between two calls, and it only ever takes constraints away:
//
//   - A read that is in progress at the cut is left out.
//   - A write that is in progress is in the pieces on both sides, in each as
//     one of unknown outcome: it took effect in one of them.
//   - A piece begins with any value that can have been the last before the cut:
//     of a write that no acknowledged write followed before the cut, and of
//     each write of unknown outcome.
//   - A read that may lag can see any value of the time before the cut, as long
//     as its process has not seen one of after it.
//
// So can a write of unknown outcome be taken away: if no read of the piece has
// its value, the others have an order with it if they have one without it; and
// if one has, it happened before the first such read returned.
//
// What is lost is a violation that needs evidence from both sides of a cut.
type piece struct {
	h    *keyHistory
	ops  []keyOp
	from int64 // the cut before it, 0 for the first piece
	to   int64 // the cut after it, or forever
	// last has the values of acknowledged writes that can have been the last
	// before from.
	last map[int32]bool
	// past and unsure have, by value, the call of the first write, and of the
	// first write of unknown outcome; 0 if there is none.
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

// initially marks that a key has no value before the first write.
const initially = int64(-1)

// split cuts a key's history into pieces of at most n operations. Register says
// that only barrier reads are judged.
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
		if s.past[o.value] == 0 {
			s.past[o.value] = o.call
		}
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
	var crossing []keyOp // writes that are in progress at the cut before
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

// length returns how many of the operations the next piece takes: the cut is
// where the fewest are in progress, in the last third of what fits.
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

// note keeps which writes may be the last before the cut at to.
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

// last returns the values of acknowledged writes that may be the last before a
// cut, and no value if there was no such write.
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

// settle takes away the unknown writes that make no difference, and, if there
// are still more than most, the reads that could tell them apart.
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
	// Take away the reads of values that several unknown writes share.
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

// dropUnread drops the unknown writes whose value is not read, and lets those
// that are read return when the first such read did.
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
			// A write from before the piece may have happened before it.
			if !p.h.shared[o.value] && o.call > p.from && o.call < ret {
				o.ret = ret
			}
		}
		kept = append(kept, o)
	}
	p.ops = kept
}
