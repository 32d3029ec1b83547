package reference

import (
	"slices"

	lin "github.com/kvsim/kvsim/linearizability"
)

// snapshot reports whether a snapshot may have been taken in a state.
func (j *judge) snapshot(snap *lin.Snapshot, x state) bool {
	if j.torn(x) || !same(byKey(snap.Items), j.t.contents(x)) {
		return false
	}
	if snap.Kind == lin.SnapshotFinal {
		end := j.t.stable(j.t.eras[x.era], snap.Seq)
		if x.era != j.t.current(snap.Seq) || x.at != end || snap.Position > end {
			return false
		}
		// Records that show nothing may be missing from the position.
		for at := snap.Position; j.h.Header.Tap == lin.TapExact && at >= 0 && at < end; at++ {
			if r := j.t.eras[x.era].records[at]; r != nil && j.t.shows(r) {
				return false
			}
		}
		return true
	}
	// The position was read later, maybe on the way back after a loss.
	return snap.Position == lin.None || j.t.late || x.at <= snap.Position || x.era < j.t.current(snap.Seq)
}

// cold reports whether a new reader may have got a snapshot by reading the log.
func (j *judge) cold(snap *lin.Snapshot) bool {
	era := j.t.current(snap.Seq)
	e := j.t.eras[era]
	at := snap.Position
	if at == lin.None {
		at = j.t.stable(e, snap.Seq)
	}
	return at <= j.t.stable(e, snap.Seq) && slices.ContainsFunc(j.t.starts(e, snap.Seq), func(first int64) bool {
		return same(byKey(snap.Items), j.t.contents(state{era: era, base: first, at: max(first, at)}))
	})
}
