package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/shrink"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/sim"
)

// A plan that was made small on real brokers may hold on kfake: the command line
// has to name what it failed on.
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
		if err := s.write(&capsule{dir: dir, info: c.info}, p, report, &out); err != nil {
			t.Fatal(err)
		}
		want := "run        kvsim run --plan " + quoteArg(filepath.Join(dir, "read_your_writes_seed7.plan")) + c.flags + "\n"
		if !strings.HasSuffix(out.String(), want) {
			t.Errorf("%+v: shrink printed\n%s\nwant %q at its end", c.info, &out, want)
		}
	}
}
