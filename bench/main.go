package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	err := run(os.Args[1:], os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// errShort is the error of -strict.
var errShort = errors.New("rows fall short of their limits")

func run(args []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprintf(stderr, "usage: bench [flags] output-of-go-test-bench...\n")
		fs.PrintDefaults()
	}
	strict := fs.Bool("strict", false, "fail if a row is short of its limit")
	markdown := fs.Bool("markdown", false, "print a table for the documentation")
	into := fs.String("into", "", "put that table into this `file`, instead of the one that is there")
	old := fs.String("old", "", "compare with this `file`, an earlier output")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		return errors.New("name the files that make bench wrote")
	}
	rows, err := parseRows(rowsText)
	if err != nil {
		return err
	}
	res, err := readResults(stderr, fs.Args()...)
	if err != nil {
		return err
	}
	all := res.outcomes(rows)
	if *old != "" {
		before, err := readResults(stderr, *old)
		if err != nil {
			return err
		}
		return printComparison(stdout, before.outcomes(rows), all)
	}
	if *into != "" {
		return replaceTable(*into, res, all)
	}
	if err := printTable(stdout, res, all, *markdown); err != nil {
		return err
	}
	for _, o := range all {
		if *strict && o.verdict() == short {
			return errShort
		}
	}
	return nil
}
