package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/shrink"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/sim"
)

// A plan that was made small on real brokers may hold on kfake, so the printed command line must
// name the brokers that it failed on.
func TestShrinkPrintsACommandForTheSameBrokers(t *testing.T) {
	t.Parallel()
	p, err := sim.ParsePlan(kafkaPlan)
	if err != nil {
		t.Fatal(err)
	}
	reason := world.Reason{Name: "read-your-writes", Text: "get returned nothing"}
	report := &shrink.Report{Plan: p, Minimal: true, Result: &world.Result{Status: world.Violated, Reasons: []world.Reason{reason}}}
	for _, c := range []struct {
		info  capsuleHeader
		flags string
	}{
		{capsuleHeader{Engine: "real", Kafka: "127.0.0.1:9092"}, " --engine real --kafka 127.0.0.1:9092"},
		{capsuleHeader{Engine: "exact", Scheduler: "stock"}, " --engine exact --scheduler stock"},
		{capsuleHeader{Engine: "virtual"}, ""},
	} {
		dir := t.TempDir()
		var out bytes.Buffer
		s := &shrinkRun{out: dir, check: reason.Name}
		on, err := c.info.engine(c.info.Kafka)
		if err == nil {
			err = s.write(&capsule{dir: dir, info: c.info}, p, on, report, false, &out)
		}
		if err != nil {
			t.Fatal(err)
		}
		want := "run        kvsim run --plan " + quoteArg(filepath.Join(dir, "read_your_writes_seed7.plan")) + c.flags + "\n"
		if !strings.HasSuffix(out.String(), want) {
			t.Errorf("%+v: shrink printed\n%s\nwant %q at its end", c.info, &out, want)
		}
	}
}

func TestInterruptedShrinkWritesTheSmallestSoFar(t *testing.T) {
	t.Parallel()
	p, err := sim.ParsePlan(kafkaPlan)
	if err != nil {
		t.Fatal(err)
	}
	reason := world.Reason{Name: "read-your-writes", Text: "get returned nothing"}
	report := &shrink.Report{Plan: p, Steps: 2, Result: &world.Result{Status: world.Violated, Reasons: []world.Reason{reason}}}
	dir := t.TempDir()
	var out bytes.Buffer
	s := &shrinkRun{out: dir, check: reason.Name}
	if err := s.write(&capsule{dir: dir, info: capsuleHeader{Engine: "virtual"}}, p, engineOptions{name: "virtual"}, report, true, &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "2 steps smaller: it was interrupted") {
		t.Errorf("shrink printed\n%s\nwant that it was interrupted", &out)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "read_your_writes_seed7.plan")); err != nil || string(got) != p.String() {
		t.Errorf("the plan is %q, %v", got, err)
	}
}

// The flags are right, so help about them would not help.
func TestShrinkOfAWorldThatDidNotFailSaysWhatCanBeShrunk(t *testing.T) {
	t.Parallel()
	for status, said := range map[world.Status]string{world.Held: "held", world.Inconclusive: "was inconclusive"} {
		dir := writeTestCapsule(t, &world.Result{Status: status}, "kvsim-plan 1\nseed 1\n", staleRead)
		got := kvsim(t, testCLI(""), "", "shrink", dir)
		want := "kvsim: shrink: the world of " + dir + " " + said + ": there is no failure that a smaller plan could keep. " +
			`Name a capsule of a violation or of a failure of the harness; "kvsim replay ` + dir + `" runs this one again` + "\n"
		if got.code != exitUsage || got.stdout != "" || got.stderr != want {
			t.Errorf("shrink of a world that %s = %d, %q,\n%s\nwant %d and\n%s", said, got.code, got.stdout, got.stderr, exitUsage, want)
		}
	}
}
