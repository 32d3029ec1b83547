package linearizability_test

import (
	"testing"

	lin "github.com/kvsim/kvsim/linearizability"
	"github.com/kvsim/kvsim/linearizability/internal/reference"
)

// TestHeld_histories_are_broken_and_held judges the smallest histories known that are broken, but that
// the judges hold, each with the reason why.
func TestHeld_histories_are_broken_and_held(t *testing.T) {
	for _, th := range readTexts(t, "testdata/held.txt") {
		t.Run(th.name, func(t *testing.T) {
			if th.want["why"] == "" {
				t.Errorf("%s:%d: no line why:", th.file, th.line)
			}
			h := th.record(t)
			if reference.Held(h) {
				t.Errorf("%s:%d: the reference explains it: it is no broken history", th.file, th.line)
			}
			if v := lin.Check(h, lin.Options{}); v.Status == lin.Violated {
				t.Errorf("%s:%d: the judges find it now: move it to testdata/histories\n%s", th.file, th.line, v)
			}
		})
	}
}
