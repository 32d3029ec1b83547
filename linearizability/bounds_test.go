package linearizability_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	lin "github.com/kvsim/kvsim/linearizability"
)

// TestPorcupine_decides_one_hot_key takes the case that makes an unbounded
// search explode: one key, many clients, unknown outcomes, and a stale read.
func TestPorcupine_decides_one_hot_key(t *testing.T) {
	for _, clients := range []int{2, 5, 16} {
		h := busyHistory(clients, 2, 5000)
		only := lin.Options{Skip: witnessChecks()}
		v := lin.Check(h, only)
		if v.Status != lin.Held {
			t.Errorf("%d clients: %s", clients, v)
		}
		if r := v.Result(lin.CheckPorcupineSession); r.Judged < 10 {
			t.Errorf("%d clients: only %d pieces: %s", clients, r.Judged, r)
		}
		staleRead(t, h)
		v = lin.Check(h, only)
		if v.Status != lin.Violated {
			t.Errorf("%d clients, stale read: %s", clients, v)
		}
		if both := lin.Check(h, lin.Options{}); both.Status != lin.Violated {
			t.Errorf("%d clients, stale read, both judges: %s", clients, both)
		}
	}
}

// staleRead makes a get in the middle of the history return the value that its key had
// before the client's last write to it.
func staleRead(t *testing.T, h *lin.History) {
	t.Helper()
	last := map[string]*lin.Operation{} // by client
	puts := map[string][]*lin.Operation{}
	for i := range h.Ops {
		o := &h.Ops[i]
		w := last[o.Client]
		last[o.Client] = o
		if o.Kind == lin.OpPut && o.Outcome == lin.OK {
			puts[o.Key] = append(puts[o.Key], o)
		}
		if i < len(h.Ops)/2 || o.Kind != lin.OpGet || o.Outcome != lin.OK || w == nil || w.Kind != lin.OpPut || w.Outcome != lin.OK || w.Key != o.Key {
			continue
		}
		for _, older := range slices.Backward(puts[o.Key]) {
			if older.Return.Seq < w.Call.Seq {
				o.Value, o.Revision = older.Value, lin.None
				return
			}
		}
	}
	t.Fatal("no get right after a put")
}

func TestPorcupine_that_gives_up_is_inconclusive(t *testing.T) {
	h := busyHistory(5, 2, 500)
	v := lin.Check(h, lin.Options{Porcupine: lin.PorcupineOptions{MaxSteps: 5}})
	if v.Status != lin.Inconclusive {
		t.Fatalf("a judge that may take 5 steps: %s", v)
	}
	if err := v.Err(); err == nil || !strings.Contains(err.Error(), "could not decide") {
		t.Errorf("Err() = %v, want one that says what was not decided", err)
	}
	if r := v.Result(lin.CheckPorcupineSession); r.Undecided == 0 || !strings.Contains(r.String(), "undecided") {
		t.Errorf("%s, want it undecided", r)
	}
}

func TestCheck_is_deterministic(t *testing.T) {
	h := busyHistory(5, 5, 500)
	staleRead(t, h)
	first := lin.Check(h, lin.Options{}).String()
	for range 5 {
		if again := lin.Check(h, lin.Options{}).String(); again != first {
			t.Fatalf("the same history judged twice:\n%s\nand\n%s", first, again)
		}
	}
}

func TestCheck_does_not_change_the_history(t *testing.T) {
	for seed := range uint64(20) {
		h := seeded(seed).run(200)
		before := dump(h)
		lin.Check(h, lin.Options{})
		if after := dump(h); after != before {
			t.Fatalf("seed %d: the history was changed", seed)
		}
	}
}

func TestCheck_skips_what_is_switched_off(t *testing.T) {
	h, err := recordText([]string{"c1 put a v1 => ok @0", "c1 get a -> -"})
	if err != nil {
		t.Fatal(err)
	}
	v := lin.Check(h, lin.Options{Skip: []lin.CheckID{lin.CheckReadYourWrites, lin.CheckPorcupineSession}})
	if v.Status != lin.Held {
		t.Errorf("verdict: %s", v)
	}
	if r := v.Result(lin.CheckReadYourWrites); r.Ran || r.Reason != "switched off" {
		t.Errorf("%s, want it switched off", r)
	}
}

