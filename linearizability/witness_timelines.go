package linearizability

import (
	"cmp"
	"slices"
	"sort"
)

// visible reports whether readers of committed records ever see the record.
func (r *record) visible() bool { return r.key >= 0 && r.status == committed }

// group builds the lists of each epoch.
func (x *logIndex) group() {
	all := func(r *record) int32 { return 0 }
	for _, t := range x.lists(1, all) {
		x.timeline = append(x.timeline, t[0])
	}
	x.versions = x.lists(len(x.keys), func(r *record) int32 {
		if !r.visible() {
			return -1
		}
		return r.key
	})
	x.byClass = x.lists(len(x.classes), func(r *record) int32 {
		if !r.visible() {
			return -1
		}
		return r.class
	})
	x.sorted = make([]int32, len(x.keys))
	for i := range x.sorted {
		x.sorted[i] = int32(i)
	}
	slices.SortFunc(x.sorted, func(a, b int32) int { return cmp.Compare(x.keys[a], x.keys[b]) })
}

// lists returns, by epoch and group, the records of the group that are in the log in that
// epoch. Epochs share the lists that did not change.
func (x *logIndex) lists(groups int, group func(*record) int32) [][][]int32 {
	first := make([][]int32, groups)
	count := make([]int32, groups)
	var total int32
	for i := range x.records {
		if g := group(&x.records[i]); g >= 0 && x.records[i].born == 0 {
			count[g]++
			total++
		}
	}
	backing := make([]int32, total)
	for g, n := range count {
		first[g], backing = backing[:0:n], backing[n:]
	}
	out := [][][]int32{first}
	next := 0
	for ; next < len(x.records) && x.records[next].born == 0; next++ {
		if g := group(&x.records[next]); g >= 0 {
			first[g] = append(first[g], int32(next))
		}
	}
	for e := 1; e < len(x.epochs); e++ {
		lists := slices.Clone(out[e-1])
		for g, list := range lists {
			n := sort.Search(len(list), func(i int) bool { return x.records[list[i]].died <= int32(e) })
			lists[g] = list[:n:n]
		}
		for ; next < len(x.records) && x.records[next].born == int32(e); next++ {
			if g := group(&x.records[next]); g >= 0 {
				lists[g] = append(lists[g], int32(next))
			}
		}
		out = append(out, lists)
	}
	return out
}

// at returns the record at an offset in an epoch, or -1.
func (x *logIndex) at(e int32, off int64) int32 {
	t := x.timeline[e]
	i := x.search(t, off)
	if i < len(t) && x.records[t[i]].off == off {
		return t[i]
	}
	return -1
}

// search returns the index of the first record in the list with an offset of
// off or above.
func (x *logIndex) search(list []int32, off int64) int {
	lo, hi := 0, len(list)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if x.records[list[mid]].off < off {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// current returns the epoch in which an event falls.
func (x *logIndex) current(seq int64) int32 {
	e := len(x.epochs) - 1
	for e > 0 && x.epochs[e].seq > seq {
		e--
	}
	return int32(e)
}

// reach returns how far readers could get in an epoch up to an event.
func (x *logIndex) reach(e int32, seq int64) step {
	i := sort.Search(len(x.steps), func(i int) bool { return x.steps[i].seq > seq })
	if i == 0 {
		return step{}
	}
	s := x.steps[i-1]
	if s.epoch != e {
		// The epoch is over: readers may know all of it.
		end := x.epochs[e].end
		return step{seq: s.seq, epoch: e, end: end, lso: end}
	}
	return s
}
