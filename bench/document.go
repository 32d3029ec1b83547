package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// The lines of a document between which its table stands.
const (
	tableStarts = "<!-- make bench-document writes from here -->\n"
	tableEnds   = "<!-- to here -->\n"
)

// replaceTable puts the outcomes into a Markdown file, instead of what stands there between
// the lines tableStarts and tableEnds. A file that does not have each of them once, in this
// order, stays as it is.
func replaceTable(name string, res *results, all []*outcome) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("put the table into a document: %w", err)
	}
	before, rest, starts := strings.Cut(string(text), tableStarts)
	_, after, ends := strings.Cut(rest, tableEnds)
	if !starts || !ends || strings.Contains(after, tableStarts) || strings.Contains(after, tableEnds) {
		return fmt.Errorf("put the table into %s: the lines %q and %q have to be there, once each", name, tableStarts, tableEnds)
	}
	var table bytes.Buffer
	if err := printTable(&table, res, all, true); err != nil {
		return err
	}
	if err := os.WriteFile(name, []byte(before+tableStarts+"\n"+table.String()+"\n"+tableEnds+after), 0o644); err != nil {
		return fmt.Errorf("put the table into a document: %w", err)
	}
	return nil
}