func TestCheck_explains_no_more_violations_than_asked(t *testing.T) {
	var events []string
	for range 30 {
		events = append(events, "c1 get a -> nobody's")
	}
	h, err := recordText(append(events, "c1 put a v1 => ok @0"))
	if err != nil {
		t.Fatal(err)
	}
	v := lin.Check(h, lin.Options{MaxViolations: 3})
	if len(v.Violations) != 3 || v.Result(lin.CheckReadFromLog).Violations != 30 {
		t.Errorf("%d explained, %s, want 3 of 30", len(v.Violations), v.Result(lin.CheckReadFromLog))
	}
}

func TestVisualizeKey_shows_the_offending_key_and_escapes_it(t *testing.T) {
	h, err := recordText([]string{"c1 put a <script>alert(1)</script> => ok @0", "c1 get a -> -"})
	if err != nil {
		t.Fatal(err)
	}
	var page bytes.Buffer
	if err := lin.VisualizeKey(&page, h, "a", lin.Options{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page.String(), "get = no value") || strings.Contains(page.String(), "<script>alert(1)") {
		t.Error("the page lacks the get, or has the value's markup")
	}
	if err := lin.VisualizeKey(&page, h, "b", lin.Options{}); err == nil {
		t.Error("a key that was never read has a picture")
	}
}

func TestCheck_empty_history_is_no_pass(t *testing.T) {
	v := lin.Check(&lin.History{}, lin.Options{})
	if v.Status != lin.Inconclusive || len(v.Assumptions) != 1 {
		t.Errorf("verdict of an empty history: %s", v)
	}
}

func TestCheck_numbers_that_cannot_be_are_no_pass(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(h *lin.History)
	}{
		{"sequence number too high", func(h *lin.History) { h.Ops[1].Return.Seq = 1 << 62 }},
		{"sequence number 0", func(h *lin.History) { h.Ops[0].Call.Seq = 0 }},
		{"sequence number twice", func(h *lin.History) { h.Ops[1].Return.Seq = h.Log[0].Seq }},
		{"time goes back", func(h *lin.History) { h.Ops[1].Return.Time = 0 }},
		{"return before the call", func(h *lin.History) { h.Ops[0].Call, h.Ops[0].Return = h.Ops[0].Return, h.Ops[0].Call }},
		{"negative offset", func(h *lin.History) { h.Log[0].Offset = -2 }},
		{"negative revision", func(h *lin.History) { h.Ops[0].Revision = -2 }},
		{"position too high", func(h *lin.History) { h.Ops[1].Position = 1 << 62 }},
		{"operation twice", func(h *lin.History) { h.Ops[1].ID = h.Ops[0].ID }},
		{"no client", func(h *lin.History) { h.Ops[1].Client = "" }},
		{"no such kind", func(h *lin.History) { h.Ops[1].Kind = 77 }},
		{"no such outcome", func(h *lin.History) { h.Ops[1].Outcome = 77 }},
		{"no such log event", func(h *lin.History) { h.Log[0].Kind = 77 }},
		{"put without a value", func(h *lin.History) { h.Ops[0].Value = "" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, err := recordText([]string{"c1 put a v1 => ok @0 ^1", "c1 get a -> v1 @0 ^1"})
			if err != nil {
				t.Fatal(err)
			}
			tt.spoil(h)
			v := lin.Check(h, lin.Options{})
			if err := v.Err(); v.Status != lin.HarnessFailure || !errors.Is(err, lin.ErrAssumption) {
				t.Errorf("verdict: %s, want a harness failure with a broken assumption", v)
			}
		})
	}
}

func TestVisualizeKey_draws_whatever_the_search_found_within_its_steps(t *testing.T) {
	h, err := recordText([]string{
		"c1 put a v1 => ok @0", "c2 get a -> v1", "c1 put a v2 => ok @1", "c2 get a -> v2", "c2 get a -> v1", "c1 get a -> v2",
	})
	if err != nil {
		t.Fatal(err)
	}
	for steps := 1; steps < 100; steps++ {
		var page bytes.Buffer
		err := func() (err error) {
			defer func() {
				if p := recover(); p != nil {
					err = fmt.Errorf("it panics: %v", p)
				}
			}()
			return lin.VisualizeKey(&page, h, "a", lin.Options{Porcupine: lin.PorcupineOptions{MaxSteps: steps}})
		}()
		if err != nil || !strings.Contains(page.String(), "v2") {
			t.Fatalf("VisualizeKey with %d steps = %v, want a page with the operations", steps, err)
		}
	}
}
