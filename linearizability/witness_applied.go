package linearizability

import "fmt"

// checkApplied judges by what came later whether the client had applied a write when it was
// acknowledged, although the log lost the write: a client that applied it has to reread the log
// before it can go on in what is left.
//
// For example, the log [a=1 b=1] loses b=1, which was acknowledged to a client, and gets b=2 in its
// place. If the client holds a=1 and b=2 in the end and has never reread the log, it has read only
// a=1 before the loss.
//
// This needs a history in which processes report that they reread the log. With a late tap, it is
// not known whether that was before the append.
func (j *judge) checkApplied(op int32) {
	if len(j.h.Rebuilds) == 0 {
		return
	}
	o := j.op(op)
	id, end := processID{o.Client, o.Process}, int64(0)
	if finals := j.finalsOf()[id]; len(finals) > 0 {
		end = finals[len(finals)-1].Seq
	}
	for _, it := range j.itemsOf(op) {
		if it.rec < 0 || it.paired {
			continue
		}
		rec := &j.x.records[it.rec]
		if rec.died == never || len(j.x.placed(rec.class, rec.off)) > 1 {
			continue // in the log again at the same offset, it may be either
		}
		if end < j.x.epochs[rec.died].seq {
			continue
		}
		j.judged(CheckWriteVisible)
		since := rec.seq
		if j.h.Header.Tap != TapExact {
			since = o.Call.Seq
		}
		if j.x.rebuiltAt(id, end) > j.x.rebuiltAt(id, since) {
			continue
		}
		v := j.accusation(CheckWriteVisible, op)
		v.Key = j.x.keys[rec.key]
		v.Reason = fmt.Sprintf("%s was acknowledged at %s, and the log lost its record at offset %d, but %s has not reread the log and holds its state in the end: it never applied the record",
			o.call(), o.Return.Time, rec.off, who(o.Client, o.Process))
		j.violate(j.with(v, it.rec))
		return
	}
}

// finalsOf returns the final states of each process, in order.
func (j *judge) finalsOf() map[processID][]*Snapshot {
	if j.finals == nil {
		j.finals = map[processID][]*Snapshot{}
		for i := range j.h.Snapshots {
			if s := &j.h.Snapshots[i]; s.Kind == SnapshotFinal {
				id := processID{s.Client, s.Process}
				j.finals[id] = append(j.finals[id], s)
			}
		}
	}
	return j.finals
}
