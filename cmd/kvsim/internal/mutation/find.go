package mutation

import (
	"cmp"
	"go/ast"
	"go/token"
	"go/types"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Find returns the mutants of all packages, in the order of the source. What checks the source
// while it runs is left as it is: blocks below a constant condition, and functions that call
// Check of a package internal/invariant.
func (s *Source) Find() []*Mutant {
	var all []*Mutant
	for _, p := range s.Packages {
		constants := &constants{iota: enumerations(p), named: map[*types.Const]*Mutant{}}
		var found []*Mutant
		for _, f := range p.syntax {
			name := s.files.Position(f.Package).Filename
			fd := &finder{
				source: s, pkg: p, text: p.text[name], file: s.files.File(f.Package), constants: constants,
				name: s.relative(name), imports: importNames(f), seen: map[ast.Expr]bool{}, final: map[ast.Expr]string{},
			}
			for _, d := range f.Decls {
				fd.declaration(d)
			}
			found = append(found, fd.found...)
		}
		number(found)
		all = append(all, found...)
	}
	return all
}

// number tells apart mutants of a function that are equal except for their place.
func number(found []*Mutant) {
	slices.SortStableFunc(found, func(a, b *Mutant) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	count := map[string]int{}
	for _, m := range found {
		m.Nth = 1
		key := m.Key()
		count[key]++
		m.Nth = count[key]
	}
}

// A finder finds the mutants of a file.
type finder struct {
	source    *Source
	pkg       *Package
	file      *token.File
	name      string
	text      []byte
	imports   map[string]string // the name in this file of each import path
	constants *constants

	found []*Mutant
	order int // of the next wrap
	// Of the declaration that is looked at:
	fun   string
	locks map[string]*Mutant
	seen  map[ast.Expr]bool   // conditions that have their mutant
	final map[ast.Expr]string // types of numbers
	// results are those of the functions around, the innermost last.
	results []*ast.FuncType
}

// add adds a mutant that changes a piece of source.
func (f *finder) add(rule Rule, at ast.Node, from, to string) *Mutant {
	m := &Mutant{
		Package: f.pkg.Path, File: f.name, Line: f.file.Line(at.Pos()),
		Func: f.fun, Rule: rule, From: short(from), To: short(to),
	}
	f.found = append(f.found, m)
	return m
}

// wrap weaves a mutant in around a piece of source. A wrap that is added later is inside of
// one around the same piece.
func (f *finder) wrap(m *Mutant, n ast.Node, before, behind string) {
	m.wraps = append(m.wraps, f.around(n, before, behind))
}

func (f *finder) around(n ast.Node, before, behind string) wrap {
	f.order++
	return wrap{from: n.Pos(), to: n.End(), open: before, close: behind, order: f.order}
}

// of returns the source of a node.
func (f *finder) of(n ast.Node) string { return f.between(n.Pos(), n.End()) }

func (f *finder) between(from, to token.Pos) string {
	return string(f.text[f.file.Offset(from):f.file.Offset(to)])
}

func (f *finder) declaration(d ast.Decl) {
	f.fun, f.locks = "", map[string]*Mutant{}
	if fn, ok := d.(*ast.FuncDecl); ok {
		if fn.Body == nil || f.checks(fn) {
			return
		}
		f.fun = fn.Name.Name
		if fn.Recv != nil && len(fn.Recv.List) == 1 {
			f.fun = "(" + f.of(fn.Recv.List[0].Type) + ")." + f.fun
		}
		f.locks = f.findLocks(fn.Body)
	}
	ast.Walk(f, d)
}

// checks reports whether a function checks invariants.
func (f *finder) checks(fn *ast.FuncDecl) bool {
	found := false
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			obj := f.callee(call)
			found = found || obj != nil && obj.Name() == "Check" && ofInvariants(obj)
		}
		return !found
	})
	return found
}

func ofInvariants(obj types.Object) bool {
	return obj.Pkg() != nil && strings.HasSuffix(obj.Pkg().Path(), "internal/invariant")
}

// callee returns what a call calls, or nil.
func (f *finder) callee(call *ast.CallExpr) types.Object {
	switch fun := ast.Unparen(call.Fun).(type) {
	case *ast.Ident:
		return f.pkg.info.Uses[fun]
	case *ast.SelectorExpr:
		return f.pkg.info.Uses[fun.Sel]
	}
	return nil
}

// constant reports whether the compiler knows an expression's value.
func (f *finder) constant(e ast.Expr) bool { return f.pkg.info.Types[e].Value != nil }

// Visit makes the mutants of a node.
func (f *finder) Visit(n ast.Node) ast.Visitor {
	if e, ok := n.(ast.Expr); ok {
		f.finally(e)
	}
	switch n := n.(type) {
	case *ast.FuncDecl:
		return f.inside(n.Type)
	case *ast.FuncLit:
		return f.inside(n.Type)
	case *ast.GenDecl:
		if n.Tok != token.VAR {
			return nil
		}
	case *ast.ArrayType, *ast.StructType, *ast.InterfaceType:
		return nil
	case *ast.IfStmt:
		if f.constant(n.Cond) {
			return nil
		}
		f.condition(n.Cond)
	case *ast.ForStmt:
		if n.Cond != nil {
			f.condition(n.Cond)
		}
	case *ast.SwitchStmt:
		f.switchArms(n)
	case *ast.TypeSwitchStmt:
		f.typeArms(n)
	case *ast.BlockStmt:
		f.statements(n.List)
	case *ast.CaseClause:
		f.statements(n.Body)
	case *ast.CommClause:
		f.selectArm(n)
		f.statements(n.Body)
	case *ast.ReturnStmt:
		f.returned(n)
	case *ast.CallExpr:
		f.copied(n)
	case *ast.BinaryExpr:
		f.binary(n)
	case *ast.BasicLit:
		f.literal(n)
	case *ast.Ident:
		f.named(n)
	}
	return f
}

// inside returns the finder for the body of a function.
func (f *finder) inside(t *ast.FuncType) ast.Visitor {
	return &within{finder: f, results: append(slices.Clone(f.results), t)}
}

// within looks through a function.
type within struct {
	*finder
	results []*ast.FuncType
}

// Visit is finder.Visit with the results of this function.
func (w *within) Visit(n ast.Node) ast.Visitor {
	outer := w.finder.results
	w.finder.results = w.results
	next := w.finder.Visit(n)
	w.finder.results = outer
	if next == w.finder {
		return w
	}
	return next
}

// importNames returns the name by which a file knows each package that it imports.
func importNames(f *ast.File) map[string]string {
	names := map[string]string{}
	for _, imp := range f.Imports {
		where, err := strconv.Unquote(imp.Path.Value)
		switch {
		case err != nil:
		case imp.Name != nil:
			names[where] = imp.Name.Name
		default:
			names[where] = path.Base(where)
		}
	}
	return names
}

// typeName returns how the file writes a type, or "" if it cannot.
func (f *finder) typeName(t types.Type) string {
	if basic, ok := t.(*types.Basic); ok && basic.Info()&types.IsUntyped != 0 {
		return ""
	}
	known := true
	text := types.TypeString(t, func(p *types.Package) string {
		if p == f.pkg.types {
			return ""
		}
		name, ok := f.imports[p.Path()]
		known = known && ok && name != "_"
		return name
	})
	if !known {
		return ""
	}
	return text
}
