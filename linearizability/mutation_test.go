package linearizability_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	lin "github.com/kvsim/kvsim/linearizability"
)

// A mutation breaks a legal history in one place, so that it is certain not to be legal
// any more. It returns false if the history has no suitable place.
type mutation struct {
	name string
	// caught lists checks; at least one of them must be violated.
	caught []lin.CheckID
	break1 func(m *mutant) bool
}

var mutations = []mutation{
	{"acknowledged put missing in the log", []lin.CheckID{lin.CheckAckedOnce}, func(m *mutant) bool {
		o := m.op(func(o *lin.Operation) bool { return o.Kind == lin.OpPut && o.Outcome == lin.OK && unique(o.Value) })
		i := m.appended(o)
		if i < 0 || m.tampered() {
			return false
		}
		m.Log = slices.Delete(m.Log, i, i+1)
		return true
	}},
	{"put twice in the log", []lin.CheckID{lin.CheckAckedOnce, lin.CheckUnknownAtMostOnce}, func(m *mutant) bool {
		o := m.op(func(o *lin.Operation) bool { return o.Kind == lin.OpPut && unique(o.Value) })
		if m.appended(o) < 0 || m.tampered() {
			return false
		}
		m.add(lin.Record{Key: o.Key, Value: o.Value})
		return true
	}},
	{"record that nobody wrote", []lin.CheckID{lin.CheckLogFromWrites}, func(m *mutant) bool {
		m.add(lin.Record{Key: "p1", Value: "nobody's"})
		return true
	}},
	{"refused put in the log", []lin.CheckID{lin.CheckRefusedAbsent}, func(m *mutant) bool {
		o := m.op(func(o *lin.Operation) bool {
			return o.Kind == lin.OpPut && o.Outcome != lin.Pending && unique(o.Value) && m.appended(o) >= 0
		})
		if o != nil {
			o.Outcome, o.Revision, o.Position = lin.Failed, lin.None, lin.None
		}
		return o != nil
	}},
	{"put in the log is reported as lost", []lin.CheckID{lin.CheckReportedLost}, func(m *mutant) bool {
		o := m.op(func(o *lin.Operation) bool { return o.Kind == lin.OpPut && o.Outcome == lin.OK && unique(o.Value) })
		if i := m.appended(o); i < 0 || m.tampered() || slices.ContainsFunc(m.Log, func(e lin.LogEvent) bool {
			return e.Kind == lin.LogTrim || e.Kind == lin.LogTruncate || e.Kind == lin.LogRecreate || e.Kind == lin.LogCompact
		}) || o.Return.Seq < m.Log[i].Seq {
			return false
		}
		o.Outcome, o.Class, o.Revision, o.Position = lin.Unknown, lin.ErrorLoss, lin.None, lin.None
		return true
	}},
	{"put reports the next offset", []lin.CheckID{lin.CheckRevision}, func(m *mutant) bool {
		o := m.op(func(o *lin.Operation) bool {
			return o.Kind == lin.OpPut && o.Outcome == lin.OK && unique(o.Value) && o.Revision != lin.None
		})
		if o == nil || m.tampered() {
			return false // the offset may have been used twice
		}
		o.Revision++
		return true
	}},
	{"get reports the next offset", []lin.CheckID{lin.CheckRevision}, func(m *mutant) bool {
		o := m.op(func(o *lin.Operation) bool {
			return o.Kind == lin.OpGet && o.Outcome == lin.OK && unique(o.Value) && o.Revision != lin.None
		})
		if o == nil || m.tampered() {
			return false // the offset may have been used twice
		}
		o.Revision++
		return true
	}},
	{"get of a value that nobody wrote", []lin.CheckID{lin.CheckReadFromLog}, func(m *mutant) bool {
		o := m.op(func(o *lin.Operation) bool { return o.Kind == lin.OpGet && o.Outcome == lin.OK })
		if o != nil {
			o.Value, o.Revision = "nobody's", lin.None
		}
		return o != nil
	}},
	{"range with a value that nobody wrote", []lin.CheckID{lin.CheckReadFromLog}, func(m *mutant) bool {
		o := m.op(func(o *lin.Operation) bool { return o.Kind == lin.OpRange && o.Outcome == lin.OK && len(o.Items) > 0 })
		if o != nil {
			o.Items = slices.Clone(o.Items)
			i := m.choose(len(o.Items))
			o.Items[i] = lin.Item{Key: o.Items[i].Key, Value: "nobody's", Revision: lin.None}
		}
		return o != nil
	}},
	{"position beyond the end", []lin.CheckID{lin.CheckPosition}, func(m *mutant) bool {
		o := m.op(func(o *lin.Operation) bool { return o.Outcome == lin.OK && o.Position != lin.None })
		if o != nil {
			o.Position += 1000
		}
		return o != nil
	}},
	{"get misses its own put", []lin.CheckID{lin.CheckReadYourWrites}, func(m *mutant) bool {
		return m.blank(func(o, before *lin.Operation) bool {
			return before.Kind == lin.OpPut && before.Key == o.Key && sameProcess(o, before)
		})
	}},
	{"get goes back", []lin.CheckID{lin.CheckMonotonicReads, lin.CheckReadYourWrites, lin.CheckBarrier, lin.CheckWaitRevision}, func(m *mutant) bool {
		return m.blank(func(o, before *lin.Operation) bool {
			return before.Kind == lin.OpGet && before.Key == o.Key && before.Value != "" && sameProcess(o, before)
		})
	}},
	{"barrier misses a put", []lin.CheckID{lin.CheckBarrier}, func(m *mutant) bool {
		return m.blank(func(o, before *lin.Operation) bool {
			return o.Barrier && before.Kind == lin.OpPut && before.Key == o.Key
		})
	}},
	{"hook skipped", []lin.CheckID{lin.CheckHooks}, func(m *mutant) bool {
		i := m.hook()
		if i >= 0 {
			m.Hooks = slices.Delete(slices.Clone(m.Hooks), i, i+1)
		}
		return i >= 0
	}},
	{"hook fired twice", []lin.CheckID{lin.CheckHooks}, func(m *mutant) bool {
		i := m.hook()
		if i < 0 || !unique(m.Hooks[i].Value) {
			return false
		}
		again := m.Hooks[i]
		again.Stamp = m.after()
		m.Hooks = append(slices.Clone(m.Hooks), again)
		return true
	}},
	{"hooks fired in the wrong order", []lin.CheckID{lin.CheckHooks}, func(m *mutant) bool {
		i := m.hook()
		if i < 0 {
			return false
		}
		a := m.Hooks[i]
		for k := i + 1; k < len(m.Hooks); k++ {
			b := m.Hooks[k]
			if b.Client != a.Client || b.Process != a.Process {
				continue
			}
			if !unique(a.Value) || !unique(b.Value) {
				return false
			}
			m.Hooks = slices.Clone(m.Hooks)
			m.Hooks[i], m.Hooks[k] = b, a
			m.Hooks[i].Stamp, m.Hooks[k].Stamp = a.Stamp, b.Stamp
			return true
		}
		return false
	}},
	{"client ends with another value", []lin.CheckID{lin.CheckConvergence}, func(m *mutant) bool {
		return m.snapshot(lin.SnapshotFinal, func(items []lin.Item, i int) []lin.Item {
			items[i].Value = "nobody's"
			return items
		})
	}},
	{"client goes on behind a gap with what it had", []lin.CheckID{lin.CheckConvergence}, func(m *mutant) bool {
		return m.behindGap()
	}},
	{"client ends without a key", []lin.CheckID{lin.CheckConvergence}, func(m *mutant) bool {
		return m.snapshot(lin.SnapshotFinal, func(items []lin.Item, i int) []lin.Item { return slices.Delete(items, i, i+1) })
	}},
	{"compacted log without a key", []lin.CheckID{lin.CheckCompaction}, func(m *mutant) bool {
		return m.snapshot(lin.SnapshotCold, func(items []lin.Item, i int) []lin.Item { return slices.Delete(items, i, i+1) })
	}},
	{"two records exchanged", []lin.CheckID{lin.CheckRevision}, func(m *mutant) bool {
		reported := func(o *lin.Operation) bool {
			return o.Kind == lin.OpPut && o.Outcome == lin.OK && unique(o.Value) && o.Revision != lin.None
		}
		a, b := m.op(reported), m.op(reported)
		if a == nil || a == b || m.tampered() {
			return false
		}
		m.exchange(m.appended(a), m.appended(b))
		return true
	}},
	{"batch in another order", []lin.CheckID{lin.CheckBatchInLog}, func(m *mutant) bool {
		o := m.op(func(o *lin.Operation) bool {
			return o.Kind == lin.OpBatch && len(o.Items) > 1 && unique(o.Items[0].Value) && unique(o.Items[1].Value)
		})
		if o == nil || m.tampered() {
			return false
		}
		a := m.appended(&lin.Operation{Key: o.Items[0].Key, Value: o.Items[0].Value})
		b := m.appended(&lin.Operation{Key: o.Items[1].Key, Value: o.Items[1].Value})
		if a < 0 || b < 0 {
			return false
		}
		m.exchange(a, b)
		return true
	}},
}

