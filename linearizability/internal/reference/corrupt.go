package reference

import (
	"fmt"
	"math/rand/v2"
	"slices"

	lin "github.com/kvsim/kvsim/linearizability"
)

// A rule changes a history in one place. It returns false if there is no such place.
type rule struct {
	name   string
	change func(*rand.Rand, *lin.History) bool
}

// Corrupt returns a copy of a history with one change, and the rule of the change. It
// returns nil if the rule that the seed draws does not fit the history. What is changed is
// not always wrong: another order may explain it.
func Corrupt(seed uint64, h *lin.History) (*lin.History, string) {
	rng := rand.New(rand.NewPCG(seed, 1))
	c := clone(h)
	// Leave room between the events for others.
	for _, at := range stamps(c) {
		at.Seq *= 10
	}
	all := append(slices.Clone(rules), rulesOfTheLog...)
	r := all[rng.IntN(len(all))]
	if !r.change(rng, c) {
		return nil, r.name
	}
	sorted(c)
	// Times say nothing to the judges, but they must not go back.
	for _, at := range stamps(c) {
		at.Time = 0
	}
	return c, r.name
}

func stamps(h *lin.History) (all []*lin.Stamp) {
	for i := range h.Ops {
		all = append(all, &h.Ops[i].Call)
		if h.Ops[i].Return.Seq != 0 {
			all = append(all, &h.Ops[i].Return)
		}
	}
	for i := range h.Log {
		all = append(all, &h.Log[i].Stamp)
	}
	for i := range h.Hooks {
		all = append(all, &h.Hooks[i].Stamp)
	}
	for i := range h.Rebuilds {
		all = append(all, &h.Rebuilds[i].Stamp)
	}
	for i := range h.Snapshots {
		all = append(all, &h.Snapshots[i].Stamp)
	}
	return all
}

// pick returns a random element that matches, or nil.
func pick[E any](rng *rand.Rand, all []E, match func(*E) bool) *E {
	var fit []*E
	for i := range all {
		if match(&all[i]) {
			fit = append(fit, &all[i])
		}
	}
	if len(fit) == 0 {
		return nil
	}
	return fit[rng.IntN(len(fit))]
}

// op applies a change to a random operation that matches.
func op(match func(*lin.Operation) bool, change func(*rand.Rand, *lin.History, *lin.Operation)) func(*rand.Rand, *lin.History) bool {
	return func(rng *rand.Rand, h *lin.History) bool {
		o := pick(rng, h.Ops, match)
		if o != nil {
			change(rng, h, o)
		}
		return o != nil
	}
}

func ok(kinds ...lin.OpKind) func(*lin.Operation) bool {
	return func(o *lin.Operation) bool { return o.Outcome == lin.OK && slices.Contains(kinds, o.Kind) }
}

// aValue returns a value of the history, or none.
func aValue(rng *rand.Rand, h *lin.History) string {
	all := []string{"", "~e", "never"}
	for _, e := range h.Log {
		all = append(all, e.Value)
	}
	for i := range h.Ops {
		for _, it := range items(&h.Ops[i]) {
			all = append(all, it.Value)
		}
	}
	return all[rng.IntN(len(all))]
}

// shift returns a number near n.
func shift(rng *rand.Rand, n int64) int64 { return max(0, n+[]int64{-2, -1, 1, 2, 5}[rng.IntN(5)]) }

// damage changes one item of a list.
func damage(rng *rand.Rand, h *lin.History, all []lin.Item) []lin.Item {
	i := rng.IntN(len(all))
	switch rng.IntN(4) {
	case 0:
		return slices.Delete(all, i, i+1)
	case 1:
		if v := aValue(rng, h); v != "" {
			all[i].Value = v
		}
	case 2:
		if all[i].Revision != lin.None {
			all[i].Revision = shift(rng, all[i].Revision)
		}
	default:
		return slices.Insert(all, i, all[i])
	}
	return all
}

func isAppend(e *lin.LogEvent) bool { return e.Kind == lin.LogAppend && !e.Foreign }

