package kvstore

import (
	"testing"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
	"github.com/kvsim/kvsim/kvstore/internal/position"
)

func TestReadsThatPassDuringARebuildAreFoundOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		shut, failed bool
		rebuild      *rebuild
		want         string
	}{
		"live":                {want: ""},
		"live, and shut":      {shut: true, want: "I8"},
		"rebuilding":          {shut: true, rebuild: &rebuild{}, want: ""},
		"rebuilding, open":    {rebuild: &rebuild{}, want: "I8"},
		"opening":             {rebuild: newOpening(), want: ""},
		"rebuilding, over":    {failed: true, rebuild: &rebuild{}, want: ""},
		"opening starts over": {shut: true, rebuild: newOpening(), want: ""},
	} {
		tl := &tail{gate: position.NewGate(), rebuild: c.rebuild}
		if c.shut {
			tl.gate.Shut()
		}
		if c.failed {
			tl.gate.Fail(ErrClientClosed)
		}
		if got := invariant.Broken(tl.checkStep); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestFetchThatDoesNotFollowWhatWasReadIsFoundOut(t *testing.T) {
	t.Parallel()
	at := func(revisions ...int64) (out []Record) {
		for _, r := range revisions {
			out = append(out, Record{Revision: r})
		}
		return out
	}
	asked := leader{node: 1, epoch: 2}
	for name, c := range map[string]struct {
		checked leader
		f       fetched
		want    string
	}{
		"in order":        {asked, fetched{next: 9, changes: at(5, 6, 8)}, ""},
		"nobody asked":    {noLeader, fetched{next: 9, changes: at(5)}, "I5"},
		"read before":     {asked, fetched{next: 9, changes: at(4, 5)}, "I1"},
		"twice":           {asked, fetched{next: 9, changes: at(6, 6)}, "I1"},
		"back":            {asked, fetched{next: 9, changes: at(7, 6)}, "I1"},
		"behind the next": {asked, fetched{next: 9, changes: at(9)}, "I1"},
		"whose, in order": {asked, fetched{next: 9, sources: []position.Source{{Offset: 5}, {Offset: 6}}}, ""},
		"whose, back":     {asked, fetched{next: 9, sources: []position.Source{{Offset: 6}, {Offset: 5}}}, "I20"},
	} {
		tl := &tail{checked: c.checked, pos: 5}
		if got := invariant.Broken(func() { tl.checkFetched(&c.f) }); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestPositionThatIsNotWhatWasAppliedIsFoundOut(t *testing.T) {
	t.Parallel()
	kept := &rebuild{whole: true, floor: 5}
	for name, c := range map[string]struct {
		shown, done int64
		rebuild     *rebuild
		want        string
	}{
		"all of it":           {5, 5, nil, ""},
		"not readable":        {4, 4, nil, "I2"},
		"hooks not done":      {5, 4, nil, "I2"},
		"kept":                {5, 5, kept, ""},
		"kept, and moved":     {6, 5, kept, "I3"},
		"after a loss":        {5, 5, &rebuild{compared: true}, ""},
		"after a loss, stays": {4, 4, &rebuild{compared: true}, "I2"},
		"a loss to be told":   {5, 3, &rebuild{start: 3}, ""},
		"a loss, not told":    {5, 5, &rebuild{start: 3}, "I2"},
	} {
		tl := &tail{pos: 5, track: newTracker(), rebuild: c.rebuild}
		tl.track.Show(c.shown, 0)
		tl.track.Advance(c.done)
		if got := invariant.Broken(tl.checkApplied); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// A log that is said to end below what was read is a matter for others.
func TestNothingIsOwedOnceItWasRead(t *testing.T) {
	t.Parallel()
	for pos, want := range map[int64]int64{5: 9, 8: 9, 9: -1, 12: -1} {
		if got := (&tail{pos: pos, debt: debt{upTo: 9}}).owed(); got != want {
			t.Errorf("owed at position %d, when all up to 9 had to be read = %d, want %d", pos, got, want)
		}
	}
}

func TestGapThatHoldsNobodyIsFoundOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		missing int64 // up to where the tracker holds waiters
		want    string
	}{
		"known":            {9, ""},
		"not known":        {3, "I25"},
		"known as shorter": {5, "I25"},
	} {
		tl := &tail{pos: 5, track: newTracker(), debt: debt{upTo: 9}}
		tl.track.Missing(2, c.missing)
		tl.track.Show(5, 0)
		tl.track.Advance(5)
		if got := invariant.Broken(tl.checkApplied); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestRereadingThatEndsTooEarlyIsFoundOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rebuild *rebuild
		want    string
	}{
		"all is there again":    {&rebuild{whole: true, seen: 5}, ""},
		"not all":               {&rebuild{whole: true, seen: 6}, "I10"},
		"records were lost":     {&rebuild{seen: 6}, ""},
		"nothing was shown yet": {&rebuild{whole: true, opening: true, seen: 6}, ""},
	} {
		tl := &tail{pos: 5, rebuild: c.rebuild}
		if got := invariant.Broken(tl.checkSeen); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestTryThatMustNotBeSentIsFoundOut(t *testing.T) {
	t.Parallel()
	first, second := sender{id: 7, epoch: 1}, sender{id: 8}
	for name, c := range map[string]struct {
		handed, doubt bool
		was, is       sender
		want          string
	}{
		"handed over":          {true, false, noSender, first, ""},
		"can be taken back":    {false, false, noSender, first, "I15"},
		"another one":          {true, false, first, second, ""},
		"in doubt":             {true, true, first, first, ""},
		"in doubt, as another": {true, true, first, second, "I17"},
	} {
		w := &writer{queue: queue{handed: c.handed}}
		if got := invariant.Broken(func() { w.checkTry(&recordBatch{who: c.is}, c.doubt, c.was) }); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestJudgementThatForgetsDoubtIsFoundOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		was, is bool
		v       verdict
		want    string
	}{
		"no doubt, refused":   {false, false, verdictRefused, ""},
		"doubt begins":        {false, true, verdictAgain, ""},
		"doubt stays":         {true, true, verdictUnknown, ""},
		"doubt is forgotten":  {true, false, verdictAgain, "I16"},
		"doubt, refused":      {true, true, verdictRefused, "I16"},
		"doubt, another name": {true, true, verdictRenew, "I16"},
	} {
		if got := invariant.Broken(func() { checkVerdict(trial{doubt: c.was}, trial{doubt: c.is}, c.v) }); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestDefiniteOutcomeOfABatchInDoubtIsFoundOut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		doubt   bool
		outcome error
		want    string
	}{
		{false, ErrRefused, ""},
		{false, ErrNotWritten, ""},
		{true, nil, ""},
		{true, ErrOutcomeUnknown, ""},
		{true, ErrRefused, "I16"},
		{true, ErrNotWritten, "I16"},
	} {
		if got := invariant.Broken(func() { checkOutcome(trial{doubt: c.doubt}, delivered{outcome: c.outcome}) }); got != c.want {
			t.Errorf("doubt %v, outcome %v: %q, want %q", c.doubt, c.outcome, got, c.want)
		}
	}
}

func TestSecondBatchOnItsWayIsFoundOut(t *testing.T) {
	t.Parallel()
	if !invariant.On {
		t.Skip("needs -tags kvsim_invariants, without which nothing is remembered")
	}
	w := &writer{}
	for _, busy := range []bool{true, false, true} {
		if got := invariant.Broken(func() { w.checkFront(busy) }); got != "" {
			t.Errorf("busy %v: %q", busy, got)
		}
	}
	if got := invariant.Broken(func() { w.checkFront(true) }); got != "I15" {
		t.Errorf("a second batch: %q, want I15", got)
	}
}

// A violation is a bug of the store: it must not pass for a panic of the storage in
// which it was found.
func TestViolationInGuardedCodeIsNoPanicOfTheUser(t *testing.T) {
	t.Parallel()
	if !invariant.On {
		t.Skip("needs -tags kvsim_invariants, without which there are no violations")
	}
	wrong := func() error {
		invariant.Check("I24", false, "")
		return nil
	}
	not := false
	for name, guard := range map[string]func(){
		"guarded":       func() { _ = guarded("storage", wrong) },
		"guardedUnless": func() { _ = guardedUnless(&not, "storage", func() { _ = wrong() }) },
	} {
		if got := invariant.Broken(guard); got != "I24" {
			t.Errorf("%s: %q, want I24", name, got)
		}
	}
}
