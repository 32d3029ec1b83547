package archtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A listing is what the go command says of the packages of this module.
type listing struct {
	// links has all that a package links; imports and tests what its files, and those
	// of its tests, import by themselves.
	links, imports, tests linked
}

// listModule asks the go command for all packages of the module at root. More flags of go
// list may be given.
func listModule(t *testing.T, root string, flags ...string) listing {
	t.Helper()
	args := append([]string{"list", "-json=ImportPath,Deps,Imports,TestImports,XTestImports"}, flags...)
	cmd := exec.CommandContext(t.Context(), "go", append(args, "./...")...)
	cmd.Dir = root
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v in %s: %v\n%s", cmd.Args, root, err, stderr.String())
	}
	m := listing{linked{}, linked{}, linked{}}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var q struct {
			ImportPath                               string
			Deps, Imports, TestImports, XTestImports []string
		}
		if err := dec.Decode(&q); errors.Is(err, io.EOF) {
			return m
		} else if err != nil {
			t.Fatalf("decode what go list printed: %v", err)
		}
		if !under(module, q.ImportPath) {
			t.Fatalf("go list printed %q, want a package of %s", q.ImportPath, module)
		}
		pkg := strings.TrimPrefix(strings.TrimPrefix(q.ImportPath, module), "/")
		m.links[pkg], m.imports[pkg] = q.Deps, q.Imports
		m.tests[pkg] = slices.Concat(q.TestImports, q.XTestImports)
	}
}

// where says where a violation comes from: "file:line: " of the import, or "through PKG: " if
// the package imports only something that links it. It is empty if neither is found.
func (m listing) where(t *testing.T, root string, v violation) string {
	t.Helper()
	if v.dep == "" {
		return ""
	}
	files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(v.pkg), "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") != v.test {
			continue
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if i.Path.Value == fmt.Sprintf("%q", v.dep) {
				return fmt.Sprintf("%s/%s:%d: ", v.pkg, filepath.Base(name), set.Position(i.Pos()).Line)
			}
		}
	}
	for _, direct := range m.imports[v.pkg] {
		if own, ok := strings.CutPrefix(direct, module+"/"); ok && slices.Contains(m.links[own], v.dep) {
			return "through " + own + ": "
		}
	}
	return ""
}
