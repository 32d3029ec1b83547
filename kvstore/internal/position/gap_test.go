package position_test

import (
	"errors"
	"strings"
	"testing"
)

func TestGapHoldsThoseBehindItUntilWhatSupersededItCounts(t *testing.T) {
	t.Parallel()
	tr := newTracker()
	tr.Advance(3)
	ws := waiting(tr, 4, 5, 6, 9, 20)
	tr.Missing(5, 15) // the record at 5 is gone
	tr.Show(10, 1)
	wantOutcomes(t, ws, "waits", "waits", "waits", "waits", "waits")
	tr.Advance(10)
	wantOutcomes(t, ws, "<nil>", "<nil>", "waits", "waits", "waits")
	wantOutcomes(t, waiting(tr, 5, 6, 10, 12), "<nil>", "waits", "waits", "waits") // also those who come later
	if _, applied, done := tr.Complete(); applied != 5 || done != 5 {
		t.Errorf("Complete = %d, %d, want 5, 5: only that much is complete", applied, done)
	}
	tr.Show(16, 1)
	if _, applied, done := tr.Complete(); applied != 16 || done != 5 {
		t.Errorf("Complete = %d, %d, want 16, which reads show, and 5: hooks have not returned", applied, done)
	}
	tr.Advance(14)
	wantOutcomes(t, ws[2:], "waits", "waits", "waits")
	tr.Advance(16)
	wantOutcomes(t, ws[2:], "<nil>", "<nil>", "waits")
	wantOutcomes(t, waiting(tr, 6, 16, 17), "<nil>", "<nil>", "waits")
}

// At the end of the log nothing can be missing that was superseded.
func TestGapAtTheEndOfTheLogHoldsNobody(t *testing.T) {
	t.Parallel()
	tr := newTracker()
	ws := waiting(tr, 2, 7)
	tr.Missing(2, 7)
	tr.Show(7, 1)
	tr.Advance(7)
	wantOutcomes(t, ws, "<nil>", "<nil>")
}

// What superseded a removed record was removed in turn, for something that was written later.
func TestGapBeforeTheEndOfAnotherMakesItLonger(t *testing.T) {
	t.Parallel()
	tr := newTracker()
	ws := waiting(tr, 3)
	tr.Missing(2, 10)
	tr.Show(5, 1)
	tr.Advance(5)
	tr.Missing(8, 20)
	tr.Show(12, 1)
	tr.Advance(12)
	wantOutcomes(t, ws, "waits")
	tr.Advance(20)
	wantOutcomes(t, ws, "<nil>")
}

// A log that grows and is compacted all the time, and that a client reads a little at a time,
// starves nobody: a wait is held by what was in the log when the client came to its gap.
func TestGapBehindTheEndOfAnotherHoldsOnlyItsOwn(t *testing.T) {
	t.Parallel()
	tr := newTracker()
	const step, ahead = 10, 5
	ws := waiting(tr, 3)
	for pos := int64(0); pos < 1000; pos += step {
		w := waiting(tr, pos+8)
		tr.Missing(pos+7, pos+step+ahead) // behind what the gap before reaches
		tr.Show(pos+step, 1)
		tr.Advance(pos + step)
		wantOutcomes(t, w, "waits")
		ws = append(ws, w...)
		if n := len(ws) - 1; pos > 0 {
			wantOutcomes(t, ws[n-1:n], "<nil>")
		}
	}
	wantOutcomes(t, ws[:1], "<nil>")
}

func TestGapEndsWithTheTermAndWithTheTracker(t *testing.T) {
	t.Parallel()
	tr := newTracker()
	tr.Missing(2, 10)
	tr.Show(5, 1)
	tr.Advance(5)
	ws := waiting(tr, 4)
	tr.Rollback(0, 0, errLost)
	wantOutcomes(t, ws, "lost")
	tr.Advance(5)
	if err := tr.Wait(t.Context(), 4, 1); err != nil {
		t.Errorf("Wait in the next term = %v: its log has no gap", err)
	}
	tr.Missing(5, 10)
	tr.Show(8, 1)
	tr.Advance(8)
	tr.Kill(errDead)
	if err := tr.Wait(t.Context(), 7, 1); !errors.Is(err, errDead) {
		t.Errorf("Wait behind a gap = %v, want %v", err, errDead)
	}
}

func TestEndOfAContextNamesTheGapThatHoldsTheWait(t *testing.T) {
	t.Parallel()
	tr := newTracker()
	tr.Missing(2, 10)
	tr.Show(5, 1)
	tr.Advance(5)
	const names = "compaction removed records from offset 2 on before this client read them, and it has to read up to offset 10"
	var e *ended
	if err := tr.Wait(over(), 4, 0); !errors.As(err, &e) || e.at != 5 || e.target != 4 || !strings.Contains(e.why.Err.Error(), names) {
		t.Errorf("Wait = %v, want one at 5, for 4, that says %q", err, names)
	}
	if err := tr.Wait(over(), 7, 0); !errors.As(err, &e) || e.why.Err != nil {
		t.Errorf("Wait for what was not read = %v: nothing stands in its way", err)
	}
	tr.Because(errLost)
	if err := tr.Wait(over(), 4, 0); !errors.As(err, &e) || !strings.Contains(e.why.Err.Error(), names) || !errors.Is(e.why.Err, errLost) {
		t.Errorf("Wait = %v, want one that says %q and matches %v", err, names, errLost)
	}
}
