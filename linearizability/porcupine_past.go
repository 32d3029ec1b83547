package linearizability

import (
	"cmp"
	"container/heap"
	"slices"
	"sort"
)

// pastWrites is what the pieces of a key ask about writes before them. All is by value.
type pastWrites struct {
	// first has the call of the first write, unsure that of the first write of unknown
	// outcome; 0 means none.
	first, unsure []int64
	// ret has the return of the one write of a value that is not shared, or -1.
	ret []int64
	// acked has the other writes of the values that are shared, by call. Ret is the latest
	// return so far.
	acked map[int32][]ackedWrite
}

type ackedWrite struct{ call, ret int64 }

// lastReturn returns the latest return of an acknowledged write of a value that was called
// before a cut, or -1.
func (w *pastWrites) lastReturn(value int32, from int64) int64 {
	if all, ok := w.acked[value]; ok {
		return lastReturn(all, from)
	}
	if w.first[value] < from {
		return w.ret[value]
	}
	return -1
}

func lastReturn(all []ackedWrite, from int64) int64 {
	n := sort.Search(len(all), func(i int) bool { return all[i].call >= from })
	if n == 0 {
		return -1
	}
	return all[n-1].ret
}

// pastWrites returns what pieces of the key ask about writes.
func (h *keyHistory) pastWrites() *pastWrites {
	if h.past != nil {
		return h.past
	}
	n := len(h.values)
	w := &pastWrites{first: make([]int64, n), unsure: make([]int64, n), ret: slices.Repeat([]int64{-1}, n), acked: map[int32][]ackedWrite{}}
	for i := range h.ops {
		if o := &h.ops[i]; o.kind == keyWrite {
			w.note(o, h.shared[o.value])
		}
	}
	h.past = w
	return w
}

// note notes a write.
func (w *pastWrites) note(o *keyOp, shared bool) {
	w.first[o.value] = cmp.Or(w.first[o.value], o.call)
	switch {
	case o.unknown:
		w.unsure[o.value] = cmp.Or(w.unsure[o.value], o.call)
	case !shared:
		w.ret[o.value] = max(w.ret[o.value], o.ret)
	default:
		ret := o.ret
		if all := w.acked[o.value]; len(all) > 0 {
			ret = max(ret, all[len(all)-1].ret)
		}
		w.acked[o.value] = append(w.acked[o.value], ackedWrite{o.call, ret})
	}
}

// crossing are the writes that were in progress at a cut. There may be very many, and a
// piece needs those only whose value one of its reads returns.
type crossing struct {
	byValue map[int32][]keyOp // in the order of their calls
	// ends is a heap of the cuts from which on they make no difference: when they have
	// returned, or no read returns their value any more.
	ends timeHeap
}

// add adds a write.
func (c *crossing) add(o keyOp, lastRead int64) {
	if c.byValue == nil {
		c.byValue = map[int32][]keyOp{}
	}
	c.byValue[o.value] = append(c.byValue[o.value], o)
	heap.Push(&c.ends, min(o.ret, lastRead))
}

// at returns how many writes are in progress at a cut, and have a value that is read later.
// The cuts must ascend.
func (c *crossing) at(cut int64) int {
	for len(c.ends) > 0 && c.ends[0] <= cut {
		heap.Pop(&c.ends)
	}
	return len(c.ends)
}

// of returns the writes in progress at a cut whose value is among the given ones, at most so
// many of each value that several writes share, in the order of their calls.
func (c *crossing) of(values []int32, cut int64, shared []bool, most int) (ops []keyOp) {
	for _, v := range values {
		all := c.byValue[v]
		if len(all) == 0 {
			continue
		}
		n := len(ops)
		i := 0
		for ; i < len(all) && (!shared[v] || len(ops)-n < most); i++ {
			if all[i].ret > cut {
				ops = append(ops, all[i])
			}
		}
		// Those that have returned are not looked at again.
		kept := all[i-(len(ops)-n):]
		copy(kept, ops[n:])
		c.byValue[v] = kept
	}
	slices.SortFunc(ops, func(a, b keyOp) int { return cmp.Compare(a.call, b.call) })
	return ops
}

// A timeHeap has the earliest time first.
type timeHeap []int64

func (h *timeHeap) Len() int { return len(*h) }

func (h *timeHeap) Less(a, b int) bool { return (*h)[a] < (*h)[b] }

func (h *timeHeap) Swap(a, b int) { (*h)[a], (*h)[b] = (*h)[b], (*h)[a] }

// Push is for container/heap.
func (h *timeHeap) Push(t any) {
	if t, ok := t.(int64); ok {
		*h = append(*h, t)
	}
}

// Pop is for container/heap.
func (h *timeHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	*h = old[:len(old)-1]
	return t
}
