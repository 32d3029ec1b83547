package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryRowIsMeasured runs each benchmark once, with little data: the numbers mean
// nothing, but each row of this directory's benchmarks has to come out.
func TestEveryRowIsMeasured(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds of broker and benchmarks")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^$", "-test.bench=.", "-test.benchtime=1x")
	cmd.Env = append(os.Environ(), smallEnv+"=500", kafkaEnv+"=", growthEnv+"=", kvsimEnv+"=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	path := filepath.Join(t.TempDir(), "out.txt")
	if err := os.WriteFile(path, out, 0o666); err != nil {
		t.Fatal(err)
	}
	res, err := readResults(t.Output(), path)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := parseRows(rowsText)
	if err != nil {
		t.Fatal(err)
	}
	measured := map[string]*outcome{}
	for _, o := range res.outcomes(rows) {
		measured[o.name] = o
	}
	for _, r := range rows {
		name, _, _ := strings.Cut(r.store, "/")
		switch {
		case name == "Witness" || name == "PorcupineW" || name == "Simulator":
			continue // they are benchmarks of other packages
		case strings.Contains(r.store, "keys=10000000/") || strings.HasSuffix(r.store, "keys=10000000"):
			continue // only when asked for
		case strings.HasSuffix(r.name, "-cpu") && cpuTime() == 0:
			continue // not known on this system
		}
		if o := measured[r.name]; o == nil {
			t.Errorf("there is no row %s", r.name)
		} else if r.unit == "live-B" || strings.HasSuffix(r.unit, "B/key") {
			continue // with so few keys the heap can shrink by more than they need
		} else if o.store.Center < 0 || o.compares() && o.beside.Center < 0 {
			t.Errorf("row %s: %v beside %v, want none below 0", r.name, o.store.Center, o.beside.Center)
		}
	}
	if bytes.Contains(out, []byte("SKIP: BenchmarkPut")) {
		t.Errorf("benchmarks were skipped:\n%s", out)
	}
}
