package sim_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/kvsim/kvsim/kvstore"
	lin "github.com/kvsim/kvsim/linearizability"
	"github.com/kvsim/kvsim/sim"
)

func TestAnswersThatKafkaDoesNotGiveAreRefused(t *testing.T) {
	for line, want := range map[string]string{
		"answer api=fetch error=NOT_ENOUGH_REPLICAS for=1s":               `error=NOT_ENOUGH_REPLICAS can't be answered so: "kvsim list --answers"`,
		"answer api=fetch error=OFFSET_OUT_OF_RANGE after=true for=1s":    "can't be answered so",
		"answer api=metadata error=LEADER_NOT_AVAILABLE for=1s":           "at has to say where in the answer to metadata the code stands: topic or partition",
		"answer api=produce error=NOT_ENOUGH_REPLICAS":                    "for has to be above 0",
		"answer api=produce error=NOT_ENOUGH_REPLICAS throttle=2m for=1s": "throttle is 2m0s and has to be at most 1m",
		"answer api=nothing error=NOT_ENOUGH_REPLICAS for=1s":             "api=nothing is not known",
		"answer api=metadata error=LEADER_NOT_AVAILABLE at=whole for=1s":  "can't be answered so",
		"answer error=UNKNOWN_SERVER_ERROR for=1s":                        "at has to say where in the answer to fetch",
	} {
		f, err := sim.ParseFault(line)
		if err != nil {
			t.Fatal(err)
		}
		p := smallPlan(f)
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", line, err, want)
		}
	}
}

// Each answer is counted by the request, also if the fault names none.
func TestAnswersAreCountedByTheirCells(t *testing.T) {
	f, err := sim.ParseFault("answer error=NOT_LEADER_FOR_PARTITION count=1 from=1s for=3s")
	if err != nil {
		t.Fatal(err)
	}
	o := virtual(t, smallPlan(f), sim.Env{})
	if o.Status != lin.Held {
		t.Errorf("%s, want held: %v", o.Result, o.Reasons)
	}
	for _, cell := range []string{"produce NOT_LEADER_FOR_PARTITION partition before", "fetch NOT_LEADER_FOR_PARTITION partition before", "list-offsets NOT_LEADER_FOR_PARTITION partition before"} {
		if o.Answers[cell] != 1 {
			t.Errorf("%q was seen %d times, want once: %v", cell, o.Answers[cell], o.Answers)
		}
	}
	for cell := range o.Answers {
		if !strings.Contains(cell, " NOT_LEADER_FOR_PARTITION ") {
			t.Errorf("%q was seen", cell)
		}
	}
}

// impatient is a client that takes one passing error for the end of it.
type impatient struct{ sim.Client }

var errPassing = fmt.Errorf("at broker 1: %w", kerr.NotLeaderForPartition)

func (c impatient) Sync(ctx context.Context) error {
	if err := c.Client.Sync(ctx); err != nil || c.Position()%5 > 0 {
		return err
	}
	return errPassing
}

func (c impatient) PutRevision(ctx context.Context, key, value []byte) (int64, error) {
	if c.Position()%7 > 0 {
		return c.Client.PutRevision(ctx, key, value)
	}
	return -1, &kvstore.WriteError{Op: "put", Outcome: kvstore.ErrRefused, Cause: errPassing, Revision: -1}
}

func TestPassingAnswersAreTriedAgain(t *testing.T) {
	p := smallPlan()
	p.Workload.Timeout = 2 * time.Second
	o := virtual(t, p, sim.Env{Open: func(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
		c, err := sim.DefaultOpen(ctx, r)
		if r.Client == "c2" {
			return impatient{c}, err
		}
		return c, err
	}})
	found := map[string]bool{}
	for _, r := range o.Reasons {
		found[r.Name] = true
	}
	if o.Status != lin.Violated || !found["refused-for-what-lasts"] || !found["passing-answer-fails-no-call"] {
		t.Errorf("%s for %v, want both judgements", o.Result, found)
	}
}
