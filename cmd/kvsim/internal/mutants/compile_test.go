package mutants_test

import (
	"encoding/json"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/mutants"
)

const module = "github.com/kvsim/kvsim"

// A mutant that does not compile would be caught by the compiler, and not by the check that it
// names. Each changed package is only type-checked, which finds the same errors as a build and
// takes a tenth of the time.
func TestEveryMutantCompiles(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles what the store imports; left out with -short")
	}
	exports := exportData(t)
	for _, m := range mutants.All() {
		changed := overlay(t, m)
		dirs := map[string]bool{}
		for _, e := range m.Edits {
			dirs[path.Dir(e.File)] = true
		}
		for dir := range dirs {
			if err := typeCheck(dir, changed, exports); err != nil {
				t.Errorf("mutant %s: %v", m.Name, err)
			}
		}
	}
	broken := mutants.Mutant{Name: "broken", Edits: []mutants.Edit{{
		File: "kvstore/keys.go", Old: "package kvstore\n", New: "package kvstore\n\nvar _ int = \"\"\n",
	}}}
	if err := typeCheck("kvstore", overlay(t, broken), exports); err == nil {
		t.Error("a mutant that assigns a string to an int passes: the test can't fail")
	}
}

// overlay returns the paths of the changed files of a mutant, by the path of the original from the
// module's root.
func overlay(t *testing.T, m mutants.Mutant) map[string]string {
	t.Helper()
	name, err := m.Overlay(root, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var o struct{ Replace map[string]string }
	if err := json.Unmarshal(b, &o); err != nil {
		t.Fatal(err)
	}
	return o.Replace
}

// exportData returns the path of the compiler's export data for each package that the store links.
func exportData(t *testing.T) map[string]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}", "./kvstore/...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		pkg, file, _ := strings.Cut(strings.TrimSpace(line), "\t")
		files[pkg] = file
	}
	return files
}

// typeCheck checks the package in dir, with the changed files in place of its own.
func typeCheck(dir string, changed, exports map[string]string) error {
	pkg, err := build.ImportDir(filepath.Join(root, dir), 0)
	if err != nil {
		return err
	}
	files := token.NewFileSet()
	var parsed []*ast.File
	for _, name := range pkg.GoFiles {
		name = filepath.Join(root, dir, name)
		if to, ok := changed[name]; ok {
			name = to
		}
		f, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		parsed = append(parsed, f)
	}
	conf := types.Config{Importer: importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})}
	_, err = conf.Check(module+"/"+dir, files, parsed, nil)
	return err
}
