package linearizability

import (
	"fmt"
	"slices"
)

// snapshot judges the full state of a process, taken while others may be writing, as a
// read of all keys. checkStates judges final and cold states.
func (s *sweeper) snapshot(snap *Snapshot) {
	if snap.Kind != SnapshotClient {
		if snap.Kind == SnapshotFinal && s.track != nil {
			s.final(snap)
		}
		return
	}
	p := s.process(snap.Client, snap.Process)
	s.judged(CheckOnePosition)
	s.judged(CheckReadFromLog)
	if key, twice := keyTwice(snap.Items); twice {
		v := s.ofSnapshot(CheckOnePosition, snap)
		v.Key = key
		v.Reason = fmt.Sprintf("the state of %s lists key %s twice", who(snap.Client, snap.Process), quote(key))
		s.violate(v)
		return
	}
	if i := slices.IndexFunc(snap.Items, func(it Item) bool { return it.Value == "" }); i >= 0 {
		v := s.ofSnapshot(CheckOnePosition, snap)
		v.Key = snap.Items[i].Key
		v.Reason = fmt.Sprintf("the state of %s lists key %s without a value", who(snap.Client, snap.Process), quote(v.Key))
		s.violate(v)
		return
	}
	r := &s.scratch
	*r = read{seq: snap.Seq, proc: p, pos: snap.Position, batches: s.runs(CheckBatchVisible), targets: r.targets[:0]}
	r.targets = s.state(r.targets, snap.Items, "", "", snap.Seq)
	for i, it := range snap.Items {
		if t := &r.targets[i]; it.Revision != None && t.off == None && t.class >= 0 {
			v := s.ofSnapshot(CheckRevision, snap)
			v.Key, v.Offsets = it.Key, []int64{it.Revision}
			v.Reason = fmt.Sprintf("the state of %s has %s = %s from offset %d, but there is %s",
				who(snap.Client, snap.Process), quote(it.Key), it.Value, it.Revision, s.whatIsAt(it.Revision, snap.Seq))
			s.violate(v)
			return
		}
	}
	if pos, ok := s.x.least(r, s.x.joined(&p.bounds), r.reach(s.x)); ok {
		s.raise(p, causeSeen, bound{pos, -1})
		if s.track != nil {
			s.holds(snap, p, r)
		}
		return
	}
	v := s.ofSnapshot(CheckOnePosition, snap)
	v.Reason = fmt.Sprintf("the state of %s is not the log's at any position", who(snap.Client, snap.Process))
	if pos, ok := s.x.least(r, position{}, r.reach(s.x)); ok {
		v.Check = CheckMonotonicReads
		v.Reason = fmt.Sprintf("the state of %s is the log's at position %d, but it had been beyond that", who(snap.Client, snap.Process), pos.off)
		v.Offsets = []int64{max(0, pos.off-1)}
	}
	s.violate(v)
}

// final judges the final state of a process by where the process may be.
func (s *sweeper) final(snap *Snapshot) {
	p := s.process(snap.Client, snap.Process)
	if _, twice := keyTwice(snap.Items); twice {
		return
	}
	r := &s.scratch
	*r = read{seq: snap.Seq, proc: p, pos: None, batches: s.runs(CheckBatchVisible), targets: r.targets[:0]}
	r.targets = s.state(r.targets, snap.Items, "", "", snap.Seq)
	s.holds(snap, p, r)
}

func (j *judge) ofSnapshot(check CheckID, snap *Snapshot) *Violation {
	return &Violation{
		Check: check, Client: snap.Client, Process: snap.Process, From: snap.Stamp, To: snap.Stamp,
		Evidence: []string{fmt.Sprintf("%s snapshot of %s at %s with %d keys", snap.Kind, who(snap.Client, snap.Process), snap.Time, len(snap.Items))},
	}
}

