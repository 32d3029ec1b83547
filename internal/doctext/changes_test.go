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
	"strings"
	"testing"
)

// change is a section of CONTRIBUTING.md that says where one kind of change goes.
type change struct{ title, text string }

// changes returns the sections below "Where a change goes".
func changes(t *testing.T) []change {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n## Where a change goes\n")
	if !found {
		t.Fatal("CONTRIBUTING.md does not say where a change goes")
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	var all []change
	for _, section := range strings.Split(rest, "\n### ")[1:] {
		title, text, _ := strings.Cut(section, "\n")
		all = append(all, change{title, text})
	}
	needed(t, "changes", len(all), 10)
	return all
}

// In the sections about changes, a path is that of a file or a directory from the root, a word
// is something that Go code declares, and a path in parentheses behind a word is the file that
// declares it.
func TestChangesNameWhatExists(t *testing.T) {
	t.Parallel()
	everywhere := declarations(t, "")
	for _, c := range changes(t) {
		for _, wrong := range wrongIn(t, c.text, everywhere) {
			t.Errorf("CONTRIBUTING.md, %q: %s", c.title, wrong)
		}
	}
}

func TestChangesThatNameWhatDoesNotExistAreReported(t *testing.T) {
	t.Parallel()
	everywhere := map[string]bool{"kinds": true, "Validate": true}
	for text, want := range map[string]string{
		"1. Do it in `sim/fault.go`.":                                    "",
		"1. Give it a row in `kinds` (`sim/fault.go`).":                  "",
		"1. Write a method of `*Effect` in `kvstoretest/effect.go`.":     "nothing declares",
		"1. Do it in `sim/faults_*.go`, and call `With...` or `plan`.":   "",
		"1. Do it in `sim/gone.go`.":                                     "sim/gone.go does not exist",
		"1. Do it in `sim/gone_*.go`.":                                   "sim/gone_*.go does not exist",
		"1. Give it a row in `kinds` (`sim/plan.go`).":                   "sim/plan.go does not declare kinds",
		"1. Give it a row in `nothing`, in `sim/plan.go`.":               "nothing declares nothing",
		"1. Give it a row in the right place. Asked for: `TestAnything`": "names no file",
	} {
		got := strings.Join(wrongIn(t, text, everywhere), "; ")
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("wrongIn(%q) = %q, want %q", text, got, want)
		}
	}
}

var (
	inline     = regexp.MustCompile("`([^`]+)`")
	declaredIn = regexp.MustCompile("`(\\w+)`\\s+\\(`([^`]+\\.go)`\\)")
	singleWord = regexp.MustCompile(`^\*?([A-Za-z]\w+)$`)
	fileOrDir  = regexp.MustCompile(`^[\w.*-]+(/[\w.*-]+)+/?$|^[\w-]+\.(md|go|txt)$`)
)

// notDeclared are words that are no declarations of Go: tags, prefixes of names, and packages.
var notDeclared = []string{"check", "plan", "kvstore", "sim", "scenarios"}

// wrongIn returns what a section names that is not there.
func wrongIn(t *testing.T, text string, everywhere map[string]bool) (wrong []string) {
	t.Helper()
	files := 0
	for _, m := range inline.FindAllStringSubmatch(text, -1) {
		code := m[1]
		switch {
		case fileOrDir.MatchString(code):
			files++
			if found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(code))); err != nil || len(found) == 0 {
				wrong = append(wrong, code+" does not exist")
			}
		case singleWord.MatchString(code):
			name := singleWord.FindStringSubmatch(code)[1]
			if !everywhere[name] && !strings.HasPrefix(name, "Test") && !slices.Contains(notDeclared, name) {
				wrong = append(wrong, "nothing declares "+name)
			}
		}
	}
	for _, m := range declaredIn.FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join(root, m[2])); err == nil && !declarations(t, m[2])[m[1]] {
			wrong = append(wrong, m[2]+" does not declare "+m[1])
		}
	}
	if files == 0 {
		wrong = append(wrong, "it names no file")
	}
	return wrong
}

// declarations returns what Go files declare at their top level, methods and members of
// interfaces included: one file, or all files of the repository if it is "".
func declarations(t *testing.T, file string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	if file != "" {
		declareFile(t, filepath.Join(root, file), names)
		return names
	}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(unread, d.Name()):
			return fs.SkipDir
		case strings.HasSuffix(path, ".go"):
			declareFile(t, path, names)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func declareFile(t *testing.T, path string, names map[string]bool) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		for _, n := range declared(d) {
			names[n] = true
		}
		if fn, ok := d.(*ast.FuncDecl); ok {
			names[fn.Name.Name] = true
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if i, ok := n.(*ast.InterfaceType); ok {
			for _, m := range i.Methods.List {
				for _, name := range m.Names {
					names[name.Name] = true
				}
			}
		}
		return true
	})
}
