package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// formatVersion is that of the JSON file.
const formatVersion = 1

// A report is all that one run measured.
type report struct {
	Version int       `json:"version"`
	Commit  string    `json:"commit"`
	Go      string    `json:"go"`
	CPUs    int       `json:"cpus"`
	Started time.Time `json:"started"`
	Rounds  int       `json:"rounds"`
	Keys    int       `json:"keys"`
	Rows    []*row    `json:"rows"`
	Growth  []point   `json:"growth,omitempty"`
}

func newReport(rounds, keys int) *report {
	return &report{
		Version: formatVersion, Commit: commit(), Go: runtime.Version(), CPUs: runtime.GOMAXPROCS(0),
		Started: time.Now().UTC().Truncate(time.Second), Rounds: rounds, Keys: keys,
	}
}

// commit names the commit in the working directory, with a "+" when files differ
// from it.
func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty=+", "--exclude=*").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// dropEmpty removes rows that were not measured to their first round, because
// something failed.
func (r *report) dropEmpty() {
	r.Rows = slices.DeleteFunc(r.Rows, func(x *row) bool { return len(x.Values) == 0 })
}

// table prints the rows.
func (r *report) table(w io.Writer) error {
	fmt.Fprintf(w, "commit %s, %s, %d processors, %d keys, %d rounds; a value is ours over the yardstick's unless the unit says otherwise\n\n",
		r.Commit, r.Go, r.CPUs, r.Keys, r.Rounds)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "row\tbrokers\tours\tyardstick\tmin\tmedian\tmax\tlimit\tverdict")
	for _, x := range r.Rows {
		s := spreadOf(x.Values)
		theirs := "-"
		if len(x.Theirs) > 0 {
			theirs = figure(spreadOf(x.Theirs).median) + " " + x.Unit
		}
		fmt.Fprintf(t, "%s\t%s\t%s %s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.ID, x.Brokers,
			figure(spreadOf(x.Ours).median), x.Unit, theirs, figure(s.min), figure(s.median), figure(s.max), x.limit(), x.verdict())
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, x := range r.Rows {
		if x.Note != "" {
			fmt.Fprintf(w, "%s: %s\n", x.ID, x.Note)
		}
	}
	return nil
}

// markdown prints the rows as a table for docs/performance.md.
func (r *report) markdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| row | what | beside | ours | yardstick | min | median | max | limit | verdict |\n|---|---|---|---:|---:|---:|---:|---:|---:|---|\n")
	for _, x := range r.Rows {
		s, theirs := spreadOf(x.Values), "-"
		if len(x.Theirs) > 0 {
			theirs = figure(spreadOf(x.Theirs).median)
		}
		id := "`" + x.ID + "`"
		if x.Brokers == "kafka" {
			id += " on Kafka"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s %s | %s | %s | %s | %s | %s | %s |\n", id, x.What, x.Yardstick,
			figure(spreadOf(x.Ours).median), x.Unit, theirs, figure(s.min), figure(s.median), figure(s.max), x.limit(), x.verdict())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// save writes the report as JSON.
func (r *report) save(path string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o666)
}

// load reads what save wrote.
func load(path string) (*report, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &report{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if r.Version != formatVersion {
		return nil, fmt.Errorf("%s has format version %d, this program reads %d: measure that commit again", path, r.Version, formatVersion)
	}
	for _, x := range r.Rows {
		if len(x.Values) == 0 {
			return nil, fmt.Errorf("%s: row %q has no values", path, x.ID)
		}
	}
	return r, nil
}

// compare prints how the rows of two reports differ, and whether they come to the same
// verdicts.
func compare(w io.Writer, before, after *report) error {
	fmt.Fprintf(w, "%s -> %s\n\n", before.Commit, after.Commit)
	old := map[string]*row{}
	var limited, agree, opposed int
	for _, x := range before.Rows {
		old[x.ID+" "+x.Brokers] = x
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "row\tbrokers\tbefore\tafter\tchange\tverdict before\tverdict after")
	for _, x := range after.Rows {
		o := old[x.ID+" "+x.Brokers]
		if o == nil {
			fmt.Fprintf(t, "%s\t%s\t-\t%s\tnew\t-\t%s\n", x.ID, x.Brokers, figure(spreadOf(x.Values).median), x.verdict())
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.ID, x.Brokers, figure(spreadOf(o.Values).median),
			figure(spreadOf(x.Values).median), change(o, x), o.verdict(), x.verdict())
		if x.Limit == 0 {
			continue
		}
		was, _, _ := strings.Cut(o.verdict(), ":")
		is, _, _ := strings.Cut(x.verdict(), ":")
		limited++
		if was == is {
			agree++
		} else if was != closeVerdict && is != closeVerdict {
			opposed++
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%d of %d verdicts agree, %d are opposed; of the others one is %q\n", agree, limited, opposed, closeVerdict)
	return err
}

// change says how much the median moved, or "same" when the ranges of the two
// overlap so far that each median lies within the other's range.
func change(before, after *row) string {
	b, a := spreadOf(before.Values), spreadOf(after.Values)
	if a.median >= b.min && a.median <= b.max && b.median >= a.min && b.median <= a.max {
		return "same"
	}
	return fmt.Sprintf("%+.0f %%", 100*(a.median/b.median-1))
}
