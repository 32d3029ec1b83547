package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"

	"github.com/kvsim/kvsim/linearizability"
	"github.com/kvsim/kvsim/scenarios"
	"github.com/kvsim/kvsim/sim"
)

var listCommand = command{
	name:  "list",
	short: "describe the scenarios, and the faults and checks that there are",
	flags: func(_ *cli, fs *flag.FlagSet) execFunc {
		var l lister
		fs.BoolVar(&l.faults, "faults", false, "describe the faults that a plan may have")
		fs.BoolVar(&l.checks, "checks", false, "describe the guarantees that are checked")
		fs.BoolVar(&l.sometimes, "sometimes", false, "describe the situations that a large campaign of everything has to reach")
		fs.BoolVar(&l.answers, "answers", false, "describe the error codes that brokers may answer to each request, which the fault answer draws from")
		fs.BoolVar(&l.json, "json", false, "print JSON lines")
		return l.exec
	},
}

// A lister carries out one "kvsim list".
type lister struct {
	faults, checks, sometimes, answers, json bool
}

// entry is one line of a list.
type entry struct {
	Kind        string `json:"kind"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Example     string `json:"example,omitempty"`
}

func (l *lister) exec(_ context.Context, args []string, _ io.Reader, stdout, _ io.Writer) error {
	if err := noArgs(args); err != nil {
		return err
	}
	entries := l.entries()
	if l.json {
		enc := json.NewEncoder(stdout)
		for _, e := range entries {
			if err := enc.Encode(e); err != nil {
				return err
			}
		}
		return nil
	}
	width := 0
	for _, e := range entries {
		width = max(width, len(e.Name))
	}
	for _, e := range entries {
		if e.Description == "" {
			fmt.Fprintln(stdout, e.Name)
			continue
		}
		fmt.Fprintf(stdout, "%-*s  %s\n", width, e.Name, e.Description)
		if e.Example != "" {
			fmt.Fprintf(stdout, "%-*s  as in: %s\n", width, "", e.Example)
		}
	}
	return nil
}

// entries returns what the flags ask for, or the scenarios if there are no flags.
func (l *lister) entries() []entry {
	var entries []entry
	if !l.faults && !l.checks && !l.sometimes && !l.answers {
		for _, s := range scenarios.All() {
			entries = append(entries, entry{Kind: "scenario", Name: s.Name, Description: s.Description})
		}
	}
	if l.faults {
		for _, k := range sim.FaultKinds() {
			entries = append(entries, entry{Kind: "fault", Name: k.Name, Description: k.Description, Example: k.Example})
		}
	}
	if l.checks {
		for _, id := range linearizability.AllChecks() {
			entries = append(entries, entry{Kind: "check", Name: string(id), Description: id.Guarantee()})
		}
		for _, j := range sim.Judgements() {
			entries = append(entries, entry{Kind: "judgement", Name: j.Name, Description: j.Guarantee})
		}
	}
	if l.sometimes {
		for _, name := range sim.SometimesNames() {
			entries = append(entries, entry{Kind: "sometimes", Name: name})
		}
	}
	if l.answers {
		for _, c := range sim.AnswerCells() {
			lasts := "passes"
			if c.Lasts {
				lasts = "a call may fail with it"
			}
			entries = append(entries, entry{Kind: "answer", Name: c.Name, Description: lasts + "; source: " + c.Source, Example: c.Fault})
		}
	}
	return entries
}