// checkStates judges the final states of clients and the states of cold readers.
func (j *judge) checkStates() {
	for i := range j.h.Snapshots {
		if j.x.spent() {
			return
		}
		snap := &j.h.Snapshots[i]
		switch snap.Kind {
		case SnapshotFinal:
			j.judged(CheckConvergence)
			j.compareState(CheckConvergence, snap)
		case SnapshotCold:
			j.judged(CheckCompaction)
			j.compareState(CheckCompaction, snap)
		case SnapshotClient:
		}
	}
}

// compareState compares a state with the log's state at its end, or, for a cold reader, at
// the position up to which it had read.
func (j *judge) compareState(check CheckID, snap *Snapshot) {
	e := j.x.current(snap.Seq)
	at := j.x.reach(e, snap.Seq).lso
	if j.h.Header.Tap != TapExact {
		// The records may have been noted later. A transaction that never ended hides them.
		e = int32(len(j.x.epochs) - 1)
		at = j.x.settled
	}
	if key, twice := keyTwice(snap.Items); twice {
		v := j.ofSnapshot(check, snap)
		v.Key = key
		v.Reason = fmt.Sprintf("the state of %s lists key %s twice", who(snap.Client, snap.Process), quote(key))
		j.violate(v)
		return
	}
	if snap.Position > at {
		v := j.ofSnapshot(check, snap)
		v.Also, v.Offsets = []CheckID{CheckPosition}, []int64{at}
		v.Reason = fmt.Sprintf("the state of %s is said to be that at position %d, but readers could get to %d only",
			who(snap.Client, snap.Process), snap.Position, at)
		j.violate(v)
		return
	}
	if snap.Position != None && (snap.Kind == SnapshotCold || j.h.Header.Tap == TapExact && j.shows(e, snap.Position, at)) {
		at = snap.Position
		if snap.Kind == SnapshotFinal {
			v := j.ofSnapshot(check, snap)
			v.Also, v.Offsets = []CheckID{CheckPosition}, []int64{snap.Position}
			v.Reason = fmt.Sprintf("%s had not caught up: it was at position %d, and there was more to read", who(snap.Client, snap.Process), snap.Position)
			j.violate(v)
			return
		}
	}
	var best *difference
	for _, base := range j.basesOf(snap, e) {
		if d := j.differs(snap, e, base, at); d.count == 0 {
			return
		} else if best == nil || d.count < best.count {
			best = d
		}
	}
	v := j.ofSnapshot(check, snap)
	v.Key, v.Offsets = best.key, best.offsets
	what := "the final state of " + who(snap.Client, snap.Process)
	if snap.Kind == SnapshotCold {
		what = "what " + snap.Client + " read from the log"
	}
	v.Reason = fmt.Sprintf("%s differs from the log at position %d%s in %d keys: %s", what, at, best.from(), best.count, best.wrong[0])
	v.Evidence = append(v.Evidence, best.wrong[1:]...)
	j.violate(v)
}

// shows reports whether the log has a record between two offsets that readers see.
func (j *judge) shows(e int32, from, to int64) bool {
	l := j.x.timeline.in(e, 0)
	for i, end := j.x.search(l, from), j.x.search(l, to); i < end && j.x.spend(1); i++ {
		if j.x.records[l.at(i)].visible() {
			return true
		}
	}
	return false
}

// keyTwice returns a key that a state lists twice.
func keyTwice(items []Item) (string, bool) {
	seen := make(map[string]struct{}, len(items))
	for _, it := range items {
		if _, ok := seen[it.Key]; ok {
			return it.Key, true
		}
		seen[it.Key] = struct{}{}
	}
	return "", false
}

// basesOf returns the offsets at which the process of a snapshot may have started to apply
// the log.
func (j *judge) basesOf(snap *Snapshot, e int32) []int64 {
	p := j.processes[processID{snap.Client, snap.Process}]
	if p == nil || snap.Kind == SnapshotCold {
		p = &process{} // nothing is known about it
	}
	return slices.Clone(j.x.bases(p, snap.Seq, e))
}

// A difference is how a state differs from that of the log, applied from base on.
type difference struct {
	base    int64
	count   int      // how many keys differ
	wrong   []string // one line for each of the first keys
	key     string   // the first of them
	offsets []int64
}

