package linearizability_test

import (
	"slices"
	"strings"
	"testing"

	lin "github.com/kvsim/kvsim/linearizability"
)

var porcupineChecks = []lin.CheckID{lin.CheckPorcupineKey, lin.CheckPorcupineSession}

func witnessChecks() []lin.CheckID {
	return slices.DeleteFunc(lin.AllChecks(), func(id lin.CheckID) bool { return slices.Contains(porcupineChecks, id) })
}

// TestHistories runs each hand-written history through each judge alone, and
// through both.
func TestHistories(t *testing.T) {
	all := readTextHistories(t)
	if len(all) < 60 {
		t.Errorf("%d hand-written histories, want at least 60", len(all))
	}
	names := map[string]bool{}
	for _, th := range all {
		t.Run(th.name, func(t *testing.T) {
			if names[th.name] {
				t.Errorf("%s:%d: a second history of this name", th.file, th.line)
			}
			names[th.name] = true
			h := th.record(t)
			judge := func(who string, v *lin.Verdict) {
				want := th.want[who]
				if want == "" {
					t.Fatalf("%s:%d: no line %q", th.file, th.line, who+":")
				}
				if got := summary(v); got != want && (want != "violated" || v.Status != lin.Violated) {
					t.Errorf("%s:%d: %s: got %q, want %q\n%s", th.file, th.line, who, got, want, v)
				}
			}
			judge("log", lin.Check(h, lin.Options{Skip: porcupineChecks}))
			without := *h
			without.Log, without.Header.Tap, without.Hooks, without.Rebuilds, without.Snapshots = nil, lin.TapNone, nil, nil, nil
			judge("porcupine", lin.Check(&without, lin.Options{Skip: witnessChecks()}))
			if th.want["both"] == "" {
				th.want["both"] = th.want["log"]
			}
			both := lin.Check(h, lin.Options{})
			judge("both", both)
			if !strings.HasSuffix(th.name, both.Status.String()) {
				t.Errorf("%s:%d: the name does not end in the verdict, %q", th.file, th.line, both.Status)
			}
		})
	}
}

// summary returns the status, and the check that the first violation names.
func summary(v *lin.Verdict) string {
	s := v.Status.String()
	if v.Status == lin.Violated {
		s += " " + string(v.Violations[0].Check)
	}
	return s
}

// TestHistories_name_each_check makes sure that for every check there is a history that
// it catches.
func TestHistories_name_each_check(t *testing.T) {
	caught := map[string]bool{}
	for _, th := range readTextHistories(t) {
		for _, want := range th.want {
			caught[strings.TrimPrefix(want, "violated ")] = true
		}
	}
	for _, id := range lin.AllChecks() {
		if !caught[string(id)] {
			t.Errorf("no hand-written history is caught by %s", id)
		}
	}
}
