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
	from  int64 // the event at which the process started
	until int64 // the event by which it had begun to read
	first int64 // where the log began when it started
	epoch int32
	list  list // the timeline
	// next has the indices in list at which the next hook can be expected after the
	// hooks so far, ascending.
	next []int
	step int // the step in which the last hook fell, or an earlier one
	of   *processHooks
	log  *hookLog // nil if the log lost nothing and nobody reread it
}

// processHooks are the hooks of a process, and what they are judged by.
type processHooks struct {
	hooks    []*Hook
	claims   []hookClaim // in the order of the returns
	rebuilds []*Rebuild
	finals   []*Snapshot
	torn     []int32 // its writes during which the log lost records
}

// A hookClaim is an operation that has returned, and the position up to which all hooks must have
// fired then.
type hookClaim struct {
	op  int32
	pos position
	// any says that the position may be one of an earlier log, which the process still reads.
	any bool
}

// in returns the offset of the position in an epoch's log.
func (c *hookClaim) in(x *logIndex, e int32) int64 {
	if e < c.pos.epoch {
		return c.pos.off
	}
	return x.in(c.pos, e)
}

// checkHooks judges the hooks of each process. There must be one for each record that
// the process must have seen, in log order.
func (j *judge) checkHooks() {
	if len(j.h.Hooks) == 0 && !j.h.Header.Hooks {
		return
	}
	all := map[processID]*processHooks{}
	var last processID
	var p *processHooks
	of := func(client string, number int) *processHooks {
		if id := (processID{client, number}); p == nil || id != last {
			if last, p = id, all[id]; p == nil {
				p = &processHooks{}
				all[id] = p
			}
		}
		return p
	}
	for i := range j.h.Hooks {
		p := of(j.h.Hooks[i].Client, j.h.Hooks[i].Process)
		p.hooks = append(p.hooks, &j.h.Hooks[i])
	}
	start := j.hookClaims(of)
	opened := j.firstEvents(start)
	for id, finals := range j.finalsOf() {
		of(id.client, id.number).finals = finals
	}
	for i := range j.h.Rebuilds {
		p := of(j.h.Rebuilds[i].Client, j.h.Rebuilds[i].Process)
		p.rebuilds = append(p.rebuilds, &j.h.Rebuilds[i])
	}
	var log *hookLog
	if len(j.x.losses) > 0 || len(j.h.Rebuilds) > 0 {
		log = newHookLog(j.h)
	}
	for _, id := range j.processIDs(all, start) {
		if j.x.spent() {
			return
		}
		hs := of(id.client, id.number).hooks
		if len(hs) == 0 && !j.h.Header.Hooks {
			continue
		}
		p := j.processes[id]
		if p == nil {
			p = &process{client: id.client, number: id.number}
		}
		from := start[id]
		if len(hs) > 0 && (from == 0 || hs[0].Seq < from) {
			from = hs[0].Seq
		}
		e := j.x.current(from)
		r := &hookReader{judge: j, proc: p, from: from, until: max(from, opened[id]), epoch: e, list: j.x.timeline.in(e, 0), next: []int{0}, of: of(id.client, id.number), log: log}
		if log != nil {
			r.first = log.start(from)
		}
		if r.toldOwn() {
			r.follow(min(j.firstLoss(from), j.firstRebuild(id)))
		}
	}
}

// firstEvents adds to the first events of processes those that are no operations, and returns the
// events at which processes had opened. One that is opening may begin to read again where the log
// begins by then.
func (j *judge) firstEvents(start map[processID]int64) (opened map[processID]int64) {
	first := func(client string, number int, seq int64) {
		id := processID{client, number}
		if at, ok := start[id]; !ok || seq < at {
			start[id] = seq
		}
	}
	for i := range j.h.Snapshots {
		if s := &j.h.Snapshots[i]; s.Kind != SnapshotCold {
			first(s.Client, s.Process, s.Seq)
		}
	}
	for i := range j.h.Rebuilds {
		first(j.h.Rebuilds[i].Client, j.h.Rebuilds[i].Process, j.h.Rebuilds[i].Seq)
	}
	opened = map[processID]int64{}
	for i := range j.h.Ops {
		if o := &j.h.Ops[i]; o.Kind == OpOpen && o.Outcome == OK {
			opened[processID{o.Client, o.Process}] = o.Return.Seq
		} else if o.Kind == OpOpen {
			opened[processID{o.Client, o.Process}] = math.MaxInt64
		}
	}
	return opened
}

