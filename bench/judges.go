package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// judges runs the benchmarks of the checkers, which have the histories.
func (b *bench) judges(ctx context.Context) error {
	if !b.wants("judges") {
		return nil
	}
	witness := row{ID: "witness-100000", What: "log witness on 100,000 operations", Unit: "s", Limit: 1}
	porcupine := row{ID: "porcupine-w", What: "porcupine on a history of W's size", Unit: "ms", Limit: 100}
	var out []byte
	// A pattern with a slash leaves out a benchmark that has no parts.
	for _, pattern := range []string{"^BenchmarkWitness$/^100000$", "^BenchmarkPorcupineW$"} {
		part, err := exec.CommandContext(ctx, "go", "test", "-run=^$", "-bench="+pattern,
			"-benchtime=3x", "-count="+strconv.Itoa(b.rounds), "github.com/kvsim/kvsim/linearizability").CombinedOutput()
		if err != nil {
			return fmt.Errorf("benchmarks of the judges: %w\n%s", err, part)
		}
		out = append(out, part...)
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		name, ns, ok := benchmarkLine(lines.Text())
		switch {
		case !ok:
		case strings.HasPrefix(name, "BenchmarkWitness/100000"):
			witness.addValue(ns / 1e9)
		case strings.HasPrefix(name, "BenchmarkPorcupineW"):
			porcupine.addValue(ns / 1e6)
		}
	}
	for _, r := range []row{witness, porcupine} {
		if len(r.Values) == 0 {
			return fmt.Errorf("benchmarks of the judges: no line for %s in:\n%s", r.ID, out)
		}
		b.row(r)
	}
	return nil
}

// benchmarkLine takes name and ns/op out of a line of go test -bench.
func benchmarkLine(line string) (name string, ns float64, ok bool) {
	f := strings.Fields(line)
	if len(f) < 4 || f[3] != "ns/op" {
		return "", 0, false
	}
	ns, err := strconv.ParseFloat(f[2], 64)
	return f[0], ns, err == nil
}
