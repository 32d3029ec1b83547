package main

import (
	"strings"
	"testing"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/sim"
)

// What clients did not serve is said for each of them, and added up for many worlds.
func TestDowntimeIsShown(t *testing.T) {
	t.Parallel()
	r := &world.Result{Seed: 3, Availability: []sim.Availability{
		{Client: "c1", Down: 4200 * time.Millisecond, Explained: 3900 * time.Millisecond},
		{Client: "c2"},
		{Client: "c3", Down: time.Second, Explained: time.Second},
	}}
	var one, many strings.Builder
	writeWorld(&one, ran{result: r}, false)
	sum := newTally("lag", "virtual", 1, nil)
	sum.add(r)
	sum.add(r)
	writeCampaign(&many, sum)
	for _, tc := range []struct{ text, want string }{
		{one.String(), "  c1         down 4.2s, 3.9s of it explained\n  c3         down 1s, all of it explained\n"},
		{many.String(), "  clients    down 10.4s, 9.8s of it explained\n"},
	} {
		if !strings.Contains(tc.text, tc.want) {
			t.Errorf("the summary is\n%s\nwant in it\n%s", tc.text, tc.want)
		}
	}
	if strings.Contains(one.String(), "c2") {
		t.Errorf("the summary names c2, which was not down:\n%s", &one)
	}
}
