package score

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// A State says whether a mutant counts.
type State string

// The states.
const (
	// Made is a mutant that counts.
	Made State = "made"
	// Refused is one that does not build.
	Refused State = "does not build"
	// SameCode is one that the compiler makes the code of the original of.
	SameCode State = "same code"
)

// A Result is what is known about a mutant. It is a line of the result file.
type Result struct {
	Key     string `json:"key"`
	Package string `json:"package"`
	File    string `json:"file"`
	Line    int    `json:"line"`
	Func    string `json:"func,omitempty"`
	Rule    string `json:"rule"`
	From    string `json:"from"`
	To      string `json:"to"`
	State   State  `json:"state"`
	// Tests and Seeds are what a tier said, nil if it was not run.
	Tests *Verdict `json:"tests,omitempty"`
	Seeds *Verdict `json:"seeds,omitempty"`
}

// Killed reports whether a tier killed the mutant.
func (r *Result) Killed() bool {
	return r.Tests != nil && r.Tests.Killed || r.Seeds != nil && r.Seeds.Killed
}

// A Verdict is what one tier said about a mutant.
type Verdict struct {
	Killed bool `json:"killed"`
	// By is the test or the reason that killed it.
	By string `json:"by,omitempty"`
	// Reached is how many tests or worlds reach the mutant; Ran is how many of them were run.
	Reached int `json:"reached"`
	Ran     int `json:"ran"`
	// Worlds is how many worlds a campaign takes to the kill that runs them all in order.
	Worlds   int    `json:"worlds,omitempty"`
	Scenario string `json:"scenario,omitempty"`
	Seed     uint64 `json:"seed,omitempty"`
	// CPU is the processor time in seconds.
	CPU float64 `json:"cpu"`
}

// A header is the first line of a result file: what the results below depend on.
type header struct {
	Format  int    `json:"format"`
	Source  string `json:"source"`
	Tiers   []Tier `json:"tiers"`
	Each    bool   `json:"each"`
	Worlds  string `json:"worlds"`
	Machine string `json:"go"`
}

// A resultFile is where results are kept.
type resultFile struct {
	mu   sync.Mutex
	file *os.File
	// known are the results of earlier runs, by key.
	known map[string]*Result
}

// openResults opens a result file, and reads what it has. If its header is another one, its
// results are worth nothing, and it is set aside: aside is its new name.
func openResults(name string, head header) (f *resultFile, aside string, err error) {
	f = &resultFile{known: map[string]*Result{}}
	line, err := json.Marshal(head)
	if err != nil {
		return nil, "", err
	}
	first, size, err := f.read(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, "", fmt.Errorf("%s: %w", name, err)
	case first != string(line):
		aside = name + ".old"
		if err := os.Rename(name, aside); err != nil {
			return nil, "", err
		}
		f.known, size = map[string]*Result{}, 0
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		return nil, "", err
	}
	if f.file, err = os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, "", err
	}
	// What a run that was killed wrote of its last line goes.
	if err := f.file.Truncate(size); err != nil {
		return nil, "", err
	}
	if _, err := f.file.Seek(size, 0); err != nil {
		return nil, "", err
	}
	if size == 0 {
		_, err = f.file.Write(append(line, '\n'))
	}
	return f, aside, err
}

// read reads a result file. It returns its first line, and how long it is up to the end of its
// last whole line.
func (f *resultFile) read(name string) (first string, size int64, err error) {
	file, err := os.Open(name)
	if err != nil {
		return "", 0, err
	}
	defer file.Close()
	r := bufio.NewReader(file)
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return first, size, nil // what follows the last whole line does not count
		}
		if size += int64(len(line)); first == "" {
			first = string(line[:len(line)-1])
			continue
		}
		var res Result
		if err := json.Unmarshal(line, &res); err != nil {
			return "", 0, err
		}
		f.known[res.Key] = &res
	}
}

// add writes a result.
func (f *resultFile) add(r *Result) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known[r.Key] = r
	_, err = f.file.Write(append(line, '\n'))
	return err
}
