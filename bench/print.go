package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/perf/benchmath"
)

var heads = []string{"row", "unit", "store", "yardstick", "value", "interval", "limit", "verdict"}

// cells are a line of the table.
func (o *outcome) cells() []string {
	beside := "-"
	if o.compares() {
		beside = o.amount(o.beside.Center)
	}
	return []string{
		o.name, o.unit, o.amount(o.store.Center), beside, o.row.value(o.value.Center),
		o.interval(), o.limitText(), o.verdictText(),
	}
}

// interval prints where the median lies with the usual confidence.
func (o *outcome) interval() string {
	if math.IsInf(o.value.Lo, 0) || math.IsInf(o.value.Hi, 0) {
		return "?"
	}
	return o.row.value(o.value.Lo) + " - " + o.row.value(o.value.Hi)
}

// verdictText says by how much a row falls short, and of how many rounds a verdict is
// that does not count all of them.
func (o *outcome) verdictText() string {
	text := string(o.verdict())
	if o.verdict() == short {
		text = fmt.Sprintf("%s: %.2f of the limit", short, o.value.Center/o.limit.n)
	}
	if n := len(o.values); n < o.rounds {
		text += fmt.Sprintf(", %d of %d rounds with %s %s %g", n, o.rounds, o.needs, o.when.op, o.when.n)
	}
	if o.verdict() == closeBy {
		for _, w := range o.value.Warnings {
			text += ", " + w.Error()
		}
	}
	return text
}

// heading tells where the numbers come from.
func (res *results) heading(rounds int) string {
	parts := []string{fmt.Sprintf("%d rounds", rounds)}
	if rounds == 1 {
		parts = []string{"1 round"}
	}
	for _, k := range slices.Sorted(maps.Keys(res.config)) {
		if k != "round" && k != "pkg" {
			parts = append(parts, k+" "+res.config[k])
		}
	}
	return strings.Join(parts, ", ")
}

// printTable prints the outcomes as a table: plain, or as Markdown with what each row is.
func printTable(w io.Writer, res *results, all []*outcome, markdown bool) error {
	most := 0
	for _, o := range all {
		most = max(most, o.rounds)
	}
	fmt.Fprintf(w, "%s\n\n", res.heading(most))
	if markdown {
		fmt.Fprintf(w, "| %s |\n|---|---|---:|---:|---:|---:|---:|---|\n", strings.Join(heads, " | "))
		for _, o := range all {
			cells := o.cells()
			cells[0] = "`" + cells[0] + "`"
			fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
		}
		return nil
	}
	return table(w, func(line func(cells ...string)) {
		line(heads...)
		for _, o := range all {
			line(o.cells()...)
		}
	})
}

// table prints lines of cells below one another.
func table(w io.Writer, lines func(line func(cells ...string))) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	lines(func(cells ...string) { fmt.Fprintln(t, strings.Join(cells, "\t")) })
	return t.Flush()
}

// printComparison prints how the values of two runs differ, and how many verdicts are
// opposed: one says holds, the other short.
func printComparison(w io.Writer, before, after []*outcome) error {
	old := map[string]*outcome{}
	for _, o := range before {
		old[o.name] = o
	}
	limited, opposed := 0, 0
	err := table(w, func(line func(cells ...string)) {
		line("row", "before", "after", "change", "", "verdict before", "verdict after")
		for _, o := range after {
			b := old[o.name]
			if b == nil || len(b.values) == 0 || len(o.values) == 0 {
				continue
			}
			was, is := b.verdict(), o.verdict()
			if is != reported {
				limited++
			}
			if was == holds && is == short || was == short && is == holds {
				opposed++
			}
			c := benchmath.AssumeNothing.Compare(b.sample, o.sample)
			line(o.name, o.row.value(b.value.Center), o.row.value(o.value.Center),
				c.FormatDelta(b.value.Center, o.value.Center), c.String(), string(was), string(is))
		}
	})
	if err == nil {
		_, err = fmt.Fprintf(w, "\n%d of %d verdicts are opposed\n", opposed, limited)
	}
	return err
}
