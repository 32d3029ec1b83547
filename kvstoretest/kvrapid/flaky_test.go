package kvrapid

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// deterministic are planted bugs that are the same each time that the same is
// done.
var deterministic = []string{
	"a stale read", "a range without its bound", "a write that happens twice", "a revision that is off by one",
	"a storage that keeps deleted keys", "a storage that mixes up the order of a batch",
}

// A failure that comes from a bug and not from a race is repeated by rapid and
// reduced. Which state a client is in must not be the scheduler's to decide, or
// rapid finds the same operations fail in another way, and calls the test flaky.
func TestDeterministicBugIsNeverCalledFlaky(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs all of rapid's checks; not with -short")
	}
	for _, p := range planted {
		if !slices.Contains(deterministic, p.name) {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			for range 6 {
				synctest.Test(t, func(t *testing.T) { wantNoFlake(t, p.cfg) })
			}
		})
	}
}

func TestDeterministicBugIsNeverCalledFlakyInRealTime(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs in real time; not with -short")
	}
	for _, p := range planted {
		if !slices.Contains(deterministic, p.name) {
			continue
		}
		cfg := p.cfg
		cfg.NoFaults = true
		wantNoFlake(t, cfg)
	}
}

func wantNoFlake(t *testing.T, cfg Config) {
	t.Helper()
	text, failed := "", false
	for range 20 { // until the bug is met
		if text, failed = onFake(t, func(t testing.TB) { Check(t, cfg) }); failed {
			break
		}
	}
	if !failed || strings.Contains(text, "flaky") || !strings.Contains(text, "[rapid] failed") {
		t.Errorf("failed: %v, want a failure that rapid could repeat:\n%s", failed, text)
	}
}
