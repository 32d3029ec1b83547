package linearizability

import (
	"slices"
	"sort"
)

// A difference of hooks is one that a process has to tell of after it has reread the log, or
// may tell of.
type hookDifference struct {
	key  int32
	none bool    // the key is gone
	recs []int32 // else the records that it may have now
	must bool
}

// differences are what differs between the state that the hooks of a process have been told and
// the one that it has reread, up to an offset: first the keys that are gone, then those that have
// another record, each in the order of keys.
type differences struct {
	x           *logIndex
	since       int64 // the event since which the log is reread
	low, high   int64 // of the offset
	first, last int64 // where the process has begun
	all         []hookDifference
	sets        int     // all from there on are set
	musts       []int32 // by index in all: the next one that must be told, or -1
	// gone are the keys that are gone, if they are told of at the end.
	gone *differences
}

// owed returns the key of a difference, from number i on, that has to be told, or -1. told says
// which keys need not be, because hooks have told of them since.
func (d *differences) owed(i int, told func(key int32) bool) int32 {
	for i < len(d.all) && d.x.spend(1) {
		n := d.musts[i]
		if n < 0 {
			break
		}
		if told == nil || !told(d.all[n].key) {
			return d.all[n].key
		}
		i = int(n) + 1
	}
	return -1
}

// find returns the number of the difference that a hook tells of, or -1.
func (d *differences) find(h *Hook) int {
	part, from := d.all[:d.sets], 0
	if !h.Delete {
		part, from = d.all[d.sets:], d.sets
	}
	i := sort.Search(len(part), func(i int) bool { return d.x.keys[part[i].key] >= h.Key })
	if i == len(part) || d.x.keys[part[i].key] != h.Key {
		return -1
	}
	if h.Delete || slices.ContainsFunc(part[i].recs, func(rec int32) bool {
		r := &d.x.records[rec]
		return d.x.classes[r.class].value == h.Value && (h.Offset == None || h.Offset == r.off)
	}) {
		return from + i
	}
	return -1
}

// finish notes which must be told.
func (d *differences) finish() {
	d.musts = make([]int32, len(d.all))
	next := int32(-1)
	for i := len(d.all) - 1; i >= 0; i-- {
		if d.all[i].must {
			next = int32(i)
		}
		d.musts[i] = next
	}
}

// differences returns what a process that rereads the log tells of, if it has read what it tells of
// in the log of an epoch, before an event: for each offset at which it may have begun.
func (f *hookFollower) differences(a *rereading, e int32, seq int64) (all []*differences) {
	changes, _ := slices.BinarySearch(f.log.changes, seq)
	for _, s := range f.scansOf(a, e, seq) {
		key := foundKey{e, changes, s.first, s.last}
		d := a.find(key)
		if d == nil {
			d = f.differ(a, &s)
			a.keep(key, d)
		}
		all = append(all, d)
	}
	return all
}

// differ returns what a process tells of that has read this.
func (f *hookFollower) differ(a *rereading, s *scan) *differences {
	d := &differences{x: f.x, since: a.seq, low: s.low, high: s.high, first: s.first, last: s.last}
	var gone, sets []hookDifference
	for _, k := range f.keysOf(a, s) {
		f.differIn(a, s, k, &gone, &sets)
	}
	if a.whole {
		if len(gone) > 0 {
			d.gone = &differences{x: f.x, since: a.seq, all: gone, sets: len(gone)}
			d.gone.finish()
		}
		gone = nil
		if !a.lossy {
			sets = nil
		}
	}
	d.all, d.sets = append(gone, sets...), len(gone)
	d.finish()
	return d
}

// A scan is what a process reads when it rereads the log of an epoch, up to an offset that is at
// least low and at most high. It begins where the log begins, between first and last.
type scan struct {
	epoch       int32
	first, last int64
	low, high   int64
	from, to    int64 // the events between which it reads
}

func (f *hookFollower) scansOf(a *rereading, e int32, seq int64) []scan {
	s := scan{epoch: e, from: a.seq, to: seq}
	s.low, s.high = f.left(a.had, e)
	low, high := f.left(a.alsoHad, e)
	s.low, s.high = min(s.low, low), max(s.high, high)
	from := max(a.seq, f.x.epochs[e].seq)
	begins := []int64{f.log.start(from)}
	if a.silent || f.late {
		if int(e)+1 < len(f.x.epochs) {
			seq = min(seq, f.x.epochs[e+1].seq-1)
		}
		begins = append(begins, f.log.startsBetween(from, seq)...)
	}
	if f.late {
		begins = append(begins, slices.DeleteFunc(f.startsAfter(e, seq), func(base int64) bool { return base < begins[0] })...)
	}
	slices.Sort(begins)
	if begins = slices.Compact(begins); len(begins) > mostBegins {
		return []scan{s.beginning(begins[0], begins[len(begins)-1])}
	}
	var all []scan
	for _, base := range begins {
		all = append(all, s.beginning(base, base))
	}
	return all
}

