package doctext_test

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kvsim/kvsim/internal/doctext"
)

const root = "../.."

// documentation reads the code in all Markdown files.
func documentation(t *testing.T) []doctext.Code {
	t.Helper()
	code, err := doctext.Read(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(code) < 500 {
		t.Fatalf("the documentation has %d pieces of code: are they still found?", len(code))
	}
	return code
}

// needed fails the test if less was looked at than the documentation has had
// for long: a test that finds nothing to look at finds no fault.
func needed(t *testing.T, what string, got, atLeast int) {
	t.Helper()
	if got < atLeast {
		t.Errorf("the documentation names %d %s, want %d or more: are they still found?", got, what, atLeast)
	}
}

func TestMakeTargetsAndVariablesOfTheDocumentationExist(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	targets, variables := map[string]bool{}, map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):`).FindAllStringSubmatch(string(makefile), -1) {
		targets[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`(?m)^([A-Z_]+) +\??=|\$\(([A-Z_]+)\)|\$\$([A-Z_]+)`).FindAllStringSubmatch(string(makefile), -1) {
		variables[m[1]+m[2]+m[3]] = true
	}
	assigned := regexp.MustCompile(`^([A-Z_]+)=`)
	found := 0
	for _, c := range doctext.Commands(documentation(t), "make") {
		for _, arg := range c.Args {
			found++
			if m := assigned.FindStringSubmatch(arg); m != nil {
				if !variables[m[1]] {
					t.Errorf("%s: the Makefile knows no variable %s", c.At, m[1])
				}
			} else if !targets[arg] {
				t.Errorf("%s: the Makefile has no target %q", c.At, arg)
			}
		}
	}
	needed(t, "targets and variables of make", found, 40)
}

// elsewhere are the beginnings of paths that are not of the repository: what
// runs write, what other projects have, and where things are on a machine.
var elsewhere = []string{
	"kvsim-out/", "docs.rs/", "testdata/rapid", ".github/workflows/chaos.yml",
	"apache/", "redpandadata/", "application/", "text/", "bin/",
}

// isPath matches inline code that is the path of a file or a directory.
var isPath = regexp.MustCompile(`^(\.{0,2}[A-Za-z0-9_-][A-Za-z0-9_.*-]*/)+([A-Za-z0-9_.*-]+)?$`)

func TestPathsOfTheDocumentationExist(t *testing.T) {
	t.Parallel()
	found := 0
	for _, c := range documentation(t) {
		for _, path := range pathsOf(c) {
			found++
			if !there(c.File, path) {
				t.Errorf("%s: %s does not exist", c.At(), path)
			}
		}
	}
	needed(t, "paths", found, 40)
}

// pathsOf returns the paths in a piece of code: the whole of an inline piece,
// or each "./path" in a command line.
func pathsOf(c doctext.Code) []string {
	if c.Inline && isPath.MatchString(c.Text) {
		return []string{c.Text}
	}
	if !c.Shell() {
		return nil
	}
	var paths []string
	for _, m := range regexp.MustCompile(`(?:^|[\s"=])\./([a-z][\w/.-]*)`).FindAllStringSubmatch(c.Text, -1) {
		paths = append(paths, strings.TrimSuffix(strings.TrimSuffix(m[1], "..."), "/"))
	}
	return paths
}

// there reports whether a path exists, from the root, from the directory of the
// file that names it, or as a package of the standard library or of a module in
// use; or is none of the repository's.
func there(file, path string) bool {
	path = strings.TrimPrefix(path, "github.com/kvsim/kvsim/")
	for _, prefix := range elsewhere {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	for _, dir := range []string{root, filepath.Join(root, filepath.Dir(file)), filepath.Join(build.Default.GOROOT, "src")} {
		if found, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(path))); err == nil && len(found) > 0 {
			return true
		}
	}
	gomod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	return err == nil && strings.Contains(string(gomod), "/"+strings.TrimSuffix(path, "/")+" ")
}

func TestLinksOfTheDocumentationLeadSomewhere(t *testing.T) {
	t.Parallel()
	files, err := doctext.Files(root)
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(m[1], "://") {
				continue
			}
			found++
			if target == "" {
				target = filepath.Base(file)
			}
			path := filepath.Join(root, filepath.Dir(file), target)
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", file, m[1])
			} else if anchor != "" && !slices.Contains(anchors(t, path), anchor) {
				t.Errorf("%s: %s has no heading for #%s", file, target, anchor)
			}
		}
	}
	needed(t, "links", found, 15)
}

// anchors returns the anchors of a Markdown file's headings.
func anchors(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	drop := regexp.MustCompile(`[^\w\s-]`)
	for line := range strings.Lines(string(text)) {
		if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			out = append(out, strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), ""), " ", "-"))
		}
	}
	return out
}

// packages are the packages whose names the documentation uses without a path.
var packages = map[string]string{
	"kvstore": "kvstore", "memory": "kvstore/memory", "kvstoretest": "kvstoretest", "kvrapid": "kvstoretest/kvrapid",
	"realkafka": "kvstoretest/realkafka", "linearizability": "linearizability", "sim": "sim", "scenarios": "scenarios",
	"regressions": "scenarios/regressions",
}

func TestNamesOfPackagesInTheDocumentationExist(t *testing.T) {
	t.Parallel()
	exported := map[string]map[string]bool{}
	name := regexp.MustCompile(`\b([a-z]+)\.([A-Z]\w*)`)
	found := 0
	for _, c := range documentation(t) {
		for _, m := range name.FindAllStringSubmatch(c.Text, -1) {
			dir := packages[m[1]]
			if dir == "" || c.Lang != "" && c.Lang != "go" {
				continue
			}
			if exported[m[1]] == nil {
				exported[m[1]] = exportedOf(t, filepath.Join(root, dir))
			}
			found++
			if !exported[m[1]][m[2]] {
				t.Errorf("%s: package %s has no %s", c.At(), dir, m[2])
			}
		}
	}
	needed(t, "names of packages", found, 20)
}

// exportedOf returns what a package exports at its top level.
func exportedOf(t *testing.T, dir string) map[string]bool {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, e.Name()), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			for _, n := range declared(d) {
				names[n] = true
			}
		}
	}
	return names
}

func declared(d ast.Decl) []string {
	var names []string
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				names = append(names, s.Name.Name)
			case *ast.ValueSpec:
				for _, n := range s.Names {
					names = append(names, n.Name)
				}
			}
		}
	}
	return names
}

// sources returns the text of all Go files, scripts and the Makefile.
var sources = sync.OnceValues(func() (string, error) {
	var all strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "bin" || d.Name() == "kvsim-out" || d.Name() == ".git") {
			return fs.SkipDir
		}
		ext := filepath.Ext(path)
		if d.Name() == "Makefile" || ext == ".go" || ext == ".sh" || ext == ".java" || d.Name() == "run" && !d.IsDir() {
			text, err := os.ReadFile(path)
			all.Write(text)
			return err
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("read the sources: %w", err)
	}
	return all.String(), nil
})

func TestEnvironmentVariablesOfTheDocumentationAreRead(t *testing.T) {
	t.Parallel()
	all, err := sources()
	if err != nil {
		t.Fatal(err)
	}
	variable := regexp.MustCompile(`\bKVSIM_[A-Z_]+\b`)
	found := 0
	for _, c := range documentation(t) {
		for _, name := range variable.FindAllString(c.Text, -1) {
			found++
			if !strings.Contains(all, name) {
				t.Errorf("%s: nothing reads %s", c.At(), name)
			}
		}
	}
	needed(t, "environment variables", found, 5)
}
