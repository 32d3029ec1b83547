package mutation

import (
	"fmt"
	"go/token"
	"hash/fnv"
	"strings"
)

// A Rule is one kind of change.
type Rule string

// The rules.
const (
	// Condition negates a condition, or one operand of && or ||.
	Condition Rule = "condition"
	// Bound moves the bound of a comparison by one: < becomes <=, and so on.
	Bound Rule = "bound"
	// Logic exchanges && and ||.
	Logic Rule = "logic"
	// Call leaves out a statement that is a call, a go, a defer or a send.
	Call Rule = "call"
	// Assign leaves out an assignment, an increment or a decrement.
	Assign Rule = "assign"
	// Error returns nil in place of an error.
	Error Rule = "error"
	// Lock leaves out the calls that lock and unlock one mutex in one function.
	Lock Rule = "lock"
	// Copy leaves out a copy: what it would copy is used itself.
	Copy Rule = "copy"
	// Wait leaves out a wait.
	Wait Rule = "wait"
	// Constant adds one to a number, or flips a boolean. A named constant changes wherever
	// its package uses it.
	Constant Rule = "constant"
	// Arm removes an arm of a switch or a select.
	Arm Rule = "arm"
)

// Rules returns all rules, in the order of tables.
func Rules() []Rule {
	return []Rule{Condition, Bound, Logic, Call, Assign, Error, Lock, Copy, Wait, Constant, Arm}
}

// A Mutant is one change of the source.
type Mutant struct {
	// Package is the import path, File the path from the module's root, with slashes.
	Package, File string
	// Line is where the change is, or its first part.
	Line int
	// Func is the function or method, such as (*tail).run. It is empty outside of functions.
	Func string
	Rule Rule
	// From is the source that is changed, and To what it becomes, both on one line.
	From, To string
	// Nth counts mutants of a function that are equal in all of this, from 1.
	Nth int

	// id is what the woven program knows it by, from 1.
	id int
	// edits make the mutant from its original.
	edits []edit
	// wraps and swaps weave it in. Both may be in several places of one package.
	wraps []wrap
	swaps []edit
	// site is what has to be woven in besides.
	site *site
}

// Key names the mutant by what it is and not by where it is, so that it stays the same when
// other code of its file changes.
func (m *Mutant) Key() string {
	key := fmt.Sprintf("%s %s %s: %s => %s", m.File, m.scope(), m.Rule, m.From, m.To)
	if m.Nth > 1 {
		key += fmt.Sprintf(" #%d", m.Nth)
	}
	return key
}

// scope is Func, or a word that says that there is none.
func (m *Mutant) scope() string {
	if m.Func == "" {
		return "package"
	}
	return strings.ReplaceAll(m.Func, " ", "")
}

// draw returns a number that depends on a seed and the key only.
func (m *Mutant) draw(seed uint64) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s", seed, m.Key())
	// FNV leaves texts that differ at their ends close to each other.
	x := h.Sum64()
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// An edit replaces the source between two positions.
type edit struct {
	from, to token.Pos
	text     string
}

// A wrap puts text before and behind a piece of source. Of two around the same piece, that
// of the lower order is outside. In the texts, %d stands for the mutant's id.
type wrap struct {
	from, to    token.Pos
	open, close string
	order       int
}

// oneLine returns source without comments at line ends, on a line.
func oneLine(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "//") || line == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(line)
	}
	return b.String()
}

// short cuts a piece of source for a list. The whole is what counts for a key only if it is
// short; a hash stands for the rest.
func short(text string) string {
	const most = 100
	text = oneLine(text)
	if len(text) <= most {
		return text
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(text))
	return fmt.Sprintf("%s...[%08x]", strings.ToValidUTF8(text[:most], ""), h.Sum32())
}

// ID is the number by which a woven program knows the mutant.
func (m *Mutant) ID() int { return m.id }