// TestCheck_catches_what_is_broken_in_one_place breaks random legal histories.
func TestCheck_catches_what_is_broken_in_one_place(t *testing.T) {
	for _, mut := range mutations {
		t.Run(mut.name, func(t *testing.T) {
			caught := 0
			for seed := range uint64(seeds / 4) {
				w := seeded(seed)
				w.calm = seed%4 != 0
				m := &mutant{w.run(300), rand.New(rand.NewPCG(seed, 2)).IntN}
				if mut.break1(m) {
					mut.mustBeCaught(t, m.History)
					caught++
				}
			}
			if caught < 5 {
				t.Errorf("only %d histories had a place for the mutation", caught)
			}
		})
	}
	t.Run("drawn", rapid.MakeCheck(func(t *rapid.T) {
		mut := rapid.SampledFrom(mutations).Draw(t, "mutation")
		m := &mutant{drawn(t).run(60), func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "place") }}
		if mut.break1(m) {
			mut.mustBeCaught(t, m.History)
		}
	}))
}

func (mut *mutation) mustBeCaught(t interface{ Fatalf(string, ...any) }, h *lin.History) {
	v := lin.Check(h, lin.Options{})
	if v.Status != lin.Violated {
		t.Fatalf("%s: %s, want violated\n%s", mut.name, v, dump(h))
	}
	if !slices.ContainsFunc(mut.caught, func(id lin.CheckID) bool { return v.Result(id).Violations > 0 }) {
		t.Fatalf("%s: caught, but not by %v: %s\n%s", mut.name, mut.caught, v, dump(h))
	}
}
