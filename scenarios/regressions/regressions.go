// Package regressions runs plans that once failed. Its tests are small cases of bugs that
// were found and fixed; kvsim shrink writes more of them, here and for other modules.
package regressions

import (
	"testing"
	"testing/synctest"

	"github.com/kvsim/kvsim/sim"
)

// Holds runs the world of a plan, in the text form of [sim.ParsePlan], in a
// bubble of package testing/synctest and fails t for each reason for which it
// did not hold. t must not be in a bubble already.
func Holds(t *testing.T, plan string) {
	t.Helper()
	p, err := sim.ParsePlan(plan)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		outcome, err := sim.Run(t.Context(), p, sim.Env{})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range outcome.Reasons {
			t.Errorf("%v: %s: %s", outcome.Status, r.Name, r.Text)
		}
	})
}
