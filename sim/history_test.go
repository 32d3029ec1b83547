package sim_test

import (
	"bytes"
	"strings"
	"testing"

	lin "github.com/kvsim/kvsim/linearizability"
	"github.com/kvsim/kvsim/scenarios"
	"github.com/kvsim/kvsim/sim"
)

// A world's history has what version 2 of the format can say of calls and clients.
func TestHistoriesHaveDeadlinesClassesAndStatuses(t *testing.T) {
	var text bytes.Buffer
	s := scenario(t, "everything")
	virtual(t, s.Plan(1, scenarios.Knobs{Ops: 100}), sim.Env{History: &text})
	h, err := lin.ReadHistory(&text)
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for i := range h.Ops {
		o := &h.Ops[i]
		herd := strings.HasPrefix(o.Client, "r") // its readers wait as long as it takes
		if o.Kind != lin.OpClose && !herd && o.Deadline <= o.Call.Time {
			t.Errorf("%s: its deadline is %v", o, o.Deadline)
		}
		if ended := o.Outcome == lin.Failed || o.Outcome == lin.Unknown; ended {
			failed++
			if o.Class == lin.ErrorNone {
				t.Errorf("%s: %s, without a class", o, o.Err)
			}
		}
	}
	if failed == 0 {
		t.Error("no operation failed, so no class was looked at")
	}
	type process struct {
		client string
		number int
	}
	opened, last := map[process]bool{}, map[process]lin.ClientStatus{}
	for i := range h.Ops {
		if o := &h.Ops[i]; o.Kind == lin.OpOpen && o.Outcome == lin.OK {
			opened[process{o.Client, o.Process}] = true
		}
	}
	for _, st := range h.Statuses {
		id := process{st.Client, st.Process}
		if before := last[id]; before.State == st.State && before.Cause == st.Cause {
			t.Errorf("%v says twice in a row: %s", id, &st)
		}
		if !opened[id] {
			t.Errorf("%v says %s, and had not opened", id, &st)
		}
		last[id] = st
	}
	if len(last) != len(opened) || len(opened) == 0 {
		t.Errorf("%d of %d processes that opened said anything", len(last), len(opened))
	}
}
