package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine"
)

// fidelityBatch is how many worlds may have files on the disk at the same time.
const fidelityBatch = 50

// A fidelity says how often a seed that was run twice gave the same result.
type fidelity struct {
	// Twice counts the seeds, Same those that gave the same history both times, times
	// included, and SameLogs those whose clients and brokers logged the same.
	Twice          int      `json:"twice,omitempty"`
	Same           int      `json:"same,omitempty"`
	SameLogs       int      `json:"same_logs,omitempty"`
	DifferentSeeds []uint64 `json:"different_seeds,omitempty"`
	DifferentLogs  []uint64 `json:"different_logs,omitempty"`
	// Differences shows, for a few seeds, where their histories or logs start to
	// differ.
	Differences []string `json:"differences,omitempty"`
}

// run runs each seed from 1 to worlds twice, with logs, and compares.
func (f *fidelity) run(ctx context.Context, eng engine.Engine, source planSource, dir string, worlds int) error {
	for first := 1; first <= worlds; first += fidelityBatch {
		last := min(worlds, first+fidelityBatch-1)
		seeds := seedRange{from: uint64(first), to: uint64(last), set: true}
		pass := func(each func(ran) error) error {
			return (&campaign{engine: eng, source: source, next: seedsOf(seeds), dir: dir, logs: true}).run(ctx, each)
		}
		kept := func(name string) string { return filepath.Join(dir, "first-"+filepath.Base(name)) }
		err := pass(func(x ran) error {
			return errors.Join(os.Rename(x.job.History, kept(x.job.History)), os.Rename(x.job.Log, kept(x.job.Log)))
		})
		if err != nil {
			return err
		}
		err = pass(func(x ran) error {
			f.Twice++
			same, where, err := sameFiles(kept(x.job.History), x.job.History)
			if err != nil {
				return err
			}
			f.count(same, &f.Same, &f.DifferentSeeds, x.job.Seed, "history", where)
			if same, where, err = sameFiles(kept(x.job.Log), x.job.Log); err != nil {
				return err
			}
			f.count(same, &f.SameLogs, &f.DifferentLogs, x.job.Seed, "log", where)
			return errors.Join(os.Remove(kept(x.job.History)), os.Remove(kept(x.job.Log)))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *fidelity) count(same bool, n *int, differ *[]uint64, seed uint64, what, where string) {
	if same {
		*n++
		return
	}
	*differ = append(*differ, seed)
	if len(f.Differences) < 6 {
		f.Differences = append(f.Differences, fmt.Sprintf("seed %d, %s, %s", seed, what, where))
	}
}

// sameFiles compares two files. If they differ, where shows the first lines that differ.
func sameFiles(one, other string) (same bool, where string, err error) {
	a, err := os.ReadFile(one)
	if err != nil {
		return false, "", err
	}
	b, err := os.ReadFile(other)
	if err != nil {
		return false, "", err
	}
	if bytes.Equal(a, b) {
		return true, "", nil
	}
	x, y := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	line := func(all [][]byte, i int) []byte {
		if i < len(all) {
			return all[i]
		}
		return nil
	}
	i := 0
	for bytes.Equal(line(x, i), line(y, i)) {
		i++
	}
	const most = 300
	return false, fmt.Sprintf("line %d:\n  - %.*s\n  + %.*s", i+1, most, line(x, i), most, line(y, i)), nil
}

// String returns the report. Its lines are indented, since they come below the engine's.
func (f *fidelity) String() string {
	var out strings.Builder
	const indent = "         "
	fmt.Fprintf(&out, "%s%s of %s seeds gave the same history twice, to the nanosecond; %s the same log\n",
		indent, count(f.Same), count(f.Twice), count(f.SameLogs))
	for _, d := range []struct {
		what  string
		seeds []uint64
	}{{"histories", f.DifferentSeeds}, {"logs", f.DifferentLogs}} {
		if len(d.seeds) > 0 {
			fmt.Fprintf(&out, "%sdifferent %s: seeds %v\n", indent, d.what, d.seeds[:min(20, len(d.seeds))])
		}
	}
	for _, d := range f.Differences {
		fmt.Fprintf(&out, "%s%s\n", indent, strings.ReplaceAll(d, "\n", "\n"+indent))
	}
	return out.String()
}
