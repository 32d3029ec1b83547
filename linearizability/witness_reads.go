package linearizability

import (
	"slices"
	"sort"
)

// reach returns how far a read could get in each epoch of the log: no further than the
// log itself and, if the tap is exact, no further than the position that the client
// reported afterwards. With a late tap the reported position is no bound: the client may
// have applied a record, so that reads see it, a moment before its position moves.
func (r *read) reach(x *logIndex) func(e int32) int64 {
	cur := x.current(r.seq)
	exact := x.h.Header.Tap == TapExact
	return func(e int32) int64 {
		s := x.reach(e, r.seq)
		if exact && e == cur && r.pos != None {
			return min(s.lso, r.pos)
		}
		return s.lso
	}
}

// readOf returns what an operation read, as a question to the log.
func (s *sweeper) readOf(op int32, p *process) *read {
	o := s.op(op)
	r := &s.scratch
	*r = read{seq: o.Return.Seq, proc: p, pos: o.Position, targets: r.targets[:0], batches: s.runs(CheckBatchVisible)}
	if s.x.rebuilt(o, o.Call.Seq) {
		r.pos = None
	}
	if o.Kind == OpGet {
		r.targets = append(r.targets, s.target(o.Key, o.Value, o.Revision, r.seq))
		return r
	}
	r.targets = s.state(r.targets, o.Items, o.Start, o.rangeEnd(), r.seq)
	return r
}

// rangeEnd returns the end of the interval that a range says something about. If it
// returned as many keys as its limit, it says nothing about keys beyond the last.
func (o *Operation) rangeEnd() string {
	if o.Limit > 0 && len(o.Items) >= o.Limit {
		return o.Items[len(o.Items)-1].Key + "\x00"
	}
	return o.End
}

// state appends what a list of all items in an interval says: which keys have which
// value, and that no other key has one.
func (j *judge) state(targets []target, items []Item, start, end string, seq int64) []target {
	in := make(map[string]struct{}, len(items))
	for _, it := range items {
		in[it.Key] = struct{}{}
		targets = append(targets, j.target(it.Key, it.Value, it.Revision, seq))
	}
	first := sort.Search(len(j.x.sorted), func(i int) bool { return j.x.keys[j.x.sorted[i]] >= start })
	for _, k := range j.x.sorted[first:] {
		if !j.x.spend(1) {
			break
		}
		key := j.x.keys[k]
		if end != "" && key >= end {
			break
		}
		if _, ok := in[key]; !ok {
			targets = append(targets, target{key: k, class: j.x.none[k], none: true, off: None})
		}
	}
	return targets
}

// judgeRead judges a get or a range, and returns the position that explains it.
func (s *sweeper) judgeRead(op int32, p *process, f *inFlight) (position, bool) {
	o := s.op(op)
	if s.opts.Linearizable || o.Barrier {
		if b := &f.bounds[causeBarrier]; !s.x.satisfied(f.anyone.pos, b.pos) {
			*b = bound{s.x.join(b.pos, f.anyone.pos), f.anyone.op}
		}
	}
	s.countRead(o, f)
	if !s.wellFormed(op) {
		return position{}, false
	}
	r := s.readOf(op, p)
	if !s.revisions(op, r) {
		return position{}, false
	}
	r.firm = s.x.firm(&f.bounds)
	pos, ok := s.x.least(r, s.x.joined(&f.bounds), r.reach(s.x))
	if !ok {
		s.diagnose(op, r, f)
		return position{}, false
	}
	if o.Kind == OpGet && r.targets[0].key >= 0 {
		s.keySeen(op, p, r, pos)
	}
	return pos, true
}

// countRead counts the read for each check that judges it.
func (s *sweeper) countRead(o *Operation, f *inFlight) {
	s.judged(CheckReadFromLog)
	s.judged(CheckNoFuture)
	s.judged(CheckCommittedOnly)
	s.judged(CheckBatchVisible)
	if o.Kind == OpRange {
		s.judged(CheckOnePosition)
	}
	for c, b := range f.bounds {
		if b.pos != (position{}) {
			s.judged(causeChecks[c])
		}
	}
	if f.read.rec >= 0 {
		s.judged(CheckPerKeyOrder)
	}
}

// keySeen notes the version of a key that a get returned.
func (s *sweeper) keySeen(op int32, p *process, r *read, pos position) {
	t := &r.targets[0]
	versions := s.x.versions.in(pos.epoch, t.key)
	if i := s.x.search(versions, pos.off); i > 0 {
		if rec := versions.at(i - 1); s.x.records[rec].class == t.class {
			p.read[t.key] = seen{rec, op}
		}
	}
}

// wellFormed judges whether a range returned keys of its interval only, each once and in
// order.
func (s *sweeper) wellFormed(op int32) bool {
	o := s.op(op)
	if o.Kind != OpRange {
		return true
	}
	wrong := ""
	for i, it := range o.Items {
		switch {
		case i > 0 && it.Key == o.Items[i-1].Key:
			wrong = "it returned key " + quote(it.Key) + " twice"
		case i > 0 && it.Key < o.Items[i-1].Key:
			wrong = "it returned key " + quote(it.Key) + " after key " + quote(o.Items[i-1].Key)
		case it.Key < o.Start || (o.End != "" && it.Key >= o.End):
			wrong = "it returned key " + quote(it.Key) + ", which is not in its interval"
		case it.Value == "":
			wrong = "it returned key " + quote(it.Key) + " without a value"
		}
	}
	if o.Limit > 0 && len(o.Items) > o.Limit {
		wrong = "it returned more keys than its limit"
	}
	if wrong == "" {
		return true
	}
	v := s.accusation(CheckOnePosition, op)
	v.Reason = o.call() + ": " + wrong
	s.violate(v)
	return false
}

// revisions judges the revisions that a read reported for its values.
func (s *sweeper) revisions(op int32, r *read) bool {
	o := s.op(op)
	if o.Kind == OpGet {
		return s.revision(op, o.Key, o.Value, o.Revision, &r.targets[0])
	}
	for i, it := range o.Items {
		if !s.revision(op, it.Key, it.Value, it.Revision, &r.targets[i]) {
			return false
		}
	}
	return true
}

func (s *sweeper) revision(op int32, key, value string, rev int64, t *target) bool {
	if rev == None {
		return true
	}
	s.judged(CheckRevision)
	o := s.op(op)
	if value == "" {
		v := s.accusation(CheckRevision, op)
		v.Key, v.Offsets = key, []int64{rev}
		v.Reason = o.call() + " reported offset " + itoa(rev) + " for " + quote(key) + ", which had no value"
		s.violate(v)
		return false
	}
	if t.off != None || t.class < 0 {
		return true
	}
	var offsets []int64
	for _, r := range s.x.written[t.class][:min(3, len(s.x.written[t.class]))] {
		offsets = append(offsets, s.x.records[r].off)
	}
	v := s.accusation(CheckRevision, op)
	v.Key = key
	v.Reason = o.call() + " reported offset " + itoa(rev) + " for " + quote(key) + " = " + value +
		", but there is " + s.whatIsAt(rev, o.Return.Seq)
	v.Offsets = append([]int64{rev}, offsets...)
	slices.Sort(v.Offsets)
	s.violate(v)
	return false
}
