package reference_test

import (
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	lin "github.com/kvsim/kvsim/linearizability"
	"github.com/kvsim/kvsim/linearizability/internal/reference"
)

var (
	from      = flag.Uint64("from", 0, "the seed of the first history")
	histories = flag.Uint64("histories", 3000, "the number of histories of each tap that are judged as they are, and with a change")
	show      = flag.Int("show", 2, "the number of disagreements of each kind that are made smaller and shown")
)

var taps = []lin.Tap{lin.TapExact, lin.TapLate, lin.TapNone}

// TestCheck_holds_correct_histories makes sure that neither the judges nor the reference
// accuse a history that is correct by the way it was made.
func TestCheck_holds_correct_histories(t *testing.T) {
	for _, tap := range taps {
		t.Run(tap.String(), func(t *testing.T) {
			t.Parallel()
			held, shown := uint64(0), 0
			for seed := *from; seed < *from+*histories; seed++ {
				h := reference.Generate(seed, tap)
				explained := tap == lin.TapNone || reference.Held(h)
				if !explained {
					t.Errorf("seed %d: the reference accuses\n%s", seed, reference.Text(h))
				}
				v := lin.Check(h, lin.Options{})
				switch v.Status {
				case lin.Held:
					held++
				case lin.Inconclusive: // nothing to judge
				case lin.Violated, lin.HarnessFailure:
					if t.Errorf("seed %d: %v", seed, v.Err()); explained && shown < *show {
						shown++
						t.Log(pasted(fmt.Sprintf("correct history %d", seed), reference.Shrink(h, accused)))
					}
				}
			}
			t.Logf("%d of %d histories were held", held, *histories)
			if held < *histories*4/10 { // without a log, a history without gets can't be judged
				t.Error("too few say anything")
			}
		})
	}
}

// TestCheck_holds_correct_histories_of_torn_logs is the same of processes that often read the log
// again.
func TestCheck_holds_correct_histories_of_torn_logs(t *testing.T) {
	for _, tap := range []lin.Tap{lin.TapExact, lin.TapLate} {
		t.Run(tap.String(), func(t *testing.T) {
			t.Parallel()
			shown := 0
			for seed := *from; seed < *from+*histories/4; seed++ {
				h := reference.GenerateTorn(seed, tap)
				v := lin.Check(h, lin.Options{})
				if explained := reference.Held(h); explained && v.Status != lin.Violated {
					continue
				} else if !explained {
					t.Errorf("seed %d: the reference accuses\n%s", seed, reference.Text(h))
				} else if t.Errorf("seed %d: %v", seed, v.Err()); shown < *show {
					shown++
					t.Log(pasted(fmt.Sprintf("torn history %d", seed), reference.Shrink(h, accused)))
				}
			}
		})
	}
}

// TestCheck_finds_what_the_reference_finds compares the judges with the reference on
// histories with one change. What the reference can't explain the judges must call a
// violation, except for a few in a thousand, which docs/judges.md lists.
func TestCheck_finds_what_the_reference_finds(t *testing.T) {
	for tap, most := range map[lin.Tap]uint64{lin.TapExact: 1, lin.TapLate: 1} {
		t.Run(tap.String(), func(t *testing.T) {
			t.Parallel()
			c := comparison{T: t, tap: tap, broken: map[string]uint64{}, seen: map[string]uint64{}}
			for seed := *from; seed < *from+*histories; seed++ {
				c.tried++
				c.judge(seed)
			}
			c.report(most)
		})
	}
}

// explained are the rules of which a few broken histories are held with each tap, and the kind of
// what is held: linearizability/testdata/held.txt has the smallest ones of each kind, and why. One of
// another rule is of a kind that nobody has looked at.
var explained = map[lin.Tap]map[string]string{
	lin.TapExact: {
		"acknowledged":      "a record that was sent again",
		"append-late":       "half of a batch",
		"barrier":           "what others had shown",
		"client-of-another": "what others had shown",
		"deletion-moved":    "a cold reader",
		"hook-doubled":      "a record that was sent again",
		"hook-early":        "a process that has told nothing",
		"hook-missing":      "what others had shown",
		"lost":              "several writes reported as lost",
		"position":          "a record that was sent again",
		"rebuild-missing":   "a loss while the log is reread",
		"restart-hidden":    "a record that was sent again",
		"revision":          "a record that was sent again",
		"wait":              "a wait over a loss",
	},
	lin.TapLate: {
		"acknowledged":    "shared values with a late tap",
		"barrier":         "what others had shown",
		"deletion-moved":  "a deletion with a late tap",
		"early-return":    "shared values with a late tap",
		"end-moved":       "an end of the log with a late tap",
		"hook-doubled":    "a loss with a late tap",
		"hook-early":      "shared values with a late tap",
		"hook-missing":    "a deletion with a late tap",
		"late-call":       "shared values with a late tap",
		"lost":            "several writes reported as lost",
		"never-ended":     "a loss with a late tap",
		"position":        "a loss with a late tap",
		"rebuild-missing": "a deletion with a late tap",
		"record-changed":  "a loss with a late tap",
	},
}

