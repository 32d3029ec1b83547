package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/sim"
)

func TestCampaignSaysHowManyFormsWereMet(t *testing.T) {
	t.Parallel()
	names := sim.FormNames()
	c, _ := fakeCLI(func(seed uint64) (*world.Result, error) {
		r := fakeResult(seed, world.Held)
		r.Sometimes = map[string]int{"a thing": 1, "another thing": 1}
		for _, name := range names[1:] {
			r.Sometimes[name] = 2
		}
		return r, nil
	})
	c.sometimes = append(c.sometimes, names...)
	got := kvsim(t, c, "", "run", "--out", t.TempDir(), "--seed", "1..200")
	want := fmt.Sprintf("  forms      %d of %d forms of calls and clients\n", len(names)-1, len(names))
	never := "  never      " + names[0] + ": a campaign of 200 seeds or more"
	if got.code != exitInconclusive || !strings.Contains(got.stdout, want) || !strings.Contains(got.stdout, never) {
		t.Errorf("exit code %d, stdout =\n%s\nwant %d, %q and %q", got.code, got.stdout, exitInconclusive, want, never)
	}
	if strings.Contains(got.stdout, "    "+names[1]) {
		t.Errorf("stdout lists each form:\n%s", got.stdout)
	}
}
