package position

import "fmt"

// gap says that compaction removed records from an offset on before they were read. The
// records that superseded them are below another offset.
//
// I25: whoever waits for a record behind from is released only when everything below upTo
// counts, because before that reads may show an older state of the record's key.
type gap struct{ from, upTo int64 }

// Missing notes that the next records that are shown leave out some from an offset on,
// because compaction removed them. The log was decided up to upTo when it was seen without
// them, so their successors are below. It is called before Show.
func (t *Tracker) Missing(from, upTo int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if upTo <= t.done {
		return
	}
	if n := len(t.gaps); n > 0 && from < t.gaps[n-1].upTo {
		// What superseded a record of the last gap may have been removed in turn.
		t.gaps[n-1].upTo = max(t.gaps[n-1].upTo, upTo)
		return
	}
	t.gaps = append(t.gaps, gap{from, upTo})
}

// Complete returns what Now does, but of the positions only as much as is complete: for each
// record below, reads show it or a later one of its key.
func (t *Tracker) Complete() (term uint64, applied, done int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.term, t.completeLocked(t.applied), t.completeLocked(t.done)
}

// completeLocked returns how much is complete of what was read up to a position.
func (t *Tracker) completeLocked(pos int64) int64 {
	for _, g := range t.gaps {
		if g.upTo > pos {
			return min(pos, g.from)
		}
	}
	return pos
}

// closeGaps forgets the gaps whose successors all count.
func (t *Tracker) closeGaps() {
	n := 0
	for n < len(t.gaps) && t.gaps[n].upTo <= t.done {
		n++
	}
	t.gaps = append(t.gaps[:0], t.gaps[n:]...)
}

// heldBy returns an error that names the gap behind which a waiter waits although the
// position has reached its target, nil if it just waits for the position.
func (t *Tracker) heldBy(w *Waiter) error {
	if w.target > t.done {
		return nil
	}
	for _, g := range t.gaps {
		if g.upTo > t.done {
			return fmt.Errorf("compaction removed records from offset %d on before this client read them, and it has to read up to offset %d to show what superseded them", g.from, g.upTo)
		}
	}
	return nil
}
