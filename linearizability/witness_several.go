package linearizability

import (
	"cmp"
	"slices"
)

// A pairing assigns records of a class to writes if some of the writes reported an offset that
// was used again. Then the earliest deadline does not say who goes first: in the log [a=-] that
// was lost and became [a=-] again, a delete that reported offset 0 may be either, and leaves the
// one that another delete needs.
type pairing struct {
	*judge

	windows []window
	records []int32
	owner   []int // by record: the window that has it, or -1
	tried   []bool
}

// assignAny assigns the records of a class to windows, those of acknowledged writes first, so that
// as many as possible have one. It returns false if there are too many to try.
func (j *judge) assignAny(c int32, windows []window) bool {
	p := &pairing{judge: j, windows: windows}
	for _, r := range j.x.written[c] {
		if j.x.unowned(r) {
			p.records, p.owner = append(p.records, r), append(p.owner, -1)
		}
	}
	if !j.x.spend(len(p.records)*len(windows)) || len(p.records)*len(windows) > 1<<16 {
		return false
	}
	slices.SortStableFunc(windows, func(a, b window) int { return cmp.Compare(a.hi, b.hi) })
	for w := range windows {
		p.tried = make([]bool, len(p.records))
		p.place(w)
	}
	for i, w := range p.owner {
		if w < 0 {
			continue
		}
		it := &j.items[windows[w].item]
		j.claim(it, p.records[i])
		first := slices.IndexFunc(p.records, func(r int32) bool { return p.fits(w, r) })
		it.paired, it.least = true, p.records[first]
		it.wrong = windows[w].at == None && j.reportedItem(windows[w].item) != None
	}
	return true
}

// place finds a record for a window, and other ones for those that have it.
func (p *pairing) place(w int) bool {
	for i, r := range p.records {
		if p.tried[i] || !p.fits(w, r) || !p.x.spend(1) {
			continue
		}
		p.tried[i] = true
		if p.owner[i] < 0 || p.place(p.owner[i]) {
			p.owner[i] = w
			return true
		}
	}
	return false
}

// fits reports whether a record can be that of a window.
func (p *pairing) fits(w int, r int32) bool {
	win, rec := &p.windows[w], &p.x.records[r]
	op := p.items[win.item].op
	if p.op(op).Outcome == OK && rec.status == aborted {
		return false
	}
	return win.opened(rec) && (win.at == None || win.at == rec.off) && (p.op(op).Outcome != OK || p.since(r) < p.op(op).Return.Seq)
}
