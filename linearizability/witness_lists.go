package linearizability

import "sort"

// The log of an epoch has the start of the log before it, up to the cut, and then its own
// records. So do the records of one key, or of any other group. If each epoch had a list of
// its own, many losses of a long log would take memory for each record and each loss. So
// lists share what they have in common: a list is a path of segments.

// A segment is a part of lists of records. The part before it is in up.
type segment struct {
	recs  []int32
	start int32 // how many records are before it
	depth int32
	up    *segment // nil if nothing is before it
	// jump is a segment further up, such that any segment above is reached in a number of
	// steps that grows with the logarithm of the depth.
	jump *segment
}

// below returns a new segment whose lists have the first n records of a list of s.
func (s *segment) below(n int32) *segment {
	if n == 0 {
		return &segment{}
	}
	up := s.holding(n - 1)
	seg := &segment{start: n, depth: up.depth + 1, up: up, jump: up}
	if j := up.jump; j != nil && j.jump != nil && up.depth-j.depth == j.depth-j.jump.depth {
		seg.jump = j.jump
	}
	return seg
}

// holding returns the segment that has record number i of a list of s.
func (s *segment) holding(i int32) *segment {
	for i < s.start {
		if s.jump.start > i {
			s = s.jump
		} else {
			s = s.up
		}
	}
	return s
}

// A list is the records from number from on, up to number to, of the path that ends in a
// segment. They are ascending by offset.
type list struct {
	seg      *segment
	from, to int32
}

func (l list) len() int { return int(l.to - l.from) }

// at returns record number i of the list.
func (l list) at(i int) int32 {
	n := l.from + int32(i)
	s := l.seg
	if n < s.start {
		s = s.holding(n)
	}
	return s.recs[n-s.start]
}

// part returns the records from number i on, up to number k.
func (l list) part(i, k int) list {
	return list{l.seg, l.from + int32(i), l.from + int32(k)}
}

// search returns the number of the first record in the list with an offset of off or above.
func (x *logIndex) search(l list, off int64) int {
	s, to := l.seg, l.to
	if s == nil {
		return 0
	}
	for x.above(s, l.to, off) {
		if to = min(to, s.start); s.up == nil {
			break
		}
		if x.above(s.jump, l.to, off) {
			s = s.jump
		} else {
			s = s.up
		}
	}
	recs := s.recs[:to-s.start]
	lo, hi := 0, len(recs)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if x.records[recs[mid]].off < off {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return max(lo+int(s.start-l.from), 0)
}

// above reports whether all records of a segment are above an offset or not in the list.
func (x *logIndex) above(s *segment, to int32, off int64) bool {
	return s.start >= to || len(s.recs) > 0 && x.records[s.recs[0]].off >= off
}

// lists has a list for each group and each epoch.
type lists []group

// A group is the lists of a group. Versions is empty if all epochs have the same one, the
// whole of first.
type group struct {
	first    segment
	versions []version
}

// A version is the list of a group from an epoch on.
type version struct {
	epoch int32
	n     int32
	seg   *segment
}

// in returns the list of a group in an epoch.
func (ls lists) in(e, group int32) list {
	g := &ls[group]
	v := g.versions
	if len(v) == 0 {
		return list{&g.first, 0, int32(len(g.first.recs))}
	}
	i := len(v) - 1
	if v[i].epoch > e {
		i = sort.Search(i, func(i int) bool { return v[i].epoch > e }) - 1
	}
	return list{v[i].seg, 0, v[i].n}
}

// group sorts the records into lists. A record for which number returns -1 is in none.
func (x *logIndex) group(groups int, number func(r int32) int32) lists {
	ls := make(lists, groups)
	count := make([]int32, groups)
	var total int32
	next := 0
	for ; next < len(x.records) && x.records[next].born == 0; next++ {
		if g := number(int32(next)); g >= 0 {
			count[g]++
			total++
		}
	}
	backing := make([]int32, total)
	for g, n := range count {
		ls[g].first.recs, backing = backing[:0:n], backing[n:]
	}
	for r := range next {
		if g := number(int32(r)); g >= 0 {
			ls[g].first.recs = append(ls[g].first.recs, int32(r))
		}
	}
	for e := 1; e < len(x.epochs); e++ {
		for _, r := range x.epochs[e].lost {
			if g := number(r); g >= 0 {
				ls[g].changed(int32(e)).n--
			}
		}
		for ; next < len(x.records) && x.records[next].born == int32(e); next++ {
			if g := number(int32(next)); g >= 0 {
				ls[g].changed(int32(e)).append(int32(next))
			}
		}
	}
	return ls
}

// changed returns the newest version of a group's list, which is that of epoch e.
func (g *group) changed(e int32) *version {
	if len(g.versions) == 0 {
		g.versions = append(g.versions, version{0, int32(len(g.first.recs)), &g.first})
	}
	last := g.versions[len(g.versions)-1]
	if last.epoch < e {
		last.epoch = e
		g.versions = append(g.versions, last)
	}
	return &g.versions[len(g.versions)-1]
}

// append adds a record to the list.
func (v *version) append(r int32) {
	if v.n != v.seg.start+int32(len(v.seg.recs)) { // others have records that this list lost
		v.seg = v.seg.below(v.n)
	}
	v.seg.recs = append(v.seg.recs, r)
	v.n++
}
