package linearizability

import (
	"math"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
)

// A sessionOp is an operation of the session model. Writes, values and processes are
// numbered within the piece.
type sessionOp struct {
	kind  keyOpKind
	write int32 // for a write or its acknowledgement: the number of the write
	value int32 // the number of the value
	proc  int32
	past  bool // a read of a value that the key may have had before the piece
	of    *keyOp
}

// A sessionState is the order of the writes so far, and how much of it each process
// has seen. Whatever can make no difference to later operations is dropped, so that
// orders that differ in nothing else become the same state. Without that, each pair of
// concurrent writes would double the search.
//
// Invariant: a state is not changed once a step has returned it.
type sessionState struct {
	// writes are the numbers of the writes that matter, in order.
	writes []int32
	// floor has, for each process, the index in writes of the oldest write that
	// the process may still read. It is beforeAll if the process may also read a
	// value from before the piece, and seenAll if it has no more reads to come.
	floor []int16
	// reads, own and acks say what is still to come: the number of reads of each
	// value, the number of reads of each process, and whether each write will be
	// acknowledged.
	reads, own []int16
	acks       []bool
	hash       uint64
}

const (
	beforeAll = int16(-1)
	seenAll   = int16(math.MaxInt16)
)

// session returns the model of a session and the operations of the piece in the form
// that it takes. Writes are linearizable. A read may lag: it returns a value that was
// written before, but none older than what its process has seen, by reading a value or
// by having its own write acknowledged.
//
// The acknowledgement is an operation of its own, right after the write. Until its write
// has returned, a process need not see it, even if other processes already do.
func (p *piece) session(steps *stepCounter) (porcupine.Model, []porcupine.Operation) {
	b := sessionBuilder{piece: p, values: map[int32]int32{}, procs: map[int32]int32{}}
	for i := range p.ops {
		b.add(&p.ops[i])
	}
	first := b.first()
	model := porcupine.Model{
		Init: func() any { return first },
		Step: func(state, input, _ any) (bool, any) {
			s, ok1 := state.(*sessionState)
			o, ok2 := input.(*sessionOp)
			if !ok1 || !ok2 || !steps.next() {
				return false, state
			}
			n := s.step(o, b.valueOf)
			return n != nil, n
		},
		Equal: func(x, y any) bool {
			s, ok1 := x.(*sessionState)
			t, ok2 := y.(*sessionState)
			return ok1 && ok2 && slices.Equal(s.writes, t.writes) && slices.Equal(s.floor, t.floor)
		},
		Hash: func(state any) uint64 {
			if s, ok := state.(*sessionState); ok && s != nil {
				return s.hash
			}
			return 0
		},
		DescribeOperation: func(input, _ any) string { return p.describe(input) },
		DescribeState: func(state any) string {
			if s, ok := state.(*sessionState); ok && s != nil {
				return escape(b.describe(s))
			}
			return ""
		},
	}
	return model, b.ops
}

type sessionBuilder struct {
	piece   *piece
	values  map[int32]int32 // from the key's number of a value to the piece's
	procs   map[int32]int32
	valueOf []int32 // by write
	names   []string
	ops     []porcupine.Operation
}

func number(m map[int32]int32, key int32) int32 {
	n, ok := m[key]
	if !ok {
		n = int32(len(m))
		m[key] = n
	}
	return n
}

func (b *sessionBuilder) add(o *keyOp) {
	s := &sessionOp{kind: o.kind, value: number(b.values, o.value), proc: number(b.procs, o.proc), of: o, write: -1}
	op := porcupine.Operation{ClientId: int(o.proc), Input: s, Call: o.call, Return: o.ret}
	if o.kind == keyRead {
		s.past = b.piece.maybePast(o.value)
		b.ops = append(b.ops, op)
		return
	}
	s.write = int32(len(b.valueOf))
	b.valueOf = append(b.valueOf, s.value)
	b.names = append(b.names, b.piece.valueName(o.value))
	b.ops = append(b.ops, op)
	if !o.unknown {
		ack := *s
		ack.kind = keyAck
		b.ops = append(b.ops, porcupine.Operation{ClientId: int(o.proc), Input: &ack, Call: o.ret + 1, Return: o.ret + 1})
	}
}