func (d *difference) add(key, got, want string, off int64) {
	if d.count == 0 {
		d.key = key
	}
	if d.count++; d.count > 8 {
		return
	}
	d.wrong = append(d.wrong, fmt.Sprintf("key %s has %s, want %s", quote(key), valueName(got), want))
	if off >= 0 {
		d.offsets = append(d.offsets, off)
	}
}

// from describes the base.
func (d *difference) from() string {
	if d.base == 0 {
		return ""
	}
	return fmt.Sprintf(", read from offset %d on,", d.base)
}

// differs compares a state with the log's state at a position, applied from base on.
func (j *judge) differs(snap *Snapshot, e int32, base, at int64) *difference {
	d := &difference{base: base}
	have := make(map[int32]Item, len(snap.Items))
	for _, it := range snap.Items {
		k, ok := j.x.keyID[it.Key]
		if !ok {
			d.add(it.Key, it.Value, "no value: the log never had the key", -1)
			continue
		}
		have[k] = it
	}
	for _, k := range j.x.sorted {
		if !j.x.spend(1) {
			break
		}
		it, has := have[k]
		rec, want := j.stateAt(e, k, at)
		if rec >= 0 && j.x.records[rec].off < base {
			rec, want = -1, ""
		}
		if has && want != "" && it.Value == want {
			if off := j.x.records[rec].off; it.Revision != None && it.Revision != off {
				d.add(it.Key, fmt.Sprintf("%s from offset %d", want, it.Revision), fmt.Sprintf("it from offset %d", off), off)
			}
			continue
		}
		if (!has && want == "") || (rec >= 0 && j.x.goneBefore(&j.x.records[rec], e)) {
			continue
		}
		if rec >= 0 {
			off := j.x.records[rec].off
			d.add(j.x.keys[k], it.Value, fmt.Sprintf("%s from offset %d", valueName(want), off), off)
		} else {
			d.add(j.x.keys[k], it.Value, "no value: the key was not written", -1)
		}
	}
	return d
}

// stateAt returns the record that determines a key at a position, or -1, and the value.
func (j *judge) stateAt(e, k int32, at int64) (rec int32, value string) {
	versions := j.x.versions.in(e, k)
	i := j.x.search(versions, at)
	if i == 0 {
		return -1, ""
	}
	rec = versions.at(i - 1)
	return rec, j.x.classes[j.x.records[rec].class].value
}

// checkFinalAgreement compares final states with each other, if there is no log to compare
// them with.
func (j *judge) checkFinalAgreement() {
	var first *Snapshot
	want := map[string]string{}
	for i := range j.h.Snapshots {
		snap := &j.h.Snapshots[i]
		if snap.Kind != SnapshotFinal {
			continue
		}
		j.judged(CheckConvergence)
		if first == nil {
			first = snap
			for _, it := range snap.Items {
				want[it.Key] = it.Value
			}
			continue
		}
		if key, got, ok := differs(want, snap.Items); ok {
			v := j.ofSnapshot(CheckConvergence, snap)
			v.Key = key
			v.Reason = fmt.Sprintf("the final states of %s and %s differ: key %s has %s and %s",
				who(first.Client, first.Process), who(snap.Client, snap.Process), quote(key), valueName(want[key]), valueName(got))
			j.violate(v)
		}
	}
}

// differs returns the lowest key in which a state differs from the wanted one, and the
// value that it has.
func differs(want map[string]string, items []Item) (key, got string, found bool) {
	have := make(map[string]string, len(items))
	var wrong []string
	for _, it := range items {
		have[it.Key] = it.Value
		if want[it.Key] != it.Value {
			wrong = append(wrong, it.Key)
		}
	}
	for k := range want {
		if _, ok := have[k]; !ok {
			wrong = append(wrong, k)
		}
	}
	if len(wrong) == 0 {
		return "", "", false
	}
	key = slices.Min(wrong)
	return key, have[key], true
}
