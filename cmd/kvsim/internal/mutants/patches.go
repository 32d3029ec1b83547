package mutants

import (
	"embed"
	"fmt"
	"strings"

	"github.com/kvsim/kvsim/linearizability"
)

// bugs has a file for each family of mutants. A mutant begins with four lines: its name, its bug,
// its scenario, and the ids of its checks. Then comes each edit, which begins with "@@" and the
// path of its file: of the lines below, those with "-" go, those with "+" come, and those with a
// blank stay.
//
//go:embed bugs/*.patch
var bugs embed.FS

// families are the files, in the order in which their mutants are listed: bugs on the way of a
// write into the log, in looking for a write in doubt, in reads and waits, on the way of a record
// from the log to reads and hooks, in hooks and the position, and in clients whose log lost
// records. Those of hostile show only with brokers, or other writers, that do what clients do not
// expect: a client then believes, allocates, or asks too much. Those of promise show only with brokers
// that work, but behave unusually: they forget, lag, refuse and change. Some of those break
// promises that only the simulator can judge, by reasons that have names of their own. Those of answers
// take an error code for another one, and those of forms show only to callers that use another method,
// bound, context or storage than the others. Of the last ones no history tells anything: clients are
// slow, say what is not true, or leave something behind.
var families = []string{"write", "look", "read", "tail", "follow", "rebuild", "hostile", "promise", "answers", "forms", "notice"}

// All returns the mutants.
func All() []Mutant {
	var all []Mutant
	for _, family := range families {
		name := "bugs/" + family + ".patch"
		text, err := bugs.ReadFile(name)
		if err != nil {
			panic(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if all, err = read(all, line); err != nil {
				panic(fmt.Sprintf("%s: line %d: %v", name, i+1, err))
			}
		}
	}
	return all
}

// read adds a line to the last of the mutants, or begins another one.
func read(all []Mutant, line string) ([]Mutant, error) {
	word, rest, _ := strings.Cut(line, " ")
	if word == "mutant" {
		return append(all, Mutant{Name: rest}), nil
	}
	if line == "" {
		return all, nil
	}
	if len(all) == 0 {
		return all, fmt.Errorf("%q before the first mutant", line)
	}
	m := &all[len(all)-1]
	switch {
	case word == "bug":
		m.Bug = rest
	case word == "scenario":
		m.Scenario = rest
	case word == "checks":
		for id := range strings.FieldsSeq(rest) {
			m.Checks = append(m.Checks, linearizability.CheckID(id))
		}
	case word == "@@":
		m.Edits = append(m.Edits, Edit{File: rest})
	case len(m.Edits) == 0 || !strings.ContainsRune(" -+", rune(line[0])):
		return all, fmt.Errorf("%q is no line of a mutant", line)
	default:
		m.Edits[len(m.Edits)-1].add(line[0], line[1:]+"\n")
	}
	return all, nil
}

// add adds a line to what the edit replaces, to what replaces it, or to both.
func (e *Edit) add(side byte, line string) {
	if side != '+' {
		e.Old += line
	}
	if side != '-' {
		e.New += line
	}
}