// first returns the state at the start of the piece.
func (b *sessionBuilder) first() *sessionState {
	s := &sessionState{
		floor: make([]int16, len(b.procs)), own: make([]int16, len(b.procs)),
		reads: make([]int16, len(b.values)), acks: make([]bool, len(b.valueOf)),
	}
	for _, op := range b.ops {
		switch o, ok := op.Input.(*sessionOp); {
		case !ok:
		case o.kind == keyRead:
			s.reads[o.value]++
			s.own[o.proc]++
		case o.kind == keyAck:
			s.acks[o.write] = true
		}
	}
	for i := range s.floor {
		s.floor[i] = beforeAll
	}
	s.settle(b.valueOf)
	return s
}

// step returns the state after an operation, or nil if the operation is illegal in
// state s.
func (s *sessionState) step(o *sessionOp, valueOf []int32) *sessionState {
	n := *s
	switch o.kind {
	case keyWrite:
		n.writes = append(slices.Clip(s.writes), o.write)
	case keyAck:
		at := slices.Index(s.writes, o.write)
		if at < 0 {
			return nil // the write must come first
		}
		n.acks = slices.Clone(s.acks)
		n.acks[o.write] = false
		n.see(o.proc, int16(at))
	case keyRead:
		at := beforeAll
		if s.floor[o.proc] != beforeAll || !o.past {
			if at = s.find(o, valueOf); at < 0 {
				return nil
			}
		}
		n.reads, n.own = slices.Clone(s.reads), slices.Clone(s.own)
		n.reads[o.value]--
		n.own[o.proc]--
		n.see(o.proc, at)
	}
	n.settle(valueOf)
	return &n
}

// find returns the index of the oldest write whose value the read can have returned, or
// -1. The oldest leaves the most freedom to later reads.
func (s *sessionState) find(o *sessionOp, valueOf []int32) int16 {
	for i := max(0, s.floor[o.proc]); int(i) < len(s.writes); i++ {
		if valueOf[s.writes[i]] == o.value {
			return i
		}
	}
	return -1
}

// see raises the floor of a process.
func (s *sessionState) see(proc int32, at int16) {
	if at > s.floor[proc] {
		s.floor = slices.Clone(s.floor)
		s.floor[proc] = at
	}
}

// settle drops what can make no difference to later operations. It clones the slices
// that it changes.
func (s *sessionState) settle(valueOf []int32) {
	lowest := seenAll
	floor := s.floor
	for i, f := range floor {
		if s.own[i] == 0 && f != seenAll {
			floor = slices.Clone(floor)
			floor[i] = seenAll
		}
		lowest = min(lowest, floor[i])
	}
	matters := func(i int) bool {
		w := s.writes[i]
		return s.acks[w] || (int16(i) >= lowest && s.reads[valueOf[w]] > 0)
	}
	kept := 0
	for i := range s.writes {
		if matters(i) {
			kept++
		}
	}
	if kept < len(s.writes) {
		writes := make([]int32, 0, kept)
		index := make([]int16, len(s.writes)+1) // from old to new
		for i, w := range s.writes {
			index[i] = int16(len(writes))
			if matters(i) {
				writes = append(writes, w)
			}
		}
		index[len(s.writes)] = int16(len(writes))
		floor = slices.Clone(floor)
		for i, f := range floor {
			if f != beforeAll && f != seenAll {
				floor[i] = index[f]
			}
		}
		s.writes = writes
	}
	s.floor = floor
	s.rehash()
}

func (s *sessionState) rehash() {
	h := uint64(len(s.writes))
	for _, w := range s.writes {
		h = mix(h ^ uint64(uint32(w)))
	}
	for _, f := range s.floor {
		h = mix(h ^ uint64(uint16(f)))
	}
	s.hash = h
}

// mix is the finalizer of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// describe describes a state for porcupine's picture.
func (b *sessionBuilder) describe(s *sessionState) string {
	var names []string
	for _, w := range s.writes {
		names = append(names, b.names[w])
	}
	return "order of writes: " + strings.Join(names, ", ")
}
