package doctext_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// design is where the invariants stand, each once, as "**I1. ...": I those of the
// store, D those of a world's determinism, J those of the judges.
const design = "docs/design.md"

var (
	stated    = regexp.MustCompile(`(?m)^(?:- )?\*\*([IDJ][1-9][0-9]*)\. `)
	invariant = regexp.MustCompile(`\b[IDJ][1-9][0-9]*\b`)
)

func TestInvariantsOfTheDesignAreNamedInCode(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, design))
	if err != nil {
		t.Fatal(err)
	}
	inDesign := map[string]bool{}
	last := map[string]int{} // number by letter
	for _, m := range stated.FindAllStringSubmatch(string(text), -1) {
		name, letter := m[1], m[1][:1]
		last[letter]++
		if want := letter + strconv.Itoa(last[letter]); name != want {
			t.Errorf("%s: %s stands where %s is due", design, name, want)
		}
		inDesign[name] = true
	}
	needed(t, "invariants", len(inDesign), 30)
	for _, name := range invariant.FindAllString(string(text), -1) {
		if !inDesign[name] {
			t.Errorf("%s speaks of %s and does not have it", design, name)
		}
	}

	inCode := namedInComments(t, "kvstore", "sim", "linearizability")
	for name, where := range inCode {
		if !inDesign[name] {
			t.Errorf("%s names %s, which %s does not have", where, name, design)
		}
	}
	for name := range inDesign {
		if inCode[name] == "" {
			t.Errorf("%s has %s, which no comment names", design, name)
		}
	}
}

// notChecked are the invariants of the store that it does not check while it runs. The
// design says why.
var notChecked = []string{"I11", "I12", "I14"}

func TestInvariantsOfTheStoreAreCheckedWhileItRuns(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, design))
	if err != nil {
		t.Fatal(err)
	}
	checked := checkedInCode(t, "kvstore")
	needed(t, "checked invariants", len(checked), 15)
	inDesign := map[string]bool{}
	for _, m := range stated.FindAllStringSubmatch(string(text), -1) {
		name := m[1]
		inDesign[name] = true
		if name[0] != 'I' {
			continue
		}
		if exempt := slices.Contains(notChecked, name); exempt == checked[name] {
			t.Errorf("%s: checked while the store runs: %v; expected: %v", name, checked[name], !exempt)
		}
	}
	for name := range checked {
		if invariant.MatchString(name) && !inDesign[name] {
			t.Errorf("the store checks %s, which %s does not have", name, design)
		}
	}
}

// checkedInCode returns the names that calls of invariant.Check have, in a package and in those
// below it, tests left out.
func checkedInCode(t *testing.T, dir string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	goFiles(t, dir, func(_ *token.FileSet, f *ast.File) {
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "Check" {
				return true
			}
			if name, ok := call.Args[0].(*ast.BasicLit); ok {
				names[strings.Trim(name.Value, `"`)] = true
			}
			return true
		})
	})
	return names
}

// namedInComments returns the invariants that comments of packages and of those below
// them name, tests left out, with a place for each.
func namedInComments(t *testing.T, dirs ...string) map[string]string {
	t.Helper()
	places := map[string]string{}
	for _, dir := range dirs {
		goFiles(t, dir, func(files *token.FileSet, f *ast.File) {
			for _, c := range f.Comments {
				for _, name := range invariant.FindAllString(c.Text(), -1) {
					places[name] = files.Position(c.Pos()).String()
				}
			}
		})
	}
	return places
}

// goFiles calls visit with each Go file in a directory and below it, tests left out.
func goFiles(t *testing.T, dir string, visit func(*token.FileSet, *ast.File)) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err == nil {
			visit(files, f)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
