package linearizability

import (
	"cmp"
	"slices"
	"sort"
)

// visible reports whether readers of committed records ever see the record.
func (r *record) visible() bool { return r.key >= 0 && r.status == committed }

// sort builds the lists of records.
func (x *logIndex) sort() {
	x.timeline = x.group(1, func(int32) int32 { return 0 })
	x.versions = x.group(len(x.keys), func(r int32) int32 {
		if rec := &x.records[r]; rec.visible() {
			return rec.key
		}
		return -1
	})
	x.byClass = x.group(len(x.classes), func(r int32) int32 {
		if rec := &x.records[r]; rec.visible() {
			return rec.class
		}
		return -1
	})
	x.none = slices.Repeat([]int32{-1}, len(x.keys))
	for c := range x.classes {
		if x.classes[c].value == "" {
			x.none[x.classes[c].key] = int32(c)
		}
	}
	x.sorted = make([]int32, len(x.keys))
	for i := range x.sorted {
		x.sorted[i] = int32(i)
	}
	slices.SortFunc(x.sorted, func(a, b int32) int { return cmp.Compare(x.keys[a], x.keys[b]) })
}

// at returns the record at an offset in an epoch, or -1.
func (x *logIndex) at(e int32, off int64) int32 {
	t := x.timeline.in(e, 0)
	if i := x.search(t, off); i < t.len() {
		if r := t.at(i); x.records[r].off == off {
			return r
		}
	}
	return -1
}

// placed returns all records of a class that were ever appended at an offset, in the order
// in which they were.
func (x *logIndex) placed(class int32, off int64) []int32 {
	if class < 0 {
		return nil
	}
	if x.places == nil {
		x.places = make([]int32, 0, len(x.records))
		for _, recs := range x.written {
			at := len(x.places)
			x.places = append(x.places, recs...)
			slices.SortStableFunc(x.places[at:], func(a, b int32) int { return cmp.Compare(x.records[a].off, x.records[b].off) })
		}
		x.classAt = make([]int32, len(x.written)+1)
		for c, recs := range x.written {
			x.classAt[c+1] = x.classAt[c] + int32(len(recs))
		}
	}
	recs := x.places[x.classAt[class]:x.classAt[class+1]]
	lo := sort.Search(len(recs), func(i int) bool { return x.records[recs[i]].off >= off })
	hi := lo + sort.Search(len(recs)-lo, func(i int) bool { return x.records[recs[lo+i]].off > off })
	return recs[lo:hi]
}

// reach returns how far readers could get in an epoch up to an event.
func (x *logIndex) reach(e int32, seq int64) step {
	i := sort.Search(len(x.steps), func(i int) bool { return x.steps[i].seq > seq })
	if i == 0 {
		return step{}
	}
	s := x.steps[i-1]
	if s.epoch != e {
		// The epoch is over: readers may know all of it that a transaction did not hide.
		return step{seq: s.seq, epoch: e, end: x.epochs[e].end, lso: x.epochs[e].settled}
	}
	return s
}
