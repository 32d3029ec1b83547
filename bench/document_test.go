package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheTableOfADocumentIsReplaced(t *testing.T) {
	name := filepath.Join(t.TempDir(), "page.md")
	page := func(table string) string { return "# Page\n\n" + tableStarts + table + tableEnds + "\nMore.\n" }
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func() string {
		t.Helper()
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}

	write(page("| an old table |\n"))
	for _, ratio := range []float64{1, 2} { // the second time over the first
		if err := run([]string{"-into", name, sixRounds(t, ratio)}, io.Discard, io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	got := read()
	if strings.Contains(got, "an old table") || strings.Contains(got, "| 1.00x |") || !strings.Contains(got, "| `put` | p50-sec | 2.000µ | 1.000µ | 2.00x |") {
		t.Errorf("the page is\n%s\nwant the last table only", got)
	}
	if !strings.HasPrefix(got, "# Page\n\n"+tableStarts+"\n6 rounds, ") || !strings.HasSuffix(got, "|\n\n"+tableEnds+"\nMore.\n") {
		t.Errorf("the page is\n%s\nwant what was around the table", got)
	}

	for what, text := range map[string]string{
		"no lines": "# Page\n", "no end": tableStarts, "no start": tableEnds,
		"the wrong order": tableEnds + tableStarts, "two tables": page("") + page(""),
	} {
		write(text)
		if err := run([]string{"-into", name, sixRounds(t, 1)}, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "once each") {
			t.Errorf("%s: bench -into = %v, want an error that asks for the two lines", what, err)
		}
		if got := read(); got != text {
			t.Errorf("%s: the page was changed to %q", what, got)
		}
	}
	if err := run([]string{"-into", filepath.Join(t.TempDir(), "none.md"), sixRounds(t, 1)}, io.Discard, io.Discard); err == nil {
		t.Error("bench -into a file that is not there = nil, want an error")
	}
}

// The page of the results has the two lines, so that make bench-document works.
func TestThePageOfTheResultsHasAPlaceForThem(t *testing.T) {
	text, err := os.ReadFile("../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, starts := strings.Cut(string(text), tableStarts)
	table, _, ends := strings.Cut(rest, tableEnds)
	if !starts || !ends || !strings.Contains(table, "| "+strings.Join(heads, " | ")+" |\n") {
		t.Error("docs/performance.md has no table of the results between the lines of make bench-document")
	}
}

func TestOneRoundIsCalledSo(t *testing.T) {
	res := &results{config: map[string]string{"brokers": "kfake", "round": "1"}}
	for n, want := range map[int]string{1: "1 round, brokers kfake", 6: "6 rounds, brokers kfake"} {
		if got := res.heading(n); got != want {
			t.Errorf("heading(%d) = %q, want %q", n, got, want)
		}
	}
}
