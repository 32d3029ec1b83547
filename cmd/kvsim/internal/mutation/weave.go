package mutation

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The environment of a woven program.
const (
	// EnvActive is the number of the mutant that it is.
	EnvActive = "KVSIM_MUTANT"
	// EnvReached is the name of a file in which it notes what it reaches.
	EnvReached = "KVSIM_MUTANT_REACHED"
	// EnvCPU bounds its processor time, in seconds.
	EnvCPU = "KVSIM_MUTANT_CPU"
	// EnvMemory bounds its memory, in bytes.
	EnvMemory = "KVSIM_MUTANT_MEMORY"
)

// runtimeSource is the package that woven source calls.
//
//go:embed kvsimmutant.go.txt
var runtimeSource string

// A Woven is source into which mutants are woven.
type Woven struct {
	// Overlay is the path of the file for go build -overlay.
	Overlay string
	// Mutants are those that compile, and Refused those that do not. The number of a mutant is
	// its place in Mutants, from 1.
	Mutants, Refused []*Mutant
}

// Weave weaves mutants in, and writes the source into dir. The number of what does not compile
// is found by compiling.
func (s *Source) Weave(mutants []*Mutant, dir string) (*Woven, error) {
	w := &Woven{}
	runtime, err := s.runtime()
	if err != nil {
		return nil, err
	}
	replace := map[string]string{}
	for _, p := range s.Packages {
		var own []*Mutant
		for _, m := range mutants {
			if m.Package == p.Path {
				own = append(own, m)
			}
		}
		kept, refused, err := s.compiling(p, own, runtime)
		if err != nil {
			return nil, err
		}
		for _, m := range kept {
			w.Mutants = append(w.Mutants, m)
			m.id = len(w.Mutants)
		}
		w.Refused = append(w.Refused, refused...)
		for name, text := range s.weave(p, kept) {
			to := filepath.Join(dir, strings.ReplaceAll(s.relative(name), "/", "-"))
			if err := os.WriteFile(to, text, 0o600); err != nil {
				return nil, err
			}
			replace[name] = to
		}
	}
	to := filepath.Join(dir, "kvsimmutant.go")
	if err := os.WriteFile(to, []byte(runtimeSource), 0o600); err != nil {
		return nil, err
	}
	replace[filepath.Join(s.Root, "internal", "kvsimmutant", "kvsimmutant.go")] = to
	w.Overlay = filepath.Join(dir, "overlay.json")
	text, err := json.MarshalIndent(struct{ Replace map[string]string }{replace}, "", "\t")
	if err != nil {
		return nil, err
	}
	return w, os.WriteFile(w.Overlay, text, 0o600)
}

// runtimePath is the import path of the package that woven source calls.
func (s *Source) runtimePath() string { return s.Module + "/internal/kvsimmutant" }