// mostBegins is the number of offsets at which a process may have begun to reread the log that are
// told apart.
const mostBegins = 4

// beginning returns the scan that begins between two offsets.
func (s scan) beginning(first, last int64) scan {
	s.first, s.last = first, last
	s.low, s.high = max(s.low, first), max(s.high, last)
	return s
}

// keysOf returns the keys that may differ, in order.
func (f *hookFollower) keysOf(a *rereading, s *scan) []int32 {
	if f.x.removed || s.last > 0 || len(f.maybe) > 0 || s.epoch < a.from.epoch {
		f.x.spend(len(f.x.sorted))
		return f.x.sorted
	}
	var keys []int32
	note := func(rec int32) {
		if r := &f.x.records[rec]; r.key >= 0 && f.x.spend(1) {
			keys = append(keys, r.key)
		}
	}
	for e := a.from.epoch + 1; e <= s.epoch; e++ {
		for _, rec := range f.x.epochs[e].lost {
			note(rec)
		}
	}
	l := f.x.timeline.in(s.epoch, 0)
	for i := f.x.search(l, min(s.low, a.from.at)); i < l.len() && f.x.records[l.at(i)].off < s.high; i++ {
		note(l.at(i))
	}
	slices.SortFunc(keys, func(a, b int32) int {
		if f.x.keys[a] < f.x.keys[b] {
			return -1
		} else if a == b {
			return 0
		}
		return 1
	})
	return slices.Compact(keys)
}

// states returns the records that a key may have in what a process reads, -1 for none.
func (f *hookFollower) states(s *scan, key int32) (recs []int32) {
	l := f.x.versions.in(s.epoch, key)
	for i := f.x.search(l, s.high) - 1; i >= 0 && f.x.spend(1); i-- {
		m := &f.x.records[l.at(i)]
		if m.off < s.first {
			break
		}
		rec := l.at(i)
		if f.x.classes[m.class].value == "" {
			rec = -1
		}
		recs = append(recs, rec)
		if m.off < s.low && m.off >= s.last && !f.absent(m, s.from, s.to) {
			return recs
		}
	}
	return append(recs, -1)
}

// differIn adds what is to be told of a key.
func (f *hookFollower) differIn(a *rereading, s *scan, key int32, gone, sets *[]hookDifference) {
	name := f.x.keys[key]
	old := []int32{f.held(name)}
	old = append(old, f.maybe[key]...)
	now := f.states(s, key)
	same, other := false, false
	var set []int32
	value := func(rec int32) int32 {
		if rec < 0 {
			return -1
		}
		return f.x.records[rec].class
	}
	for _, rec := range now {
		c := value(rec)
		has := slices.Contains(old, c)
		same = same || has
		other = other || !has
		if rec >= 0 && (!has || len(old) > 1 || len(f.x.written[c]) > 1) {
			set = append(set, rec)
		}
	}
	isNone := slices.Contains(now, -1)
	had := slices.ContainsFunc(old, func(c int32) bool { return c >= 0 })
	must := !same && !f.pending(a, name)
	if isNone && had {
		*gone = append(*gone, hookDifference{key: key, none: true, must: must && len(set) == 0})
	}
	if len(set) > 0 {
		*sets = append(*sets, hookDifference{key: key, recs: set, must: must && !isNone})
	}
	if a.whole && other {
		if f.maybe == nil {
			f.maybe = map[int32][]int32{}
		}
		for _, rec := range now {
			if c := value(rec); !slices.Contains(old, c) {
				f.maybe[key] = append(f.maybe[key], c)
			}
		}
	}
}

// held returns the class of the value that hooks have told of a key, -1 for none.
func (f *hookFollower) held(key string) int32 {
	h := f.told[key]
	if h == nil || h.Delete {
		return -1
	}
	return f.x.lookup(key, h.Value)
}

// pending reports whether a key that is gone is told of at the end of a rereading before, and not
// when it differs.
func (f *hookFollower) pending(a *rereading, key string) bool {
	g := a.from.gone
	return g != nil && !a.whole && g.find(&Hook{Delete: true, Key: key}) >= 0
}
