package main

import (
	"fmt"
	"io"
	"strings"
)

// writeMarkdown writes a campaign for the summary page of a GitHub step.
func writeMarkdown(w io.Writer, t *tally) {
	status := t.Status.String()
	if t.Interrupted {
		status = "interrupted, so far " + status
	}
	fmt.Fprintf(w, "### kvsim: %s\n\n", status)
	fmt.Fprintf(w, "%s of `%s`, seeds %d to %d, %s engine: %s held, %s violated, %s inconclusive, %s of the harness. ",
		plural(t.Worlds, "world"), nameOf(t.Scenario), t.First, t.Last, t.Engine,
		count(t.Held), count(t.Violations), count(t.Inconclusive), plural(t.Broken, "failure"))
	fmt.Fprintf(w, "%v simulated in %v (%s), %s seeds an hour.\n",
		roundTime(t.Simulated), roundTime(t.Elapsed), speedText(t.Simulated, t.Elapsed), count(int(t.perHour())))
	if len(t.Failures) > 0 {
		fmt.Fprint(w, "\n| failure | reason | worlds | smallest seed | replay |\n|---|---|---:|---:|---|\n")
		for _, f := range t.Failures {
			fmt.Fprintf(w, "| %s | %s: %s | %s | %d | `%s` |\n",
				f.Status, cell(f.Reason), cell(f.Text), count(f.Worlds), f.Smallest, cell(f.Replay))
		}
	}
	if len(t.Faults) > 0 {
		fmt.Fprint(w, "\n| fault | planned | effective | hits |\n|---|---:|---:|---:|\n")
		for _, f := range t.Faults {
			fmt.Fprintf(w, "| %s | %s | %s | %s |\n", f.Kind, count(f.Planned), count(f.Effective), count(f.Hits))
		}
	}
	if seen := t.seen(); len(seen) > 0 {
		fmt.Fprint(w, "\n| sometimes | worlds | times |\n|---|---:|---:|\n")
		for _, s := range seen {
			fmt.Fprintf(w, "| %s | %s | %s |\n", s.Name, count(s.Worlds), count(s.Times))
		}
	}
	fmt.Fprintln(w)
}

// cell escapes text for a cell of a Markdown table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", "<br>").Replace(text)
}
