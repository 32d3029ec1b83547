// Package mutants holds bugs to plant into the store, to test the judges: a judge that misses one
// of them has failed. The bugs are laid over the source at build time, so the store itself contains
// no code for this.
//
// The method is mutation testing (DeMillo, Lipton and Sayward, 1978), with mutants written by hand.
// Each is a bug that stores of this kind have had.
package mutants

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/kvsim/kvsim/linearizability"
)

// A Mutant is one planted bug.
type Mutant struct {
	// Name is a short name that does not change.
	Name string

	// Bug says in a sentence what is wrong.
	Bug string

	// Scenario is the scenario whose faults bring the bug out.
	Scenario string

	// Checks are the checks that should catch the bug. One of them must. "invariant" stands for
	// the store, which stops by itself before a judge can see anything.
	Checks []linearizability.CheckID

	// Edits turn the source into the buggy one.
	Edits []Edit
}

// An Edit replaces a piece of a file by another.
type Edit struct {
	// File is the path from the module's root, with slashes.
	File string

	// Old is the text to replace. It must occur in the file exactly once.
	Old string

	// New is the text that replaces it.
	New string
}

// ErrNoFit is returned for an edit whose Old does not occur in its file exactly once. The source
// has changed, and the mutant must be adapted.
var ErrNoFit = errors.New("the mutant does not fit the source")

// Overlay writes the mutated files and the overlay for go build's -overlay flag
// into dir. root is the module's root directory. It returns the path of the
// overlay.
func (m Mutant) Overlay(root, dir string) (string, error) {
	sources := map[string]string{}
	for _, e := range m.Edits {
		src, ok := sources[e.File]
		if !ok {
			b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(e.File)))
			if err != nil {
				return "", fmt.Errorf("mutant %s: %w", m.Name, err)
			}
			src = string(b)
		}
		if n := strings.Count(src, e.Old); n != 1 {
			return "", fmt.Errorf("mutant %s: %w: %s has the text %q %d times, not once: make the mutant follow", m.Name, ErrNoFit, e.File, e.Old, n)
		}
		sources[e.File] = strings.Replace(src, e.Old, e.New, 1)
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for file, src := range sources {
		to := filepath.Join(dir, m.Name+"-"+strings.ReplaceAll(file, "/", "-"))
		if err := os.WriteFile(to, []byte(src), 0o600); err != nil {
			return "", fmt.Errorf("mutant %s: %w", m.Name, err)
		}
		overlay.Replace[filepath.Join(root, filepath.FromSlash(file))] = to
	}
	b, err := json.MarshalIndent(overlay, "", "\t")
	if err != nil {
		return "", fmt.Errorf("mutant %s: %w", m.Name, err)
	}
	path := filepath.Join(dir, m.Name+"-overlay.json")
	return path, os.WriteFile(path, b, 0o600)
}

// Find returns the mutant with the given name.
func Find(name string) (Mutant, error) {
	var names []string
	for _, m := range All() {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return Mutant{}, fmt.Errorf("no mutant %q: there are %s", name, strings.Join(names, ", "))
}