// TestExplained_kinds_are_kept makes sure that each kind of what is held has a smallest history.
func TestExplained_kinds_are_kept(t *testing.T) {
	text, err := os.ReadFile("../../testdata/held.txt")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for tap, rules := range explained {
		for rule, kind := range rules {
			if named[kind] = true; !strings.Contains(string(text), "\n== "+kind+" - ") {
				t.Errorf("%v, %s: no history of %q is kept", tap, rule, kind)
			}
		}
	}
	for line := range strings.Lines(string(text)) {
		title, is := strings.CutPrefix(line, "== ")
		if kind, _, _ := strings.Cut(title, " - "); is && !named[kind] {
			t.Errorf("no rule names the kind %q", kind)
		}
	}
}

// A comparison counts how the judges and the reference agree.
type comparison struct {
	*testing.T

	tap    lin.Tap
	broken map[string]uint64 // by rule
	seen   map[string]uint64 // disagreements by kind
	tried  uint64            // seeds
	missed uint64
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
		c.broken[rule]++
		if v.Status != lin.Violated {
			c.missed++
			c.note(rule+" missed", seed, h, missed)
		}
		return
	}
	if accused(h) {
		c.note(rule+" accused", seed, h, accused)
		c.Fail()
	}
}

// accused reports whether the judges accuse a history that the reference explains. What others
// have read binds a barrier too, which the reference does not know.
func accused(h *lin.History) bool {
	v := lin.Check(h, lin.Options{})
	return len(v.Assumptions) == 0 && reference.Held(h) &&
		(len(v.Disagreements) > 0 || slices.ContainsFunc(v.Violations, func(w *lin.Violation) bool { return w.Check != lin.CheckBarrier }))
}

// missed reports whether the judges hold a history that the reference can't explain.
func missed(h *lin.History) bool {
	v := lin.Check(h, lin.Options{})
	return len(v.Assumptions) == 0 && v.Status != lin.Violated && !reference.Held(h)
}

// note shows the first disagreements of each kind.
func (c *comparison) note(kind string, seed uint64, h *lin.History, same func(*lin.History) bool) {
	if c.seen[kind]++; c.seen[kind] <= uint64(*show) {
		c.Logf("seed %d, %s\n%s", seed, kind, pasted(kind, reference.Shrink(h, same)))
	}
}

// report says how many disagreements of each kind there were.
func (c *comparison) report(most uint64) {
	broken := uint64(0)
	for _, rule := range slices.Sorted(maps.Keys(c.broken)) {
		broken += c.broken[rule]
		c.Logf("%-20s %6d broken, %d missed", rule, c.broken[rule], c.seen[rule+" missed"])
	}
	for _, kind := range slices.Sorted(maps.Keys(c.seen)) {
		if rule, is := strings.CutSuffix(kind, " missed"); is && explained[c.tap][rule] == "" && c.tap != lin.TapNone {
			c.Errorf("%s: nobody has explained why one of this rule is held", kind)
		}
		if strings.HasSuffix(kind, " accused") {
			c.Logf("%s: %d", kind, c.seen[kind])
		}
	}
	c.Logf("%d of %d broken histories were not found", c.missed, broken)
	if broken < c.tried/6 {
		c.Error("too few histories were broken")
	}
	limit := float64(most*broken) / 1000
	if float64(c.missed) > limit+2*math.Sqrt(limit)+1 { // what a run breaks is chance
		c.Errorf("too many, want at most %d in 1000", most)
	}
}

// pasted returns a history as it can stand in linearizability/testdata/histories, with the
// verdict of the reference, and after it what the judges said instead.
func pasted(name string, h *lin.History) string {
	want, log := "held", "inconclusive"
	register, session := reference.Operations(withoutLog(h), nil)
	explained := register && session
	if len(h.Log) > 0 {
		explained = reference.Held(h)
	}
	if !explained {
		want = "violated"
	}
	if len(h.Log) > 0 {
		log = want
	}
	second := "held"
	switch {
	case !register:
		second = "violated " + string(lin.CheckPorcupineKey)
	case !session:
		second = "violated " + string(lin.CheckPorcupineSession)
	}
	v := lin.Check(h, lin.Options{})
	said := v.Status.String()
	if err := v.Err(); err != nil {
		said = err.Error()
	}
	said = "# said: " + strings.ReplaceAll(said, "\n", "\n# ")
	return fmt.Sprintf("== reference - %s - %s\nlog: %s\nporcupine: %s\n%s%s\n", name, want, log, second, reference.Text(h), said)
}
