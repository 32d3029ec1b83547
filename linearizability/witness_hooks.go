package linearizability

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
)

// A hookReader follows the hooks of one process along the log.
//
// If several records have the same key and value, a hook may be of any of them,
// provided that the records skipped need no hook, because compaction removed them. So
// there may be several places in the log at which the next hook can be expected.
type hookReader struct {
	*judge

	proc  *process
	epoch int32
	list  list // the timeline
	// finals has the final states of the process.
	finals []*Snapshot
	// next has the indices in list at which the next hook can be expected after the
	// hooks so far, ascending.
	next []int
	// lost is the event after the process started at which the log first lost records.
	lost int64
}

// checkHooks judges the hooks of each process. There must be one for each record that
// the process must have seen, in log order.
func (j *judge) checkHooks() {
	hooks := map[processID][]*Hook{}
	for i := range j.h.Hooks {
		h := &j.h.Hooks[i]
		id := processID{h.Client, h.Process}
		hooks[id] = append(hooks[id], h)
	}
	writes := map[processID][]int32{} // acknowledged ones, in order of return
	start := map[processID]int64{}
	for _, e := range j.events {
		o := j.op(e.op)
		id := processID{o.Client, o.Process}
		if _, ok := start[id]; !ok {
			start[id] = e.seq
		}
		if e.ret && o.Kind.Writes() && o.Outcome == OK {
			writes[id] = append(writes[id], e.op)
		}
	}
	finals := map[processID][]*Snapshot{}
	for i := range j.h.Snapshots {
		if s := &j.h.Snapshots[i]; s.Kind == SnapshotFinal {
			id := processID{s.Client, s.Process}
			finals[id] = append(finals[id], s)
		}
	}
	for _, id := range j.processIDs(hooks, start) {
		if j.x.spent() {
			return
		}
		if len(hooks[id]) == 0 && !j.h.Header.Hooks {
			continue
		}
		p := j.processes[id]
		if p == nil {
			p = &process{client: id.client, number: id.number}
		}
		from := start[id]
		if hs := hooks[id]; len(hs) > 0 && (from == 0 || hs[0].Seq < from) {
			from = hs[0].Seq
		}
		e := j.x.current(from)
		r := &hookReader{
			judge: j, proc: p, epoch: e, list: j.x.timeline.in(e, 0), finals: finals[id], next: []int{0}, lost: j.firstLoss(from),
		}
		r.follow(hooks[id], writes[id], min(r.lost, j.firstRebuild(id)))
	}
}

// processIDs returns the processes that operations or hooks name, sorted.
func (j *judge) processIDs(hooks map[processID][]*Hook, start map[processID]int64) []processID {
	var ids []processID
	for id := range start {
		ids = append(ids, id)
	}
	for id := range hooks {
		if _, ok := start[id]; !ok {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b processID) int {
		return cmp.Or(cmp.Compare(a.client, b.client), cmp.Compare(a.number, b.number))
	})
	return ids
}

// firstLoss returns the first event after from at which the log lost records. From then
// on a client may have to reread the log, and there is not one hook for each record.
func (j *judge) firstLoss(from int64) int64 {
	i := sort.Search(len(j.x.losses), func(i int) bool { return j.x.losses[i] > from })
	if i < len(j.x.losses) {
		return j.x.losses[i]
	}
	return math.MaxInt64
}

// firstRebuild returns the event at which a process first started to reread the log, for
// whatever reason. Its hooks then report what differs from its old state.
func (j *judge) firstRebuild(id processID) int64 {
	if all := j.x.rebuilds[id]; len(all) > 0 {
		return all[0]
	}
	return math.MaxInt64
}

// follow judges the hooks of a process. Up to the first loss or rebuild, there must be
// one for each record, in order. Later hooks are judged by the state that they lead to.
func (r *hookReader) follow(hooks []*Hook, writes []int32, loss int64) {
	for i, h := range hooks {
		if r.x.spent() {
			return
		}
		if h.Seq > loss {
			n := r.found
			if r.afterLoss(hooks[:i], hooks[i:], writes); r.found == n {
				r.finally(hooks[i:])
			}
			return
		}
		r.judged(CheckHooks)
		if !r.ownWrites(&writes, h.Seq) || !r.hook(h) {
			return
		}
	}
	if r.ownWrites(&writes, loss) {
		r.complete(hooks, loss)
		r.afterLoss(hooks, nil, writes)
	}
}

// ownWrites judges whether the hooks for the process's own writes had fired when the
// writes returned. It takes the writes that returned up to event seq.
func (r *hookReader) ownWrites(writes *[]int32, seq int64) bool {
	for ; len(*writes) > 0; *writes = (*writes)[1:] {
		op := (*writes)[0]
		o := r.op(op)
		if o.Return.Seq > seq {
			return true
		}
		for _, it := range r.itemsOf(op) {
			rec := it.lowest()
			if rec < 0 {
				continue
			}
			m := &r.x.records[rec]
			if m.born > r.epoch || m.died <= r.epoch || r.passed(m.off) || r.mayMiss(rec, o.Return.Seq) {
				continue
			}
			v := r.accusation(CheckHooks, op)
			v.Reason = fmt.Sprintf("%s was acknowledged at %s, when the hook for its record at offset %d had not fired",
				o.call(), o.Return.Time, m.off)
			r.violate(r.with(v, rec))
			return false
		}
	}
	return true
}

// passed reports whether hooks have got past the record at an offset.
func (r *hookReader) passed(off int64) bool {
	return r.offset() > off
}

// complete judges whether a process that has caught up has called all its hooks.
func (r *hookReader) complete(hooks []*Hook, loss int64) {
	for _, s := range r.finals {
		if s.Seq > loss {
			continue
		}
		end := r.x.reach(r.epoch, s.Seq).lso
		if r.h.Header.Tap != TapExact {
			end = min(end, r.x.settled) // later records may have been noted before the snapshot
		}
		for n := r.furthest(); n < r.list.len() && r.x.records[r.list.at(n)].off < end && r.x.spend(1); n++ {
			if m := r.list.at(n); !r.mayMiss(m, s.Seq) {
				v := r.ofSnapshot(CheckHooks, s)
				v.Key = r.x.keys[r.x.records[m].key]
				v.Reason = fmt.Sprintf("%s had caught up at %s, but the hook for %s had not fired, after %d hooks",
					who(s.Client, s.Process), s.Time, r.recordName(m), len(hooks))
				r.violate(r.with(v, m))
				return
			}
		}
	}
}

// finally judges the hooks after a loss or a rebuild: the last hook of each key must
// agree with the final state of the process.
func (r *hookReader) finally(hooks []*Hook) {
	last := map[string]*Hook{}
	for _, h := range hooks {
		last[h.Key] = h
	}
	for _, s := range r.finals {
		if !r.x.spend(len(s.Items) + len(hooks)) {
			return
		}
		state := map[string]string{}
		for _, it := range s.Items {
			state[it.Key] = it.Value
		}
		for _, h := range hooks {
			if last[h.Key] != h || h.Seq > s.Seq {
				continue
			}
			r.judged(CheckHooks)
			want := h.Value
			if h.Delete {
				want = ""
			}
			if state[h.Key] != want {
				v := r.violation(h)
				v.To = s.Stamp
				v.Reason = fmt.Sprintf("the last hook for key %s was a %s, but the process holds %s", quote(h.Key), hookName(h), valueName(state[h.Key]))
				r.violate(v)
				return
			}
		}
	}
}
