package mutation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Explained has the reasons why survivors cannot be killed, by the keys of the mutants.
type Explained map[string]string

// ParseExplained reads reasons. Each begins with a line that has the key of one mutant or, line
// by line, those of several; the lines below, indented, say why no test and no world can tell
// them from the original. Lines that begin with # are left out.
func ParseExplained(text string) (Explained, error) {
	explained := Explained{}
	var keys []string
	for i, line := range strings.Split(text, "\n") {
		reason := strings.TrimSpace(line)
		switch {
		case reason == "" || strings.HasPrefix(line, "#"):
		case line[0] != '\t' && line[0] != ' ':
			if len(keys) > 0 && explained[keys[len(keys)-1]] != "" {
				keys = nil
			}
			if _, twice := explained[reason]; twice {
				return nil, fmt.Errorf("line %d explains a mutant that is explained already: %s", i+1, reason)
			}
			keys = append(keys, reason)
			explained[reason] = ""
		case len(keys) == 0:
			return nil, fmt.Errorf("line %d: a reason before the first mutant", i+1)
		default:
			for _, key := range keys {
				explained[key] = strings.TrimSpace(explained[key] + " " + reason)
			}
		}
	}
	for key, reason := range explained {
		if reason == "" {
			return nil, fmt.Errorf("no reason is given for: %s", key)
		}
	}
	return explained, nil
}

// Stale returns the keys of what is explained and is no mutant: the source has changed.
func (e Explained) Stale(mutants []*Mutant) []string {
	left := maps.Clone(e)
	for _, m := range mutants {
		delete(left, m.Key())
	}
	return slices.Sorted(maps.Keys(left))
}
