package linearizability

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// A stampLine is the stamp of an event, and the line of the stored history that has it.
type stampLine struct {
	Stamp

	line int
}

// at checks the stamp of the line that is being read.
func (d *decoder) at(n int) (Stamp, error) {
	switch in := &d.in; {
	case in.Seq < 1 || in.Seq > mostNumber:
		return Stamp{}, errors.New(`"seq" is missing, less than 1 or more than 2^60`)
	case in.Time < 0:
		return Stamp{}, fmt.Errorf(`"t" is %d: time is not negative`, in.Time)
	case in.Proc < 0 || in.Limit < 0:
		return Stamp{}, errors.New(`"proc" and "limit" are not negative`)
	}
	at := stampLine{Stamp{Seq: d.in.Seq, Time: time.Duration(d.in.Time)}, n}
	if k := len(d.stamps); k > 0 && at.Seq <= d.stamps[k-1].Seq {
		d.unordered = true
	}
	d.stamps = append(d.stamps, at)
	return at.Stamp, nil
}

// order sorts the lists of the history by sequence number, since lines may come in
// any order. It returns an error if two events have the same sequence number, or if
// time goes back.
func (d *decoder) order() error {
	if d.unordered {
		slices.SortStableFunc(d.stamps, func(a, b stampLine) int { return cmp.Compare(a.Seq, b.Seq) })
	}
	for i := 1; i < len(d.stamps); i++ {
		before, at := d.stamps[i-1], d.stamps[i]
		switch {
		case at.Seq == before.Seq:
			return &FormatError{Line: at.line, Err: fmt.Errorf(`"seq" is %d, which line %d has already`, at.Seq, before.line)}
		case at.Time < before.Time:
			return &FormatError{Line: at.line, Err: fmt.Errorf(`"t" of event %d is %d: time goes back, event %d in line %d has %d`,
				at.Seq, int64(at.Time), before.Seq, before.line, int64(before.Time))}
		}
	}
	if !d.unordered {
		return nil
	}
	h := &d.h
	slices.SortStableFunc(h.Ops, func(a, b Operation) int { return cmp.Compare(a.Call.Seq, b.Call.Seq) })
	slices.SortStableFunc(h.Log, func(a, b LogEvent) int { return cmp.Compare(a.Seq, b.Seq) })
	slices.SortStableFunc(h.Hooks, func(a, b Hook) int { return cmp.Compare(a.Seq, b.Seq) })
	slices.SortStableFunc(h.Rebuilds, func(a, b Rebuild) int { return cmp.Compare(a.Seq, b.Seq) })
	slices.SortStableFunc(h.Snapshots, func(a, b Snapshot) int { return cmp.Compare(a.Seq, b.Seq) })
	slices.SortStableFunc(h.Statuses, func(a, b ClientStatus) int { return cmp.Compare(a.Seq, b.Seq) })
	slices.SortStableFunc(h.Watched, func(a, b WatchEvent) int { return cmp.Compare(a.Seq, b.Seq) })
	slices.SortStableFunc(h.Expiries, func(a, b Expiry) int { return cmp.Compare(a.Seq, b.Seq) })
	slices.SortStableFunc(h.Faults, func(a, b Fault) int { return cmp.Compare(a.Start.Seq, b.Start.Seq) })
	return nil
}