// runtime returns that package.
func (s *Source) runtime() (*types.Package, error) {
	f, err := parser.ParseFile(s.files, "kvsimmutant.go", runtimeSource, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	conf := types.Config{Importer: s.lookup}
	return conf.Check(s.runtimePath(), s.files, []*ast.File{f}, nil)
}

// withRuntime imports the runtime package, too.
type withRuntime struct {
	types.Importer
	runtime *types.Package
}

func (w withRuntime) Import(path string) (*types.Package, error) {
	if path == w.runtime.Path() {
		return w.runtime, nil
	}
	return w.Importer.Import(path)
}

// compiling tells apart the mutants of a package that compile together with all others, and
// those that do not.
func (s *Source) compiling(p *Package, mutants []*Mutant, runtime *types.Package) (kept, refused []*Mutant, err error) {
	kept = mutants
	for {
		bad, err := s.refusals(p, kept, runtime)
		if err != nil {
			return nil, nil, err
		}
		if len(bad) == 0 {
			return kept, refused, nil
		}
		refused = append(refused, bad...)
		kept = slices.DeleteFunc(slices.Clone(kept), func(m *Mutant) bool { return slices.Contains(bad, m) })
	}
}

// refusals returns mutants without which there are fewer errors. Woven source has the lines of
// the original, so it is the mutants of the lines with an error. Of these, each is tried alone.
func (s *Source) refusals(p *Package, mutants []*Mutant, runtime *types.Package) ([]*Mutant, error) {
	lines := s.errors(p, mutants, runtime)
	if len(lines) == 0 {
		return nil, nil
	}
	var near, bad []*Mutant
	for _, m := range mutants {
		if m.touches(s.files, lines) {
			near = append(near, m)
		}
	}
	for _, m := range near {
		if len(s.errors(p, []*Mutant{m}, runtime)) > 0 {
			bad = append(bad, m)
		}
	}
	switch {
	case len(near) == 0:
		return nil, fmt.Errorf("the woven package %s does not compile: %v", p.Path, lines)
	case len(bad) == 0: // only together
		return near, nil
	}
	return bad, nil
}

// errors type-checks a package with mutants woven in. It returns the first error of each
// line with one, as file and line.
func (s *Source) errors(p *Package, mutants []*Mutant, runtime *types.Package) map[string]string {
	for i, m := range mutants {
		m.id = i + 1
	}
	lines := map[string]string{}
	note := func(err error) {
		if e, ok := errors.AsType[types.Error](err); ok {
			if at := e.Fset.Position(e.Pos); lines[place(at)] == "" {
				lines[place(at)] = e.Msg
			}
		}
	}
	conf := types.Config{Importer: withRuntime{s.lookup, runtime}, GoVersion: "go" + p.goVersion, Error: note}
	files := token.NewFileSet()
	woven := s.weave(p, mutants)
	var syntax []*ast.File
	for _, name := range p.names {
		text, ok := woven[name]
		if !ok {
			text = p.text[name]
		}
		f, err := parser.ParseFile(files, name, text, parser.SkipObjectResolution)
		if err != nil {
			lines[err.Error()] = "syntax"
			continue
		}
		syntax = append(syntax, f)
	}
	_, _ = conf.Check(p.Path, files, syntax, nil)
	return lines
}

func place(at token.Position) string { return at.Filename + ":" + strconv.Itoa(at.Line) }

// touches reports whether a mutant changes one of the lines.
func (m *Mutant) touches(files *token.FileSet, lines map[string]string) bool {
	on := func(from, to token.Pos) bool {
		first, last := files.Position(from), files.Position(to)
		for first.Line <= last.Line {
			if _, ok := lines[place(first)]; ok {
				return true
			}
			first.Line++
		}
		return false
	}
	for _, w := range m.wraps {
		if on(w.from, w.from) || on(w.to, w.to) {
			return true
		}
	}
	if m.site != nil {
		for _, w := range m.site.wraps {
			if on(w.from, w.to) {
				return true
			}
		}
	}
	return slices.ContainsFunc(m.swaps, func(e edit) bool { return on(e.from, e.to) })
}

// weave returns the files of a package that change when mutants are woven in.
func (s *Source) weave(p *Package, mutants []*Mutant) map[string][]byte {
	changes := map[string][]piece{}
	add := func(at token.Pos, c piece) {
		name := s.files.Position(at).Filename
		c.at = s.files.Position(at).Offset
		changes[name] = append(changes[name], c)
	}
	number := func(text string, id int) string { return strings.ReplaceAll(text, "%d", strconv.Itoa(id)) }
	put := func(wraps []wrap, swaps []edit, id int) {
		for _, w := range wraps {
			size := int(w.to - w.from)
			add(w.from, piece{text: number(w.open, id), kind: opening, size: size, order: w.order})
			add(w.to, piece{text: number(w.close, id), kind: closing, size: size, order: w.order})
		}
		for _, e := range swaps {
			add(e.from, piece{text: number(e.text, id), kind: swapped, gone: int(e.to - e.from)})
		}
	}
	sites := map[*site]bool{}
	for _, m := range mutants {
		put(m.wraps, m.swaps, m.id)
		if m.site != nil && !sites[m.site] {
			sites[m.site] = true
			put(m.site.wraps, m.site.swaps, 0)
		}
	}
	woven := map[string][]byte{}
	for name, pieces := range changes {
		text := applied(p.text[name], pieces)
		for _, f := range p.syntax {
			if at := s.files.Position(f.Name.End()); at.Filename == name {
				text = slices.Concat(text[:at.Offset], []byte("; import "+strconv.Quote(s.runtimePath())), text[at.Offset:])
			}
		}
		woven[name] = text
	}
	return woven
}

// A piece is what is put at one place of a file.
type piece struct {
	at, gone    int
	text        string
	kind        pieceKind
	size, order int
}

type pieceKind int

const (
	closing pieceKind = iota
	opening
	swapped
)

// applied returns text with the pieces in it.
func applied(text []byte, pieces []piece) []byte {
	slices.SortStableFunc(pieces, func(a, b piece) int {
		if c := cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.kind, b.kind)); c != 0 {
			return c
		}
		if a.kind == closing {
			return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(b.order, a.order))
		}
		return cmp.Or(cmp.Compare(b.size, a.size), cmp.Compare(a.order, b.order))
	})
	var out []byte
	done := 0
	for _, c := range pieces {
		out = append(append(out, text[min(done, c.at):c.at]...), c.text...)
		done = max(done, c.at+c.gone)
	}
	return append(out, text[done:]...)
}
