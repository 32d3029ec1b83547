package sim_test

import (
	"bytes"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const storePath = "github.com/kvsim/kvsim/kvstore"

// notInWorlds is what the store exports and no world calls, with the reason.
var notInWorlds = map[string]string{
	"JSON":                          serdeReason,
	"JSONSerde.Serialize":           serdeReason,
	"JSONSerde.Deserialize":         serdeReason,
	"Proto":                         serdeReason,
	"ProtoSerde.Serialize":          serdeReason,
	"ProtoSerde.Deserialize":        serdeReason,
	"WithMessageName":               serdeReason,
	"WithSchemaReferences":          serdeReason,
	"WithSchemaID":                  serdeReason,
	"NewSchemaRegistrySerde":        serdeReason,
	"WithSchemaRegistry":            serdeReason,
	"WithSchemaLookup":              serdeReason,
	"WithNegativeCacheTTL":          serdeReason,
	"WithRegistryTimeout":           serdeReason,
	"WithRegistryContext":           serdeReason,
	"KeyConstraint.Contains":        "it compares bytes, for storages; its tests compare it with Range",
	"State.String":                  "fmt calls it when a judge says which state a client is in",
	"ProtoSerde.DeserializeContext": serdeReason,
}

const serdeReason = "a serde turns values into bytes and knows no client: worlds have one of their own, and the tests and fuzz targets of kvstore, which have a Schema Registry, cover those of the store"

// TestWorldsUseEverythingThatTheStoreExports compares the functions and methods that package kvstore
// exports with those that package sim calls.
func TestWorldsUseEverythingThatTheStoreExports(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles what the simulator imports; left out with -short")
	}
	store, used := callsOfWorlds(t)
	exported := exportedCalls(store)
	if len(exported) < 60 {
		t.Fatalf("the store exports %q, want more", exported)
	}
	for _, name := range exported {
		reason, excused := notInWorlds[name]
		switch {
		case !used[name] && !excused:
			t.Errorf("no world calls kvstore's %s: give it a form in sim/forms.go, or in sim/variant.go if it is an option, or say in notInWorlds why not", name)
		case used[name] && excused:
			t.Errorf("worlds call kvstore's %s, and notInWorlds says that they don't because %s", name, reason)
		}
	}
	for name := range notInWorlds {
		if !slices.Contains(exported, name) {
			t.Errorf("notInWorlds has %s, which the store does not export", name)
		}
	}
}

// callsOfWorlds returns package kvstore, and which of its functions and methods package sim uses.
func callsOfWorlds(t *testing.T) (store *types.Package, used map[string]bool) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	exports := map[string]string{}
	for line := range bytes.Lines(out) {
		path, file, _ := strings.Cut(strings.TrimSpace(string(line)), "\t")
		exports[path] = file
	}
	dir, err := build.ImportDir(".", 0)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range dir.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(".", name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })}
	pkg, err := conf.Check("github.com/kvsim/kvsim/sim", fset, files, info)
	if err != nil {
		t.Fatal(err)
	}
	used = map[string]bool{}
	for _, o := range info.Uses {
		if f, ok := o.(*types.Func); ok && f.Pkg() != nil && f.Pkg().Path() == storePath {
			used[callName(f)] = true
		}
	}
	for _, p := range pkg.Imports() {
		if p.Path() == storePath {
			return p, used
		}
	}
	t.Fatal("package sim does not import kvstore")
	return nil, nil
}

// callName returns the name of a function, behind that of its receiver if it has one.
func callName(f *types.Func) string {
	recv := f.Signature().Recv()
	if recv == nil {
		return f.Name()
	}
	of := recv.Type()
	if p, ok := of.(*types.Pointer); ok {
		of = p.Elem()
	}
	if named, ok := of.(*types.Named); ok {
		return named.Obj().Name() + "." + f.Name()
	}
	return f.Name()
}

// exportedCalls returns the functions that a package exports, and the methods of its types, but not
// those of errors, and not those of interfaces, which callers implement.
func exportedCalls(pkg *types.Package) (names []string) {
	failure := types.Universe.Lookup("error").Type().Underlying().(*types.Interface)
	for _, name := range pkg.Scope().Names() {
		switch o := pkg.Scope().Lookup(name).(type) {
		case *types.Func:
			if o.Exported() {
				names = append(names, name)
			}
		case *types.TypeName:
			named, ok := o.Type().(*types.Named)
			if !ok || !o.Exported() || types.IsInterface(named) || types.Implements(types.NewPointer(named), failure) {
				continue
			}
			for m := range named.Methods() {
				if m.Exported() {
					names = append(names, callName(m))
				}
			}
		}
	}
	return names
}
