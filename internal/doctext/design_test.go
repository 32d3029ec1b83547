package doctext_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// protocol are the packages that the design speaks of by the names of their code.
var protocol = []string{
	"kvstore", "kvstore/memory", "kvstore/memory/internal/item", "kvstore/memory/internal/chunk", "kvstore/memory/internal/undo", "kvstore/memory/internal/filling", "kvstore/memory/internal/index", "kvstore/memory/internal/order",
	"kvstore/internal/position", "sim", "linearizability",
}

// The design and the pages beside it speak of types, fields and functions that are not
// exported, which move and get other names.
func TestNamesOfCodeInTheDesignExist(t *testing.T) {
	t.Parallel()
	declared := map[string]bool{}
	for _, dir := range protocol {
		declareAll(t, dir, declared)
	}
	member := regexp.MustCompile(`^([a-z]\w*)\.([A-Za-z]\w*)$`)
	camel := regexp.MustCompile(`^[a-z]+[A-Z]\w*$`)
	foreign := []string{"kgo", "sync", "runtime", "testing", "cleanup", "segment"} // packages, and settings of Kafka
	found := 0
	for _, c := range documentation(t) {
		if !c.Inline || c.File != design && c.File != "docs/simulator-limits.md" && !strings.HasPrefix(c.File, "docs/adr/") {
			continue
		}
		switch m := member.FindStringSubmatch(c.Text); {
		case m == nil && !camel.MatchString(c.Text), m != nil && slices.Contains(foreign, m[1]), m != nil && packages[m[1]] != "":
		case strings.HasSuffix(c.Text, ".go"), strings.Contains(c.Text, ".md"):
		default:
			found++
			// A client has one `tracker`, whose type a leaf package exports.
			if !declared[c.Text] && !declared[strings.ToUpper(c.Text[:1])+c.Text[1:]] {
				t.Errorf("%s: no package of %v has `%s`", c.At(), protocol, c.Text)
			}
		}
	}
	needed(t, "members and functions", found, 25)
}

// declareAll adds what a package declares, exported or not: names of its top level, and
// fields and methods behind the name of their type.
func declareAll(t *testing.T, dir string, names map[string]bool) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, dir, e.Name()), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			for _, n := range declared(d) {
				names[n] = true
			}
			addMembers(d, names)
		}
	}
}

func addMembers(d ast.Decl, names map[string]bool) {
	if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv != nil {
		of := fn.Recv.List[0].Type
		if p, ok := of.(*ast.StarExpr); ok {
			of = p.X
		}
		if id, ok := of.(*ast.Ident); ok {
			names[id.Name+"."+fn.Name.Name] = true
		}
		return
	}
	gen, ok := d.(*ast.GenDecl)
	if !ok {
		return
	}
	for _, s := range gen.Specs {
		spec, ok := s.(*ast.TypeSpec)
		if !ok {
			continue
		}
		if fields, ok := spec.Type.(*ast.StructType); ok {
			for _, f := range fields.Fields.List {
				for _, n := range f.Names {
					names[spec.Name.Name+"."+n.Name] = true
				}
			}
		}
	}
}
