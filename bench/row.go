package main

import (
	_ "embed"
	"fmt"
	"math"
	"strconv"
	"strings"

	"golang.org/x/perf/benchunit"
)

// rowsText is the table of rows; its head says what the columns are.
//
//go:embed rows.txt
var rowsText string

// A row is one line of the table: which number of the benchmarks' output is held
// against which, and within what limit.
type row struct {
	name   string
	unit   string  // tidy, see benchunit.Tidy
	store  string  // the benchmark with our number
	beside string  // that with the yardstick's; empty if there is none
	number float64 // the yardstick, if it is a number; else 0
	limit  bound   // no limit: the row is reported only
	needs  string  // the row that tells which rounds count; empty for all
	when   bound   // what that row has to be in such a round
	what   string
}

// A bound is what a value may be at most or at least. The zero bound allows all.
type bound struct {
	op string // "<=" or ">="
	n  float64
}

// allows reports whether v is within the bound.
func (b bound) allows(v float64) bool {
	switch b.op {
	case "<=":
		return v <= b.n
	case ">=":
		return v >= b.n
	default:
		return true
	}
}

func parseBound(s string) (bound, error) {
	op, number, _ := strings.Cut(s, " ")
	n, err := strconv.ParseFloat(number, 64)
	if op != "<=" && op != ">=" || err != nil {
		return bound{}, fmt.Errorf("%q is no limit such as <= 1.5", s)
	}
	return bound{op, n}, nil
}

// parseRows reads a table of rows.
func parseRows(text string) ([]row, error) {
	var rows []row
	known := map[string]bool{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		r, err := parseRow(line)
		if err == nil && known[r.name] {
			err = fmt.Errorf("a second row of this name")
		}
		if err == nil && r.needs != "" && !known[r.needs] {
			err = fmt.Errorf("it needs %s, which is no row above it", r.needs)
		}
		if err != nil {
			return nil, fmt.Errorf("row %q: %w", r.name, err)
		}
		known[r.name] = true
		rows = append(rows, r)
	}
	return rows, nil
}

func parseRow(line string) (r row, err error) {
	cells := strings.Split(line, "|")
	for i, c := range cells {
		cells[i] = strings.TrimSpace(c)
	}
	const columns = 7
	if len(cells) != columns {
		return row{name: cells[0]}, fmt.Errorf("%d columns, want %d", len(cells), columns)
	}
	r = row{name: cells[0], store: cells[2], beside: cells[3], what: cells[6]}
	if r.name == "" || r.store == "" || cells[1] == "" {
		return r, fmt.Errorf("a row has a name, a unit and a benchmark")
	}
	factor, unit := benchunit.Tidy(1, cells[1])
	r.unit = unit
	if n, err := strconv.ParseFloat(r.beside, 64); err == nil {
		r.beside, r.number = "", n*factor
	}
	if cells[4] != "" {
		if r.limit, err = parseBound(cells[4]); err != nil {
			return r, err
		}
	}
	if !r.compares() {
		r.limit.n *= factor
	}
	if cells[5] != "" {
		needs, cond, _ := strings.Cut(cells[5], " ")
		r.needs = needs
		r.when, err = parseBound(cond)
	}
	return r, err
}

// compares reports whether the row's values are ratios, not numbers with a unit.
func (r *row) compares() bool { return r.beside != "" || r.number != 0 }

// amount prints a number in the row's unit.
func (r *row) amount(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	return benchunit.Scale(v, benchunit.ClassOf(r.unit))
}

// value prints a value of the row: a ratio, or a number in its unit.
func (r *row) value(v float64) string {
	if r.compares() && !math.IsNaN(v) {
		return fmt.Sprintf("%.2fx", v)
	}
	return r.amount(v)
}

// limitText prints the limit.
func (r *row) limitText() string {
	if r.limit.op == "" {
		return "-"
	}
	return r.limit.op + " " + r.value(r.limit.n)
}