var rules = []rule{
	{"get-value", op(ok(lin.OpGet), func(rng *rand.Rand, h *lin.History, o *lin.Operation) { o.Value, o.Revision = aValue(rng, h), lin.None })},
	{"range-item", op(func(o *lin.Operation) bool { return ok(lin.OpRange)(o) && len(o.Items) > 0 },
		func(rng *rand.Rand, h *lin.History, o *lin.Operation) { o.Items = damage(rng, h, o.Items) })},
	{"barrier", op(ok(lin.OpGet, lin.OpRange), func(_ *rand.Rand, _ *lin.History, o *lin.Operation) { o.Barrier = true })},
	{"revision", op(func(o *lin.Operation) bool {
		return (o.Outcome == lin.OK || o.Outcome == lin.Unknown) && o.Revision != lin.None && o.Kind != lin.OpWait || ok(lin.OpGet)(o) && o.Value == ""
	},
		func(rng *rand.Rand, _ *lin.History, o *lin.Operation) { o.Revision = shift(rng, max(0, o.Revision)) })},
	{"position", op(func(o *lin.Operation) bool { return o.Outcome == lin.OK && o.Position != lin.None },
		func(rng *rand.Rand, _ *lin.History, o *lin.Operation) { o.Position = shift(rng, o.Position) })},
	{"wait", op(ok(lin.OpWait), func(rng *rand.Rand, _ *lin.History, o *lin.Operation) { o.Revision = shift(rng, o.Revision) })},
	{"acknowledged", op(func(o *lin.Operation) bool { return o.Return.Seq != 0 && o.Outcome != lin.OK && o.Kind.Writes() },
		func(_ *rand.Rand, _ *lin.History, o *lin.Operation) { o.Outcome = lin.OK })},
	{"refused", op(func(o *lin.Operation) bool { return o.Return.Seq != 0 && o.Outcome != lin.Failed && o.Kind.Writes() },
		func(_ *rand.Rand, _ *lin.History, o *lin.Operation) {
			o.Outcome, o.Revision, o.Position = lin.Failed, lin.None, lin.None
		})},
	{"lost", op(func(o *lin.Operation) bool { return o.Return.Seq != 0 && !reportedLost(o) && o.Kind.Writes() },
		func(_ *rand.Rand, _ *lin.History, o *lin.Operation) {
			o.Outcome, o.Class, o.Revision, o.Position = lin.Unknown, lin.ErrorLoss, lin.None, lin.None
		})},
	{"early-return", op(func(o *lin.Operation) bool { return o.Outcome == lin.OK }, func(_ *rand.Rand, _ *lin.History, o *lin.Operation) { o.Return.Seq = o.Call.Seq + 1 })},
	{"late-call", func(rng *rand.Rand, h *lin.History) bool {
		o := pick(rng, h.Ops, func(o *lin.Operation) bool {
			return o.Outcome == lin.OK && slices.ContainsFunc(h.Ops, func(first lin.Operation) bool {
				return first.Client == o.Client && first.Process == o.Process && first.Call.Seq < o.Call.Seq
			})
		})
		if o != nil {
			o.Call.Seq = o.Return.Seq - 1
		}
		return o != nil
	}},
	{"batch-item", op(func(o *lin.Operation) bool { return o.Kind == lin.OpBatch && len(o.Items) > 0 }, func(rng *rand.Rand, _ *lin.History, o *lin.Operation) {
		i := rng.IntN(len(o.Items))
		switch rng.IntN(3) {
		case 0:
			o.Items[0], o.Items[i] = o.Items[i], o.Items[0]
		case 1:
			o.Items = append(o.Items, lin.Item{Key: o.Items[i].Key, Revision: lin.None})
		default:
			o.Items = slices.Delete(o.Items, i, i+1)
		}
	})},
	{"record-lost", func(rng *rand.Rand, h *lin.History) bool {
		e := pick(rng, h.Log, isAppend)
		if e == nil {
			return false
		}
		e.Foreign, e.Key, e.Value = true, "", "" // its place stays
		return true
	}},
	{"record-changed", func(rng *rand.Rand, h *lin.History) bool {
		e := pick(rng, h.Log, isAppend)
		if e != nil {
			e.Value = aValue(rng, h)
		}
		return e != nil
	}},
	{"records-swapped", func(rng *rand.Rand, h *lin.History) bool {
		a, b := pick(rng, h.Log, isAppend), pick(rng, h.Log, isAppend)
		if a == nil || a == b {
			return false
		}
		a.Key, a.Value, b.Key, b.Value = b.Key, b.Value, a.Key, a.Value
		return true
	}},
	{"hook-missing", func(rng *rand.Rand, h *lin.History) bool {
		if len(h.Hooks) == 0 {
			return false
		}
		i := rng.IntN(len(h.Hooks))
		h.Hooks = slices.Delete(h.Hooks, i, i+1)
		return true
	}},
	{"hook-doubled", func(rng *rand.Rand, h *lin.History) bool {
		if len(h.Hooks) == 0 {
			return false
		}
		twice := h.Hooks[rng.IntN(len(h.Hooks))]
		twice.Seq++
		h.Hooks = append(h.Hooks, twice)
		return true
	}},
	{"hook-changed", func(rng *rand.Rand, h *lin.History) bool {
		k := pick(rng, h.Hooks, func(*lin.Hook) bool { return true })
		if k == nil {
			return false
		}
		k.Value = aValue(rng, h)
		k.Delete, k.Offset = k.Value == "", lin.None
		return true
	}},
	{"hook-early", func(rng *rand.Rand, h *lin.History) bool {
		k := pick(rng, h.Hooks, func(*lin.Hook) bool { return true })
		if k == nil {
			return false
		}
		k.Seq -= 10*int64(1+rng.IntN(5)) - 3
		k.Seq = max(k.Seq, 3)
		return !slices.ContainsFunc(h.Hooks, func(o lin.Hook) bool { return o.Seq == k.Seq && &o != k && o != *k })
	}},
	{"snapshot-item", func(rng *rand.Rand, h *lin.History) bool {
		s := pick(rng, h.Snapshots, func(s *lin.Snapshot) bool { return len(s.Items) > 0 })
		if s != nil {
			s.Items = damage(rng, h, s.Items)
		}
		return s != nil
	}},
	{"snapshot-position", func(rng *rand.Rand, h *lin.History) bool {
		s := pick(rng, h.Snapshots, func(s *lin.Snapshot) bool { return s.Position != lin.None })
		if s != nil {
			s.Position = shift(rng, s.Position)
		}
		return s != nil
	}},
	{"snapshot-key", func(rng *rand.Rand, h *lin.History) bool {
		s := pick(rng, h.Snapshots, func(*lin.Snapshot) bool { return true })
		v := aValue(rng, h)
		if s == nil || v == "" {
			return false
		}
		s.Items = append(s.Items, lin.Item{Key: fmt.Sprint("k", rng.IntN(2)), Value: v, Revision: lin.None})
		return true
	}},
}
