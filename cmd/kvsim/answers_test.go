package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/sim"
)

func TestCampaignSaysWhichAnswersWereMet(t *testing.T) {
	t.Parallel()
	cells := sim.AnswerCells()
	c, _ := fakeCLI(func(seed uint64) (*world.Result, error) {
		r := fakeResult(seed, world.Held)
		r.Answers = map[string]int{cells[0].Name: 2}
		if seed == 2 {
			r.Answers[cells[3].Name] = 1
		}
		return r, nil
	})
	for _, tc := range []struct {
		args []string
		want []string
		not  string
	}{
		{
			[]string{"run", "--seed", "1..3", "--scenario", "steady", "--out", t.TempDir()},
			[]string{"  answers    2 of ", "    never    " + cells[1].Name + "\n", "    never    " + cells[2].Name + "\n"},
			"never    " + cells[0].Name,
		},
		{
			[]string{"run", "--seed", "1..3", "--scenario", "steady", "--out", t.TempDir(), "--json"},
			[]string{`{"name":"` + cells[0].Name + `","worlds":3,"times":6}`, `{"name":"` + cells[3].Name + `","worlds":1,"times":1}`, `{"name":"` + cells[1].Name + `","worlds":0,"times":0}`},
			"never",
		},
		{
			[]string{"list", "--answers"},
			[]string{cells[0].Name, "passes; source: " + cells[0].Source, "as in: answer api=produce error=NOT_LEADER_FOR_PARTITION after=true\n", "a call may fail with it; source: CreateTopicsResponse"},
			"never",
		},
	} {
		var stdout, stderr bytes.Buffer
		if code := c.main(t.Context(), tc.args, strings.NewReader(""), &stdout, &stderr); code != exitHeld {
			t.Errorf("%v: exit code %d\n%s", tc.args, code, &stderr)
		}
		for _, want := range tc.want {
			if !strings.Contains(stdout.String(), want) {
				t.Errorf("%v prints\n%s\nwant %q in it", tc.args, &stdout, want)
			}
		}
		if strings.Contains(stdout.String(), tc.not) {
			t.Errorf("%v prints\n%s\nwant no %q", tc.args, &stdout, tc.not)
		}
	}
}
