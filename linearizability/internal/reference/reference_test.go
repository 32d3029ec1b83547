package reference_test

import (
	"bytes"
	"flag"
	"testing"

	lin "github.com/kvsim/kvsim/linearizability"
	"github.com/kvsim/kvsim/linearizability/internal/reference"
)

var (
	histories = flag.Int("histories", 3000, "the number of histories of each kind and tap that are judged")
	show      = flag.Int("show", 3, "the number of disagreements of each kind that are shown")
)

func text(t *testing.T, h *lin.History) string {
	t.Helper()
	var b bytes.Buffer
	if err := lin.WriteHistory(&b, h); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestCheck_holds_correct_histories makes sure that neither the judges nor the reference
// accuse a history that is correct by the way it was made.
func TestCheck_holds_correct_histories(t *testing.T) {
	for _, tap := range []lin.Tap{lin.TapExact, lin.TapLate, lin.TapNone} {
		t.Run(tap.String(), func(t *testing.T) {
			t.Parallel()
			held := 0
			for seed := range uint64(*histories) {
				h := reference.Generate(seed, tap)
				if tap != lin.TapNone && !reference.Held(h) {
					t.Errorf("seed %d: the reference accuses\n%s", seed, text(t, h))
				}
				switch v := lin.Check(h, lin.Options{}); v.Status {
				case lin.Held:
					held++
				case lin.Inconclusive: // nothing to judge
				case lin.Violated, lin.HarnessFailure:
					t.Errorf("seed %d: %v\n%s", seed, v.Err(), text(t, h))
				}
			}
			if held < *histories*4/10 { // without a log, a history without gets can't be judged
				t.Errorf("only %d of %d histories were held", held, *histories)
			}
		})
	}
}

// TestCheck_finds_what_the_reference_finds compares the judges with the reference on
// histories with one change. What the reference can't explain the judges must call a
// violation, except for a few in a thousand: hooks after a loss that a process may have read
// again, and, with a late tap, what only the order between a loss and a late note tells.
func TestCheck_finds_what_the_reference_finds(t *testing.T) {
	for tap, most := range map[lin.Tap]int{lin.TapExact: 8, lin.TapLate: 30} {
		t.Run(tap.String(), func(t *testing.T) {
			t.Parallel()
			c := comparison{T: t, tap: tap, seen: map[string]int{}}
			for seed := range uint64(*histories) {
				c.judge(seed)
			}
			for kind, n := range c.seen {
				t.Logf("%s: %d", kind, n)
			}
			if c.broken < *histories/4 {
				t.Errorf("only %d histories were broken", c.broken)
			}
			if c.missed*1000 > most*c.broken {
				t.Errorf("%d of %d broken histories were not found, want at most %d in 1000", c.missed, c.broken, most)
			}
		})
	}
}

// A comparison counts how the judges and the reference agree.
type comparison struct {
	*testing.T

	tap            lin.Tap
	broken, missed int
	seen           map[string]int
}

func (c *comparison) judge(seed uint64) {
	h, rule := reference.Corrupt(seed, reference.Generate(seed, c.tap))
	if h == nil {
		return
	}
	v := lin.Check(h, lin.Options{})
	if len(v.Assumptions) > 0 {
		return // the change made it no history of a log
	}
	if !reference.Held(h) {
		c.broken++
		if v.Status != lin.Violated {
			c.missed++
			c.note(rule+" missed", seed, h, v)
		}
		return
	}
	for _, w := range v.Violations {
		// What others have read binds a barrier too; the reference does not know that.
		if w.Check != lin.CheckBarrier {
			c.note(rule+" accused", seed, h, v)
			if c.tap == lin.TapExact {
				c.Fail()
			}
		}
	}
}

// note shows the first disagreements of each kind.
func (c *comparison) note(kind string, seed uint64, h *lin.History, v *lin.Verdict) {
	if c.seen[kind]++; c.seen[kind] <= *show {
		c.Logf("seed %d, %s: %v\n%s", seed, kind, v.Err(), text(c.T, h))
	}
}
