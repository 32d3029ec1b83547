package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/report"
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
called report.html and is written to the capsule, or beside the history. HISTORY is a
file in the format that kvsim check reads, or - for standard input; -o - writes the
page to standard output.
`,
	flags: func(_ *cli, fs *flag.FlagSet) execFunc {
		var r reporter
		fs.StringVar(&r.out, "o", "", "the `file` to write, - for standard output")
		fs.Func("key", "also show porcupine's picture of a `key`; may be repeated", func(key string) error {
			r.keys = append(r.keys, key)
			return nil
		})
		fs.BoolVar(&r.options.Linearizable, "linearizable", false, "judge every read as if it claimed to be linearizable")
		return r.exec
	},
}

// A reporter carries out one "kvsim report".
type reporter struct {
	out     string
	keys    []string
	options linearizability.Options
}

func (r *reporter) exec(ctx context.Context, args []string, stdin io.Reader, stdout, _ io.Writer) error {
	if len(args) != 1 {
		return usagef("name one capsule or history, such as %s/%s, or - for the input", defaultOut, capsuleLatest)
	}
	name := args[0]
	rep := &report.Report{Title: "kvsim report: " + name, Keys: r.keys}
	if name == "-" {
		rep.Title = ""
	}
	history, out := name, r.out
	var c *capsule
	var err error
	if isCapsule(name) {
		if c, err = readCapsule(name); err != nil {
			return err
		}
		if history, err = c.history(); err != nil {
			return err
		}
		name = c.dir
	}
	out = cmp.Or(out, filepath.Join(filepath.Dir(history), capsuleReport))
	if rep.History, err = readHistory(ctx, history, stdin); err != nil {
		return err
	}
	judgeReport(ctx, rep, c, r.options)
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if out == "-" {
		return report.Write(stdout, *rep)
	}
	if err := r.write(out, rep); err != nil {
		return err
	}
	status := rep.Status
	if status == "" {
		status = rep.Verdict.Status.String()
	}
	_, err = fmt.Fprintf(stdout, "%s: %s, the report is %s\n", name, status, out)
	return err
}

// judgeReport judges the history of a report. If the history is from a capsule (c is not nil),
// it adds what the capsule says about the world, and does not repeat judging that took too long
// when the world ran.
func judgeReport(ctx context.Context, rep *report.Report, c *capsule, options linearizability.Options) {
	if c != nil && c.result.NotJudged() {
		options.Skip = append(options.Skip, linearizability.CheckPorcupineKey, linearizability.CheckPorcupineSession)
	}
	rep.Verdict = linearizability.CheckContext(ctx, rep.History, options)
	if c != nil {
		describeCapsule(rep, c)
	}
}

// isCapsule reports whether a name is that of a capsule: a directory, or "latest" as a file that
// contains the name of one.
func isCapsule(name string) bool {
	info, err := os.Stat(name)
	return err == nil && (info.IsDir() || filepath.Base(name) == capsuleLatest)
}

// describeCapsule adds what a capsule says besides its history.
func describeCapsule(rep *report.Report, c *capsule) {
	rep.Title = fmt.Sprintf("kvsim: seed %d of %s", c.info.Seed, c.info.Scenario)
	rep.Plan = c.plan
	if p, err := sim.ParsePlan(c.plan); err == nil {
		rep.Brokers = p.World.Brokers
	}
	for _, reason := range c.result.Reasons {
		// The page shows violations of checks in full anyway.
		if linearizability.CheckID(reason.Name).Guarantee() == "" || c.result.Status != world.Violated {
			rep.Notes = append(rep.Notes, reason.Text)
		}
	}
	if world.StatusOf(rep.Verdict.Status) != c.result.Status {
		rep.Status = statusWords(c.result.Status)
	}
	rep.Facts = []report.Fact{
		{Name: "engine", Value: c.info.Engine},
		{Name: "again with", Value: replayLine(c.dir)},
	}
	for _, a := range c.result.Availability {
		if a.Down > 0 {
			rep.Facts = append(rep.Facts, report.Fact{Name: a.Client + " down", Value: downText(a.Down, a.Explained)})
		}
	}
}

// statusWords returns a status in the words of package linearizability.
func statusWords(s world.Status) string {
	switch s {
	case world.Held:
		return linearizability.Held.String()
	case world.Violated:
		return linearizability.Violated.String()
	case world.Inconclusive:
		return linearizability.Inconclusive.String()
	case world.Broken:
	}
	return linearizability.HarnessFailure.String()
}

// writeReport writes the report into a capsule. If the world broke before it had written a
// readable history, there is no report.
func writeReport(ctx context.Context, c *capsule) error {
	data, err := os.ReadFile(filepath.Join(c.dir, capsuleHistory))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	h, err := linearizability.ReadHistory(bytes.NewReader(data))
	if _, ok := errors.AsType[*linearizability.FormatError](err); ok {
		return nil
	}
	if err != nil {
		return err
	}
	rep := &report.Report{History: h}
	judgeReport(ctx, rep, c, linearizability.Options{})
	if ctx.Err() != nil {
		return nil //nolint:nilerr // interrupted; kvsim report can still make the report
	}
	return writeReportFile(filepath.Join(c.dir, capsuleReport), private, rep)
}

// write writes the page to a file that was named, or to one in the capsule or beside the history.
// A pipe or a device that was named is written to directly.
func (r *reporter) write(name string, rep *report.Report) error {
	if info, err := os.Stat(name); err != nil || info.Mode().IsRegular() || r.out == "" {
		mode := fs.FileMode(private)
		if r.out != "" {
			mode = shared
		}
		return writeReportFile(name, mode, rep)
	}
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return errors.Join(writePage(f, rep), f.Close())
}

// writeReportFile writes the page to a file, whole or not at all.
func writeReportFile(name string, mode fs.FileMode, rep *report.Report) error {
	if err := writeWhole(name, mode, func(w io.Writer) error { return writePage(w, rep) }); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

func writePage(w io.Writer, rep *report.Report) error {
	b := bufio.NewWriter(w)
	return errors.Join(report.Write(b, *rep), b.Flush())
}
