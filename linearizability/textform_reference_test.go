package linearizability_test

import (
	"strings"
	"testing"

	lin "github.com/kvsim/kvsim/linearizability"
	"github.com/kvsim/kvsim/linearizability/internal/reference"
)

// TestTextOfReference_reads_back makes sure that a history which the reference prints is
// the same when it is pasted among the hand-written ones.
func TestTextOfReference_reads_back(t *testing.T) {
	for _, tap := range []lin.Tap{lin.TapExact, lin.TapLate, lin.TapNone} {
		for seed := range uint64(300) {
			h := reference.Generate(seed, tap)
			text := reference.Text(h)
			back, err := recordText(strings.Split(strings.TrimSpace(text), "\n"))
			if err != nil {
				t.Fatalf("%v: %v\n%s", tap, err, text)
			}
			if again := reference.Text(back); again != text {
				t.Fatalf("%v, seed %d: was\n%s\nand is\n%s", tap, seed, text, again)
			}
			if was, is := lin.Check(h, lin.Options{}), lin.Check(back, lin.Options{}); was.Status != is.Status {
				t.Fatalf("%v, seed %d: %v, and read back %v\n%s", tap, seed, was, is, text)
			}
		}
	}
}
