package mutation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/procgroup"
)

// Source is a module's packages, parsed and checked.
type Source struct {
	// Root is the directory of the module, and Module its path.
	Root, Module string
	// Packages are those to make mutants of.
	Packages []*Package

	tags    string
	files   *token.FileSet
	exports map[string]string
	lookup  types.Importer
}

// A Package is one of a Source.
type Package struct {
	Path, Dir string
	// Tests says that it has tests.
	Tests bool

	goVersion string
	names     []string
	plain     bool // it is of Go files alone
	text      map[string][]byte
	syntax    []*ast.File
	types     *types.Package
	info      *types.Info
}

// listed is what go list says of a package.
type listed struct {
	ImportPath, Dir, Export   string
	GoFiles, SFiles, CgoFiles []string
	EmbedFiles                []string
	TestGoFiles, XTestGoFiles []string
	DepOnly                   bool
	Module                    *struct{ Path, Dir, GoVersion string }
	Error                     *struct{ Err string }
}

// needed is what the woven runtime imports.
var needed = []string{"cmp", "os", "strconv", "syscall"}

// Load reads the packages that patterns of the go command name, in the module around dir.
func Load(ctx context.Context, dir, tags string, patterns ...string) (*Source, error) {
	chosen, err := list(ctx, dir, tags, append([]string{"-find"}, patterns...)...)
	if err != nil {
		return nil, err
	}
	all, err := list(ctx, dir, tags, slices.Concat([]string{"-export", "-deps"}, patterns, needed)...)
	if err != nil {
		return nil, err
	}
	s := &Source{tags: tags, files: token.NewFileSet(), exports: map[string]string{}}
	byPath := map[string]listed{}
	for _, p := range all {
		byPath[p.ImportPath], s.exports[p.ImportPath] = p, p.Export
	}
	s.lookup = importer.ForCompiler(s.files, "gc", func(path string) (io.ReadCloser, error) {
		if s.exports[path] == "" {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(s.exports[path])
	})
	for _, c := range chosen {
		p := byPath[c.ImportPath]
		switch {
		case p.Error != nil:
			return nil, fmt.Errorf("package %s: %s", p.ImportPath, p.Error.Err)
		case p.Module == nil:
			return nil, fmt.Errorf("package %s is in no module", p.ImportPath)
		case s.Root == "":
			s.Root, s.Module = p.Module.Dir, p.Module.Path
		case s.Module != p.Module.Path:
			return nil, fmt.Errorf("package %s is in module %s, and others are in %s: choose packages of one module", p.ImportPath, p.Module.Path, s.Module)
		}
		parsed, err := s.parse(p)
		if err != nil {
			return nil, err
		}
		s.Packages = append(s.Packages, parsed)
	}
	if len(s.Packages) == 0 {
		return nil, fmt.Errorf("there are no packages %s", strings.Join(patterns, " "))
	}
	return s, nil
}

// list runs go list.
func list(ctx context.Context, dir, tags string, args ...string) ([]listed, error) {
	args = append([]string{"list", "-tags", tags, "-json=ImportPath,Dir,Export,GoFiles,SFiles,CgoFiles,EmbedFiles,TestGoFiles,XTestGoFiles,DepOnly,Module,Error"}, args...)
	cmd := procgroup.Command(ctx, "go", args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	var all []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("go list: %w", err)
		}
		all = append(all, p)
	}
}

// parse reads and checks a package.
func (s *Source) parse(l listed) (*Package, error) {
	p := &Package{
		Path: l.ImportPath, Dir: l.Dir, Tests: len(l.TestGoFiles)+len(l.XTestGoFiles) > 0, goVersion: l.Module.GoVersion,
		plain: len(l.SFiles)+len(l.CgoFiles)+len(l.EmbedFiles) == 0, text: map[string][]byte{},
	}
	for _, name := range l.GoFiles {
		name = filepath.Join(l.Dir, name)
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		p.names, p.text[name] = append(p.names, name), text
	}
	var err error
	p.syntax, p.types, p.info, err = s.check(p, p.text, s.lookup)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// check parses and type-checks text as the files of a package. It returns the first error.
func (s *Source) check(p *Package, text map[string][]byte, lookup types.Importer) ([]*ast.File, *types.Package, *types.Info, error) {
	var syntax []*ast.File
	for _, name := range slices.Sorted(maps.Keys(text)) {
		f, err := parser.ParseFile(s.files, name, text[name], parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, nil, nil, err
		}
		syntax = append(syntax, f)
	}
	info := &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{},
		Selections: map[*ast.SelectorExpr]*types.Selection{},
	}
	conf := types.Config{Importer: lookup, GoVersion: "go" + p.goVersion}
	pkg, err := conf.Check(p.Path, s.files, syntax, info)
	return syntax, pkg, info, err
}

// relative returns the path of a file from the module's root, with slashes.
func (s *Source) relative(name string) string {
	rel, err := filepath.Rel(s.Root, name)
	if err != nil {
		return name
	}
	return filepath.ToSlash(rel)
}
