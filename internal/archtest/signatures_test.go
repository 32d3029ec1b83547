package archtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestPublicSignaturesNameNoInternalType holds that whoever can import a package
// can also write down the types of all that it exports.
func TestPublicSignaturesNameNoInternalType(t *testing.T) {
	if runtime.GOOS == "wasip1" || runtime.GOOS == "js" {
		t.Skipf("%s cannot run the go command", runtime.GOOS)
	}
	t.Parallel()
	root := moduleRoot(t)
	readTree(t, root)
	exports := compiled(t, root)
	imp := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	seen := 0
	for path := range exports {
		if !under(module, path) || isInternal(path) || under(module+"/cmd", path) {
			continue
		}
		pkg, err := imp.Import(path)
		if err != nil {
			t.Fatal(err)
		}
		seen++
		for _, v := range unnameable(pkg) {
			t.Error(v)
		}
	}
	if seen < 5 {
		t.Errorf("%d public packages were looked at, want those of the module", seen)
	}
}

// TestInternalTypeInASignatureIsReported shows that the check can fail, wherever
// the type stands.
func TestInternalTypeInASignatureIsReported(t *testing.T) {
	t.Parallel()
	hidden := types.NewPackage(module+"/internal/hidden", "hidden")
	secret := types.NewNamed(types.NewTypeName(token.NoPos, hidden, "Secret", nil), types.Typ[types.Int], nil)
	pkg := types.NewPackage(module+"/open", "open")
	field := func(name string, typ types.Type) *types.Var {
		return types.NewField(token.NoPos, pkg, name, typ, false)
	}
	named := func(name string, typ types.Type) *types.Named {
		return types.NewNamed(types.NewTypeName(token.NoPos, pkg, name, nil), typ, nil)
	}
	taking := func(typ types.Type) *types.Signature {
		return types.NewSignatureType(nil, nil, nil, types.NewTuple(types.NewParam(token.NoPos, pkg, "x", typ)), nil, false)
	}
	between := named("between", types.NewStruct([]*types.Var{field("S", secret)}, nil))
	method := named("M", types.Typ[types.Int])
	method.AddMethod(types.NewFunc(token.NoPos, pkg, "Do", types.NewSignatureType(types.NewParam(token.NoPos, pkg, "", method), nil, nil, nil,
		types.NewTuple(types.NewParam(token.NoPos, pkg, "", types.NewSlice(secret))), false)))
	for name, o := range map[string]types.Object{
		"a parameter":           types.NewFunc(token.NoPos, pkg, "X", taking(types.NewPointer(secret))),
		"a parameter's own":     types.NewFunc(token.NoPos, pkg, "X", taking(taking(secret))),
		"a variable":            types.NewVar(token.NoPos, pkg, "X", types.NewMap(types.Typ[types.Int], secret)),
		"a field":               named("X", types.NewStruct([]*types.Var{field("S", types.NewChan(types.SendRecv, secret))}, nil)).Obj(),
		"a method's result":     method.Obj(),
		"an interface's method": named("X", types.NewInterfaceType([]*types.Func{types.NewFunc(token.NoPos, pkg, "Do", taking(secret))}, nil)).Obj(),
		"what an alias names":   types.NewTypeName(token.NoPos, pkg, "X", secret),
		"an unexported type":    types.NewVar(token.NoPos, pkg, "X", between),
	} {
		p := types.NewPackage(module+"/open", "open")
		p.Scope().Insert(o)
		if got := unnameable(p); len(got) != 1 || !strings.Contains(got[0], "hidden.Secret") {
			t.Errorf("unnameable, where the type is that of %s = %q, want it", name, got)
		}
	}
	unseen := types.NewPackage(module+"/open", "open")
	unseen.Scope().Insert(named("X", types.NewStruct([]*types.Var{field("s", secret)}, nil)).Obj())
	unseen.Scope().Insert(types.NewVar(token.NoPos, pkg, "x", secret))
	if got := unnameable(unseen); len(got) > 0 {
		t.Errorf("unnameable of what is not exported = %q, want none", got)
	}
}

// compiled returns the files with the export data of the module's packages and of
// all that they link, by import path.
func compiled(t *testing.T, root string) map[string]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-json=ImportPath,Export", "./...")
	cmd.Dir = root
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v in %s: %v\n%s", cmd.Args, root, err, stderr.String())
	}
	exports := map[string]string{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct{ ImportPath, Export string }
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return exports
		} else if err != nil {
			t.Fatalf("decode what go list printed: %v", err)
		}
		exports[p.ImportPath] = p.Export
	}
}

// unnameable returns a sentence for each internal type that an exported
// declaration of pkg shows, sorted.
func unnameable(pkg *types.Package) []string {
	var out []string
	for _, name := range pkg.Scope().Names() {
		o := pkg.Scope().Lookup(name)
		if !o.Exported() {
			continue
		}
		w := &signature{pkg: pkg, of: o.Name(), seen: map[types.Type]bool{}}
		w.walk(o.Type())
		for _, typ := range w.found {
			out = append(out, fmt.Sprintf("%s.%s shows %s, which nobody else can name", pkg.Path(), name, typ))
		}
	}
	slices.Sort(out)
	return out
}

// A signature walks through the types that one declaration shows.
type signature struct {
	pkg   *types.Package
	of    string // what is declared
	seen  map[types.Type]bool
	found []string
}

func (w *signature) walk(typ types.Type) {
	if w.seen[typ] {
		return
	}
	w.seen[typ] = true
	switch x := typ.(type) {
	case *types.Alias:
		w.walk(x.Rhs())
	case *types.Named:
		w.named(x)
	case *types.Signature:
		w.walk(x.Params())
		w.walk(x.Results())
		for p := range x.TypeParams().TypeParams() {
			w.walk(p.Constraint())
		}
	case *types.Tuple:
		for v := range x.Variables() {
			w.walk(v.Type())
		}
	case *types.Struct:
		for f := range x.Fields() {
			if f.Exported() || f.Embedded() {
				w.walk(f.Type())
			}
		}
	case *types.Interface:
		for m := range x.ExplicitMethods() {
			if m.Exported() {
				w.walk(m.Type())
			}
		}
		for e := range x.EmbeddedTypes() {
			w.walk(e)
		}
	case *types.Union:
		for term := range x.Terms() {
			w.walk(term.Type())
		}
	case *types.Map:
		w.walk(x.Key())
		w.walk(x.Elem())
	case interface{ Elem() types.Type }: // a pointer, a slice, an array, a channel
		w.walk(x.Elem())
	}
}

// named notes an internal type, and walks through one of the package itself if
// that is what is declared, or not exported: the others are looked at by
// themselves.
func (w *signature) named(x *types.Named) {
	for a := range x.TypeArgs().Types() {
		w.walk(a)
	}
	pkg := x.Obj().Pkg()
	switch {
	case pkg == nil: // error, comparable
	case under(module, pkg.Path()) && isInternal(pkg.Path()):
		w.found = append(w.found, types.TypeString(x, (*types.Package).Name))
	case pkg.Path() == w.pkg.Path() && (x.Obj().Name() == w.of || !x.Obj().Exported()):
		w.walk(x.Underlying())
		for m := range x.Methods() {
			if m.Exported() {
				w.walk(m.Type())
			}
		}
		for p := range x.TypeParams().TypeParams() {
			w.walk(p.Constraint())
		}
	}
}

// isInternal reports whether a package is below an internal directory.
func isInternal(path string) bool { return slices.Contains(strings.Split(path, "/"), "internal") }
