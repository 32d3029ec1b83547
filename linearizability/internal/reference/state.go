package reference

import (
	"fmt"
	"slices"
	"strings"

	lin "github.com/kvsim/kvsim/linearizability"
)

// A state is where a process may be: it has applied the records of an era from base up to
// at, except those that compaction had removed before it got there.
type state struct {
	era      int
	base, at int64
	skipped  string    // the offsets that were skipped, each with a comma
	done     string    // the pending operations that have taken place, each with a comma; below 0: also reported
	owed     string    // the hooks that are owed after a change of state, each with a newline
	again    bool      // it may be rereading the log, so that its position is below at
	from     *state    // before it owed hooks
	part     string    // what the hooks have told of what differs from a state before, each with a newline
	told     int64     // since when it rereads the log after a loss and has told nothing of that, or 0
	fresh    int64     // when it began to read the log again, or 0
	_        [0]func() // not compared with ==
}

func (s state) key() string {
	return fmt.Sprint(s.era, " ", s.base, " ", s.at, " ", s.skipped, " ", s.done, " ", s.owed, " ", s.part, " ", s.again, " ", s.told, " ", s.fresh)
}

func list(n int64) string { return fmt.Sprintf("%d,", n) }

func has(l string, n int64) bool { return strings.Contains(","+l, ","+list(n)) }

// sorted forgets in which order operations took place, which does not matter to what follows.
func (s state) sorted() state {
	ids := strings.SplitAfter(s.done, ",")
	slices.Sort(ids)
	s.done = strings.Join(ids, "")
	return s
}

// contents returns the items of a state, ordered by key.
func (t *timeline) contents(s state) []lin.Item {
	m := map[string]lin.Item{}
	for o := s.base; o < s.at; o++ {
		r := t.eras[s.era].records[o]
		switch {
		case r == nil || !t.shows(r) || has(s.skipped, o):
		case r.Value == "":
			delete(m, r.Key)
		default:
			m[r.Key] = lin.Item{Key: r.Key, Value: r.Value, Revision: o}
		}
	}
	var all []lin.Item
	for _, it := range m {
		all = append(all, it)
	}
	return byKey(all)
}

// includes reports whether a state includes a record, or a later one of its key.
func (t *timeline) includes(s state, r *record) bool {
	e := t.eras[s.era]
	if e.records[r.Offset] != r || r.Offset >= s.at {
		return false
	}
	if !has(s.skipped, r.Offset) || r.Offset < s.base {
		return true
	}
	for o := r.Offset + 1; o < s.at; o++ {
		if later := e.records[o]; later != nil && later.Key == r.Key && t.shows(later) && !has(s.skipped, o) {
			return true
		}
	}
	return false
}

// reached reports whether a state is at or above an offset of an era, or at what a later era
// had left of the log below it.
func (t *timeline) reached(s state, era int, at int64) bool {
	for i := era + 1; i <= s.era; i++ {
		at = min(at, t.eras[i].cut)
	}
	for i := s.era; i < era; i++ {
		if t.eras[i+1].cut < at {
			return false // that came to be after what s follows was lost
		}
	}
	return s.at >= at
}

// steps returns the states that a process may reach from s by itself with one step.
// Hooks are owed for each record on the way if hooks is set; then it takes no step over a
// record that has one.
func (t *timeline) steps(s state, now int64, hooks bool) []state {
	var next []state
	e := t.eras[s.era]
	if s.at < t.stable(e, now) && s.owed == "" {
		to := s
		to.at, to.told = to.at+1, 0
		r := e.records[s.at]
		if r == nil || !t.shows(r) || !hooks {
			next = append(next, to)
		}
		if r != nil && t.shows(r) && r.removed <= now {
			to.skipped += list(s.at)
			next = append(next, to)
		}
	}
	for _, first := range t.starts(e, now) {
		if s.at < first && s.owed == "" && (!hooks || !t.reported) {
			// It goes on there, and reports no position below that.
			next = append(next, t.change(s, state{era: s.era, base: first, at: first, done: s.done, again: s.again, fresh: s.fresh}, hooks))
		}
	}
	cut := s.at
	for i := s.era + 1; i < len(t.eras) && t.eras[i].since <= now; i++ {
		cut = min(cut, t.eras[i].cut)
		to := state{era: i, base: min(s.base, cut), at: cut, done: s.done, again: s.again || !t.reported, fresh: s.fresh}
		for o := range cut {
			if has(s.skipped, o) {
				to.skipped += list(o)
			}
		}
		if t.reported && s.at > cut {
			continue // it says so when it discards what it had read
		}
		if first := t.eras[i].start(s.fresh); s.fresh > 0 && to.base < first {
			if to.base, to.at, to.skipped = first, max(to.at, first), ""; s.owed == "" {
				next = append(next, t.change(s, to, hooks))
			}
			continue // it began to read when all below had been deleted
		}
		if !hooks {
			next = append(next, to)
			continue
		}
		if s.at <= cut && s.owed == "" {
			next = append(next, to)
		}
		if t.reported {
			continue
		}
		// It may read again, up to there, and then tell the difference.
		to.at = max(cut, to.base)
		next = append(next, t.change(s, to, true))
	}
	return next
}

// change makes a process that gets from one state to another owe the difference to its hooks.
func (t *timeline) change(from, to state, hooks bool) state {
	if !hooks {
		return to
	}
	was := map[string]string{}
	for _, it := range t.contents(from) {
		was[it.Key] = it.Value
	}
	for hook := range strings.Lines(from.part) {
		key, value := "", ""
		if _, err := fmt.Sscanf(hook, "%q=%q\n", &key, &value); err != nil {
			panic(err)
		}
		if was[key] = value; value == "" {
			delete(was, key)
		}
	}
	is := t.contents(to)
	var gone, other []string
	for _, it := range is {
		if was[it.Key] != it.Value {
			other = append(other, fmt.Sprintf("%q=%q\n", it.Key, it.Value))
		}
		delete(was, it.Key)
	}
	for k := range was {
		gone = append(gone, fmt.Sprintf("%q=%q\n", k, ""))
	}
	slices.Sort(gone)
	to.owed, to.from = strings.Join(append(gone, other...), ""), &from
	return to
}

// A set is the states in which a process may be.
type set map[string]state

func of(all ...state) set {
	s := set{}
	for _, x := range all {
		s[x.key()] = x
	}
	return s
}

// closure adds all that can be reached with steps.
func (s set) closure(steps func(state) []state) {
	var todo []state
	for _, x := range s {
		todo = append(todo, x)
	}
	for len(todo) > 0 {
		x := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, y := range steps(x) {
			if _, ok := s[y.key()]; !ok {
				s[y.key()] = y
				todo = append(todo, y)
			}
		}
	}
}

// keep drops the states that do not match.
func (s set) keep(match func(state) bool) {
	for k, x := range s {
		if !match(x) {
			delete(s, k)
		}
	}
}
