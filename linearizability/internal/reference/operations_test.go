package reference_test

import (
	"slices"
	"testing"

	lin "github.com/kvsim/kvsim/linearizability"
	"github.com/kvsim/kvsim/linearizability/internal/reference"
)

var modelChecks = []lin.CheckID{lin.CheckPorcupineKey, lin.CheckPorcupineSession}

var witnessChecks = slices.DeleteFunc(lin.AllChecks(), func(id lin.CheckID) bool { return slices.Contains(modelChecks, id) })

// TestPorcupine_says_what_the_reference_says compares porcupine's models with the reference, on
// correct histories and on those with a change. Each must say exactly what the reference says of the
// operations: where there is no log, of all keys, and where there is one, of the keys of which
// no record was lost, deleted from the start of the log, or written by a foreign program. Where
// a history is cut into small pieces, violations may be missed.
func TestPorcupine_says_what_the_reference_says(t *testing.T) {
	for _, tap := range taps {
		t.Run(tap.String(), func(t *testing.T) {
			t.Parallel()
			c := comparison{T: t, tap: tap, broken: map[string]uint64{}, seen: map[string]uint64{}}
			for seed := *from; seed < *from+*histories; seed += 4 { // each gives several histories
				c.tried++
				c.models(seed)
			}
			c.report(0)
		})
	}
}

// changes is how many rules are tried on the operations of a history. Most do not fit.
const changes = 12

// models compares what they say of histories that a seed gives, with the log and without.
func (c *comparison) models(seed uint64) {
	h := reference.Generate(seed, c.tap)
	c.model("as made", seed, h)
	if changed, rule := reference.Corrupt(seed, h); changed != nil {
		c.model(rule, seed, changed)
	}
	h = withoutLog(h)
	for n := range uint64(changes) {
		if changed, rule := reference.Corrupt(seed*changes+n, h); changed != nil {
			c.model(rule, seed, changed)
		}
	}
	for i := range h.Ops {
		h.Ops[i].Barrier = h.Ops[i].Kind == lin.OpGet
	}
	c.model("all barriers", seed, h)
}

func (c *comparison) model(rule string, seed uint64, h *lin.History) {
	broken, says := modelsSay(h)
	if broken {
		c.broken[rule]++
	}
	if says != "" {
		c.missed++
		c.note(rule+" "+says, seed, h, func(h *lin.History) bool {
			_, still := modelsSay(h)
			return says == still
		})
	}
}

func withoutLog(h *lin.History) *lin.History {
	without := *h
	without.Ops = slices.Clone(h.Ops)
	without.Log, without.Header, without.Hooks, without.Rebuilds, without.Snapshots = nil, lin.Header{}, nil, nil, nil
	return &without
}

// modelsSay reports whether the reference calls the operations of a history broken, and what
// porcupine says else: "missed" or "accused", or "" if it says the same.
func modelsSay(h *lin.History) (broken bool, says string) {
	register, session := reference.Operations(h, judgedAlone(h))
	keeps := map[lin.CheckID]bool{lin.CheckPorcupineKey: register, lin.CheckPorcupineSession: session}
	whole := lin.Options{Skip: witnessChecks}
	pieces := whole
	pieces.Porcupine = lin.PorcupineOptions{PieceOperations: 8, PieceUnknown: 1}
	for _, opts := range []lin.Options{whole, pieces} {
		v := lin.Check(h, opts)
		if len(v.Assumptions) > 0 {
			return false, ""
		}
		for _, r := range v.Checks {
			switch kept, model := keeps[r.Check]; {
			case !model:
			case kept && r.Violations > 0:
				return !kept, "accused"
			case !kept && r.Violations == 0 && opts.Porcupine == whole.Porcupine:
				return !kept, "missed"
			}
		}
	}
	return !register || !session, ""
}

// judgedAlone returns whether porcupine judges a key: not if records of it were lost, deleted from
// the start of the log, or written by a foreign program.
func judgedAlone(h *lin.History) func(key string) bool {
	not, at, start := map[string]bool{}, map[int64]string{}, int64(0)
	gone := func(gone func(offset int64) bool) {
		for o, key := range at {
			not[key] = not[key] || gone(o)
		}
	}
	for _, e := range h.Log {
		switch e.Kind {
		case lin.LogAppend:
			at[e.Offset] = e.Key
			not[e.Key] = not[e.Key] || e.Foreign || e.Offset < start // a late tap may note that it is gone first
		case lin.LogTruncate:
			gone(func(o int64) bool { return o >= e.Offset })
		case lin.LogRecreate:
			gone(func(int64) bool { return true })
			start = 0
		case lin.LogTrim:
			gone(func(o int64) bool { return o < e.Offset })
			start = max(start, e.Offset)
		case lin.LogCommit, lin.LogAbort, lin.LogCompact, lin.LogUncompact, lin.LogEnd:
		}
	}
	return func(key string) bool { return !not[key] }
}