// hookClaims notes for each process what its operations say of its hooks, and returns the event
// at which it started.
func (j *judge) hookClaims(of func(client string, number int) *processHooks) map[processID]int64 {
	start := map[processID]int64{}
	var known position // of what had been acknowledged to anyone, positions that were reported, and ends of the log that were seen
	atCall := map[int32]position{}
	logs := j.h.Log
	for _, e := range j.events {
		for ; len(logs) > 0 && logs[0].Seq < e.seq; logs = logs[1:] {
			if l := &logs[0]; l.Kind == LogEnd {
				known = j.x.join(known, position{j.x.current(l.Seq), l.Offset})
			}
		}
		o := j.op(e.op)
		id := processID{o.Client, o.Process}
		if _, ok := start[id]; !ok {
			start[id] = e.seq
		}
		waits := o.Kind == OpSync || o.Kind == OpOpen || o.Kind.Reads() && (o.Barrier || j.opts.Linearizable)
		switch {
		case o.Outcome != OK:
		case !e.ret && waits:
			atCall[e.op] = known
		case !e.ret:
		case o.Kind.Writes():
			if j.x.current(o.Call.Seq) < j.x.current(e.seq) {
				of(o.Client, o.Process).torn = append(of(o.Client, o.Process).torn, e.op)
			}
			if pos, ok := j.hooksOfWrite(e.op); ok {
				known = j.x.join(known, pos)
				of(o.Client, o.Process).claim(hookClaim{op: e.op, pos: pos})
			}
		case o.Kind == OpWait:
			pos := position{j.x.current(o.Call.Seq), o.Revision + 1}
			of(o.Client, o.Process).claim(hookClaim{op: e.op, pos: pos, any: true})
		case waits:
			pos, lost := atCall[e.op], j.x.lossesBetween(o.Call.Seq, o.Return.Seq) > 0
			if now := j.x.current(o.Return.Seq); lost {
				pos = position{now, j.x.in(pos, now)}
			}
			of(o.Client, o.Process).claim(hookClaim{op: e.op, pos: pos, any: lost})
			delete(atCall, e.op)
		}
		if e.ret && o.Outcome == OK {
			known = j.x.join(known, j.x.showed(o))
		}
	}
	return start
}

func (p *processHooks) claim(c hookClaim) { p.claims = append(p.claims, c) }

// hooksOfWrite returns the position behind the records of a write, and false if they are not known
// or were lost when it returned.
func (j *judge) hooksOfWrite(op int32) (pos position, ok bool) {
	now := j.x.current(j.op(op).Return.Seq)
	items := j.itemsOf(op)
	for n := range items {
		rec := items[n].lowest()
		if rec < 0 {
			continue
		}
		m := &j.x.records[rec]
		if m.born > now || m.died <= now {
			return position{}, false
		}
		pos, ok = j.x.join(pos, position{m.born, m.off + int64(len(items)-n)}), true // those of its later items follow
	}
	return pos, ok
}

// processIDs returns the processes that operations or hooks name, sorted.
func (j *judge) processIDs(hooks map[processID]*processHooks, start map[processID]int64) []processID {
	var ids []processID
	for id := range start {
		ids = append(ids, id)
	}
	for id, p := range hooks {
		if _, ok := start[id]; !ok && len(p.hooks) > 0 {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b processID) int {
		return cmp.Or(cmp.Compare(a.client, b.client), cmp.Compare(a.number, b.number))
	})
	return ids
}

