package sim

import "slices"

// A transaction is one that has records in the log and has not ended.
type transaction struct {
	name  string
	first int64 // offset of its first record
}

// An extent is the part of the log from a transaction's first record to its marker. Other
// records may be in between.
type extent struct{ first, last int64 }

// parts reports whether a cut at off removes the extent's end and leaves its start.
func (e extent) parts(off int64) bool { return e.first < off && off <= e.last }

// above returns the lowest offset, from off up, at which a cut parts none.
func above(off int64, all []extent) int64 {
	for i := 0; i < len(all); i++ {
		if all[i].parts(off) {
			off, i = all[i].last+1, -1
		}
	}
	return off
}

// below returns the highest offset, from off down, at which a cut parts none.
func below(off int64, all []extent) int64 {
	for i := 0; i < len(all); i++ {
		if all[i].parts(off) {
			off, i = all[i].first, -1
		}
	}
	return off
}

// ended returns the extents of the transactions that have ended.
func (t *tap) ended() []extent {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.decided)
}
