package doctext_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kvsim/kvsim/internal/doctext"
)

// imports are the packages that a fragment may use without importing them.
var imports = map[string]string{
	"context": "context", "errors": "errors", "fmt": "fmt", "log": "log", "slog": "log/slog", "os": "os", "time": "time",
	"testing": "testing", "synctest": "testing/synctest",
	"kgo":     "github.com/twmb/franz-go/pkg/kgo",
	"kvstore": "github.com/kvsim/kvsim/kvstore", "memory": "github.com/kvsim/kvsim/kvstore/memory",
	"kvstoretest": "github.com/kvsim/kvsim/kvstoretest", "kvrapid": "github.com/kvsim/kvsim/kvstoretest/kvrapid",
	"realkafka": "github.com/kvsim/kvsim/kvstoretest/realkafka", "linearizability": "github.com/kvsim/kvsim/linearizability",
	"sim": "github.com/kvsim/kvsim/sim", "scenarios": "github.com/kvsim/kvsim/scenarios",
}

// standIns declare what a fragment takes for given, by name.
var standIns = map[string]string{
	"ctx": "var ctx context.Context",
	"t":   "var t *testing.T",
	"kv":  "var kv *kvstore.Client",
	"kit": "var kit *kvstoretest.Kit",
	"a":   "var a []byte", "b": "var b []byte", "c": "var c []byte",
	"key": "var key []byte", "value": "var value []byte",
	"mystorage": "var mystorage struct{ New func() kvstore.Storage }",
}

// Every piece of Go in the documentation compiles: whole programs as they are,
// fragments within a function or a file that declares what they take for given.
func TestGoOfTheDocumentationCompiles(t *testing.T) {
	t.Parallel()
	var goCode []doctext.Code
	for _, c := range documentation(t) {
		if c.Lang == "go" {
			goCode = append(goCode, c)
		}
	}
	needed(t, "pieces of Go", len(goCode), 4)
	files := map[string]string{} // by the name of the package
	for _, c := range goCode {
		src, err := program(c)
		if err != nil {
			t.Errorf("%s: %v", c.At(), err)
			continue
		}
		files[packageName(c)] = src
	}
	if out, err := compile(t, files); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestGoThatDoesNotCompileIsReported(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ text, want string }{
		{"kv.Putt(ctx, nil, nil)\n", "kv.Putt undefined"},
		{"x := nothingKnown\n", "undefined: nothingKnown"},
		{"func TestX(t *testing.T) {\n\tkvstoretest.News(t)\n}\n", "undefined: kvstoretest.News"},
		{"err = kv.Sync()\n", "not enough arguments"},
	} {
		c := doctext.Code{File: "docs/a.md", Line: 3, Lang: "go", Text: tc.text}
		src, err := program(c)
		if err != nil {
			t.Fatal(err)
		}
		out, err := compile(t, map[string]string{packageName(c): src})
		if err == nil || !strings.Contains(out, tc.want) || !strings.Contains(out, "a.md:") {
			t.Errorf("compile(%q) = %v, %q; want %q and its line", tc.text, err, out, tc.want)
		}
	}
}

// packageName names the package of a piece after where it stands.
func packageName(c doctext.Code) string {
	word := regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(c.File), "_")
	return fmt.Sprintf("%s_%d", word, c.Line)
}

// program makes a file of Go from a piece. Its lines keep their numbers in the
// compiler's messages.
func program(c doctext.Code) (string, error) {
	body := regexp.MustCompile(`(?m)^\s*\.\.\.$`).ReplaceAllString(c.Text, "")
	line := fmt.Sprintf("//line %s:%d\n", filepath.Base(c.File), c.Line)
	if strings.HasPrefix(body, "package ") {
		return line + body, nil
	}
	const head = "package p\n"
	set := token.NewFileSet()
	inFile, err := parser.ParseFile(set, "", head+body, 0)
	if err == nil {
		return head + given(inFile) + line + body, nil
	}
	inFunc, err := parser.ParseFile(set, "", head+"func _() error {\n"+body+"\nreturn nil\n}", 0)
	if err != nil {
		return "", err
	}
	var used strings.Builder
	for _, name := range assigned(inFunc) {
		used.WriteString("_ = " + name + "\n")
	}
	return head + given(inFunc) + "func _() error {\n" + line + body + used.String() + "return nil\n}\n", nil
}

// given returns the imports and the stand-ins for the names that a file uses and
// does not declare.
func given(f *ast.File) string {
	need := map[string]bool{}
	for _, id := range f.Unresolved {
		need[id.Name] = true
	}
	var declares strings.Builder
	for name, decl := range standIns {
		if need[name] {
			declares.WriteString(decl + "\n")
			for _, m := range regexp.MustCompile(`(\w+)\.`).FindAllStringSubmatch(decl, -1) {
				need[m[1]] = true
			}
		}
	}
	// Errors that a fragment only passes on.
	if need["err"] {
		declares.WriteString("var err error\n")
	}
	var paths strings.Builder
	for name, path := range imports {
		if need[name] {
			fmt.Fprintf(&paths, "import %q\n", path)
		}
	}
	return paths.String() + declares.String()
}

// assigned returns the names that the only function of a file declares at its
// top level.
func assigned(f *ast.File) []string {
	var names []string
	for _, s := range f.Decls[len(f.Decls)-1].(*ast.FuncDecl).Body.List {
		a, ok := s.(*ast.AssignStmt)
		if !ok || a.Tok != token.DEFINE {
			continue
		}
		for _, left := range a.Lhs {
			if id, ok := left.(*ast.Ident); ok && id.Name != "_" && !slices.Contains(names, id.Name) {
				names = append(names, id.Name)
			}
		}
	}
	return names
}

// compile compiles packages that lie in this directory for the go command only,
// which takes them from an overlay, and returns what it printed.
func compile(t *testing.T, files map[string]string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	args := []string{"build", "-o", os.DevNull, "-overlay", filepath.Join(dir, "overlay.json")}
	for name, src := range files {
		file := filepath.Join(dir, name+".go")
		if err := os.WriteFile(file, []byte(src), 0o666); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[filepath.Join(here, name, "p.go")] = file
		args = append(args, "./"+name)
	}
	data, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), data, 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", args...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