// firstLoss returns the first event after from at which the log lost records. From then
// on a client may have to reread the log, and there is not one hook for each record. With a late
// tap, it is not known when records were deleted.
func (j *judge) firstLoss(from int64) int64 {
	if j.h.Header.Tap != TapExact && len(j.x.trims) > 0 {
		return from - 1
	}
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
// one for each record, in order.
func (r *hookReader) follow(loss int64) {
	n := 0
	for _, h := range r.of.hooks {
		if r.x.spent() {
			return
		}
		if h.Seq > loss {
			break
		}
		r.judged(CheckHooks)
		if !r.claimed(h.Seq) || !r.hook(h) {
			return
		}
		n++
	}
	if r.claimed(loss) && r.complete(n, loss) && loss < math.MaxInt64 {
		r.afterLoss(n, loss)
	}
}

// claimed judges whether the hooks for what the operations claim that returned up to an event had
// fired when they returned.
func (r *hookReader) claimed(seq int64) bool {
	for ; len(r.of.claims) > 0; r.of.claims = r.of.claims[1:] {
		c := &r.of.claims[0]
		ret := r.op(c.op).Return.Seq
		if ret > seq {
			return true
		}
		if !c.any && c.pos.epoch > r.epoch {
			continue
		}
		off := min(c.in(r.x, r.epoch), r.x.reach(r.epoch, ret).lso)
		if rec := r.owed(off, ret); rec >= 0 {
			r.early(c, rec)
			return false
		}
		r.behind(off, ret)
	}
	return true
}

// owed returns the first record below an offset for which no hook has fired, though it needs one by
// an event, or -1.
func (r *hookReader) owed(off, seq int64) int32 {
	for n := r.furthest(); n < r.list.len() && r.x.spend(1); n++ {
		m := r.list.at(n)
		if r.x.records[m].off >= off {
			break
		}
		if !r.mayMiss(m, seq) {
			return m
		}
	}
	return -1
}

// behind takes that the hooks for all records below an offset that need one have fired.
func (r *hookReader) behind(off, seq int64) {
	if at := r.x.search(r.list, off); r.next[0] < at {
		r.next = slices.DeleteFunc(r.next, func(i int) bool { return i < at && !r.allMissable(i, at, seq) })
		for n := range r.next {
			r.next[n] = max(r.next[n], at)
		}
		r.next = slices.Compact(r.next)
	}
}

// early reports an operation that returned before a hook had fired.
func (r *hookReader) early(c *hookClaim, rec int32) {
	v := r.accusation(CheckHooks, c.op)
	o := r.op(c.op)
	what := "returned"
	if o.Kind.Writes() {
		what = "was acknowledged"
	}
	if rec < 0 {
		v.Reason = fmt.Sprintf("%s %s at %s, when hooks had not told what differs since the log was reread", o.call(), what, o.Return.Time)
		r.violate(v)
		return
	}
	v.Key = r.x.keys[r.x.records[rec].key]
	v.Reason = fmt.Sprintf("%s %s at %s, when the hook for %s had not fired", o.call(), what, o.Return.Time, r.recordName(rec))
	r.violate(r.with(v, rec))
}

// complete judges whether a process that has caught up has called all its hooks, n of them.
func (r *hookReader) complete(n int, loss int64) bool {
	for _, s := range r.of.finals {
		if s.Seq > loss {
			continue
		}
		end := r.x.reach(r.epoch, s.Seq).lso
		if r.h.Header.Tap != TapExact {
			end = min(end, r.x.settled) // later records may have been noted before the snapshot
		}
		if m := r.owed(end, s.Seq); m >= 0 {
			v := r.ofSnapshot(CheckHooks, s)
			v.Key = r.x.keys[r.x.records[m].key]
			v.Reason = fmt.Sprintf("%s had caught up at %s, but the hook for %s had not fired, after %d hooks",
				who(s.Client, s.Process), s.Time, r.recordName(m), n)
			r.violate(r.with(v, m))
			return false
		}
	}
	return true
}

// finally judges the hooks after a loss or a rebuild: the last hook of each key must
// agree with the final state of the process.
func (r *hookReader) finally() {
	hooks, last := r.of.hooks, map[string]*Hook{}
	for _, h := range hooks {
		last[h.Key] = h
	}
	for _, s := range r.of.finals {
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
