package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/kvsim/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/internal/report"
	"github.com/kvsim/kvsim/linearizability"
	"github.com/kvsim/kvsim/sim"
)

// capsuleReport is the page that shows a capsule's history.
const capsuleReport = "report.html"

var reportCommand = command{
	name:  "report",
	args:  "CAPSULE|HISTORY",
	short: "make a page that shows a history and what is wrong with it",
	long: `
The page is one HTML file that needs no network: lanes for each client and broker,
faults, positions, latencies, and the violations with their operations marked. It is
named report.html and goes to the capsule, or beside the history. HISTORY is a file as
kvsim check reads it, or - for the input; -o - writes the page to the output.
`,
	flags: func(_ *cli, fs *flag.FlagSet) execFunc {
		var r reporter
		fs.StringVar(&r.out, "o", "", "the `file` to write, - for the output")
		fs.Func("key", "also show porcupine's picture of a `key`; may be repeated", func(key string) error {
			r.keys = append(r.keys, key)
			return nil
		})
		fs.BoolVar(&r.options.Linearizable, "linearizable", false, "judge every read as if it claimed to be linearizable")
		return r.exec
	},
}

// A reporter is one "kvsim report".
type reporter struct {
	out     string
	keys    []string
	options linearizability.Options
}

func (r *reporter) exec(_ context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if len(args) != 1 {
		return usagef("name one capsule or history, such as %s/%s, or - for the input", defaultOut, capsuleLatest)
	}
	name := args[0]
	rep := &report.Report{Title: "kvsim report: " + name, Keys: r.keys}
	if name == "-" {
		rep.Title = ""
	}
	history, out := name, r.out
	if isCapsule(name) {
		c, err := readCapsule(name)
		if err != nil {
			return err
		}
		describeCapsule(rep, c)
		history = filepath.Join(c.dir, capsuleHistory)
		name = c.dir
	}
	if out == "" {
		out = filepath.Join(filepath.Dir(history), capsuleReport)
	}
	data, err := readInput(history, stdin)
	if err != nil {
		return &usageError{err: fmt.Errorf("read the history: %w", err)}
	}
	if rep.History, err = linearizability.ReadHistory(bytes.NewReader(data)); err != nil {
		return &usageError{err: fmt.Errorf("%s is not a history: %w", history, err)}
	}
	rep.Verdict = linearizability.Check(rep.History, r.options)
	if out == "-" {
		return report.Write(stdout, *rep)
	}
	if err := writeReportFile(out, rep); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s: %s, the report is %s\n", name, rep.Verdict.Status, out)
	return err
}

// isCapsule reports whether a name is that of a capsule: a directory, or latest
// where that could not be a link.
func isCapsule(name string) bool {
	info, err := os.Stat(name)
	return err == nil && (info.IsDir() || filepath.Base(name) == capsuleLatest)
}

// describeCapsule adds what a capsule knows besides its history.
func describeCapsule(rep *report.Report, c *capsule) {
	rep.Title = fmt.Sprintf("kvsim: seed %d of %s", c.info.Seed, c.info.Scenario)
	rep.Plan = c.plan
	if p, err := sim.ParsePlan(c.plan); err == nil {
		rep.Brokers = p.World.Brokers
	}
	if c.result.Status != world.Violated {
		for _, reason := range c.result.Reasons {
			rep.Notes = append(rep.Notes, reason.Text)
		}
	}
	rep.Facts = []report.Fact{
		{Name: "engine", Value: c.info.Engine},
		{Name: "again with", Value: c.info.Replay},
	}
}

// writeReport puts the report into a capsule. A world that broke before it wrote
// a history that can be read has none.
func writeReport(c *capsule) error {
	data, err := os.ReadFile(filepath.Join(c.dir, capsuleHistory))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	h, err := linearizability.ReadHistory(bytes.NewReader(data))
	var format *linearizability.FormatError
	if errors.As(err, &format) {
		return nil
	}
	if err != nil {
		return err
	}
	rep := &report.Report{History: h, Verdict: linearizability.Check(h, linearizability.Options{})}
	describeCapsule(rep, c)
	return writeReportFile(filepath.Join(c.dir, capsuleReport), rep)
}

// writeReportFile writes the page to a file.
func writeReportFile(name string, rep *report.Report) error {
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	w := bufio.NewWriter(f)
	err = report.Write(w, *rep)
	return errors.Join(err, w.Flush(), f.Close())
}
