package score

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/mutation"
)

// A Table sums results up.
type Table struct {
	results   []*Result
	explained mutation.Explained
	module    string
}

// NewTable returns the table of results. Paths are printed from the module on.
func NewTable(results []*Result, explained mutation.Explained, module string) *Table {
	return &Table{results, explained, module}
}

// A count is what is known about some mutants and one way to kill them.
type count struct {
	ran, killed, unreached, explained int
	worlds                            []int
	cpu                               []float64
}

// share is how many of a hundred were killed of those that can be.
func (c *count) share() string {
	of := c.ran - c.explained
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(c.killed)/float64(of))
}

func median[T int | float64](all []T, format string) string {
	if len(all) == 0 {
		return "-"
	}
	slices.Sort(all)
	return fmt.Sprintf(format, all[len(all)/2])
}

// columns are the ways to kill a mutant.
var columns = []string{"tests alone", "seeds alone", "both"}

// of returns the verdict of one way, and false if it is not known.
func of(r *Result, column string) (v Verdict, ok bool) {
	tests, seeds := r.Tests, r.Seeds
	switch {
	case column == columns[0] && tests != nil:
		return *tests, true
	case column == columns[1] && seeds != nil:
		return *seeds, true
	case column != columns[2] || tests == nil && seeds == nil:
		return Verdict{}, false
	case tests == nil:
		return *seeds, true
	case seeds == nil || tests.Killed:
		return *tests, true
	}
	v = *seeds
	v.CPU += tests.CPU
	v.Reached += tests.Reached
	return v, true
}

// count counts what one way did, for the mutants that count and that choose takes.
func (t *Table) count(column string, choose func(*Result) bool) *count {
	c := &count{}
	for _, r := range t.results {
		v, ok := of(r, column)
		if r.State != Made || !ok || !choose(r) {
			continue
		}
		c.ran++
		switch {
		case v.Killed:
			c.killed++
			c.cpu = append(c.cpu, v.CPU)
			if v.Worlds > 0 {
				c.worlds = append(c.worlds, v.Worlds)
			}
			continue
		case t.explained[r.Key] != "":
			c.explained++
		}
		if v.Reached == 0 {
			c.unreached++
		}
	}
	return c
}

// Score is how many of a hundred mutants are killed by any way, of those that can be.
func (t *Table) Score() float64 {
	c := t.count(columns[2], func(*Result) bool { return true })
	if c.ran == c.explained {
		return 100
	}
	return 100 * float64(c.killed) / float64(c.ran-c.explained)
}

// Whole has a row for each way to kill a mutant.
func (t *Table) Whole() [][]string {
	rows := [][]string{{"killed by", "run", "killed", "survived", "of them explained", "of them not reached", "score", "median worlds", "median core-seconds"}}
	for _, column := range columns {
		c := t.count(column, func(*Result) bool { return true })
		rows = append(rows, []string{
			column, fmt.Sprint(c.ran), fmt.Sprint(c.killed), fmt.Sprint(c.ran - c.killed), fmt.Sprint(c.explained), fmt.Sprint(c.unreached),
			c.share(), median(c.worlds, "%d"), median(c.cpu, "%.2f"),
		})
	}
	return rows
}

// By has a row for each package or rule, whichever name returns.
func (t *Table) By(title string, name func(*Result) string) [][]string {
	rows := [][]string{{title, "made", "not counted", "tests alone", "seeds alone", "both", "survived both", "of them explained"}}
	var names []string
	for _, r := range t.results {
		names = append(names, name(r))
	}
	slices.Sort(names)
	for _, n := range slices.Compact(names) {
		own := func(r *Result) bool { return name(r) == n }
		made, not := 0, 0
		for _, r := range t.results {
			if !own(r) {
				continue
			}
			if made++; r.State != Made {
				not++
			}
		}
		both := t.count(columns[2], own)
		rows = append(rows, []string{
			n, fmt.Sprint(made), fmt.Sprint(not), t.count(columns[0], own).share(), t.count(columns[1], own).share(), both.share(),
			fmt.Sprint(both.ran - both.killed), fmt.Sprint(both.explained),
		})
	}
	return rows
}

// Packages is By the package, Rules by the rule.
func (t *Table) Packages() [][]string {
	return t.By("package", func(r *Result) string { return strings.TrimPrefix(strings.TrimPrefix(r.Package, t.module), "/") })
}

// Rules is By the rule.
func (t *Table) Rules() [][]string { return t.By("rule", func(r *Result) string { return r.Rule }) }

// Summary says in a sentence how many mutants there are.
func (t *Table) Summary() string {
	states := map[State]int{}
	for _, r := range t.results {
		states[r.State]++
	}
	return fmt.Sprintf("%d mutants made; not counted: %d that do not build, %d that are the same code", len(t.results), states[Refused], states[SameCode])
}

// Survivors are the mutants that count, that nothing killed, and that are not explained.
func (t *Table) Survivors() []*Result {
	var left []*Result
	for _, r := range t.results {
		if r.State == Made && !r.Killed() && t.explained[r.Key] == "" {
			left = append(left, r)
		}
	}
	slices.SortFunc(left, func(a, b *Result) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Key, b.Key))
	})
	return left
}

// Print prints the whole, as text or as Markdown.
func (t *Table) Print(w io.Writer, markdown bool) {
	show := text
	if markdown {
		show = asMarkdown
	}
	fmt.Fprintf(w, "%s\n\n%s\n%s\n%s", t.Summary(), show(t.Whole()), show(t.Packages()), show(t.Rules()))
	left := t.Survivors()
	if markdown || len(left) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%d survivors that are not explained:\n", len(left))
	for _, r := range left {
		fmt.Fprintf(w, "%s:%d: %s\n", r.File, r.Line, r.Key)
	}
}

// text is a table in columns.
func text(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			switch {
			case i == 0 && len(row) > 1:
				b.WriteString(cell + pad)
			default:
				b.WriteString("  " + pad + cell)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// asMarkdown is a table of Markdown.
func asMarkdown(rows [][]string) string {
	var b strings.Builder
	for i, row := range rows {
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if i == 0 {
			b.WriteString("|---|" + strings.Repeat("---:|", len(row)-1) + "\n")
		}
	}
	return b.String()
}
