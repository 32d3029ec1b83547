package mutation

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"math/big"
	"slices"
	"strings"
)

// condition makes mutants of a condition: it is negated, or each operand of its && and ||.
func (f *finder) condition(e ast.Expr) {
	inner := ast.Unparen(e)
	if b, ok := inner.(*ast.BinaryExpr); ok && (b.Op == token.LAND || b.Op == token.LOR) && !f.constant(b) {
		f.condition(b.X)
		f.condition(b.Y)
		return
	}
	if f.seen[inner] || f.constant(inner) {
		return
	}
	f.seen[inner] = true
	m := f.add(Condition, inner, f.of(inner), negated(f, inner))
	f.wrap(m, inner, "((", ") != kvsimmutant.On(%d))")
	m.edits = []edit{{inner.Pos(), inner.End(), "!(" + f.of(inner) + ")"}}
}

// negated returns a negated condition as people would write it.
func negated(f *finder, e ast.Expr) string {
	opposite := map[token.Token]string{
		token.EQL: "!=", token.NEQ: "==", token.LSS: ">=", token.LEQ: ">", token.GTR: "<=", token.GEQ: "<",
	}
	switch e := e.(type) {
	case *ast.BinaryExpr:
		if op, ok := opposite[e.Op]; ok {
			return f.of(e.X) + " " + op + " " + f.of(e.Y)
		}
	case *ast.UnaryExpr:
		if e.Op == token.NOT {
			return f.of(e.X)
		}
	case *ast.Ident, *ast.SelectorExpr, *ast.CallExpr, *ast.IndexExpr:
		return "!" + f.of(e)
	}
	return "!(" + f.of(e) + ")"
}

// moved has the comparisons with a bound: how each is written when the bound is moved by one,
// and the function that weaves that in.
var moved = map[token.Token]struct{ op, fun string }{
	token.LSS: {"<=", "Less"}, token.LEQ: {"<", "AtMost"}, token.GTR: {">=", "More"}, token.GEQ: {">", "AtLeast"},
}

// binary makes mutants of a comparison, and of && and ||.
func (f *finder) binary(b *ast.BinaryExpr) {
	if f.constant(b) {
		return
	}
	operator := edit{b.OpPos, b.OpPos + token.Pos(len(b.Op.String())), ""}
	switch b.Op {
	case token.LAND, token.LOR:
		f.condition(b)
		other := token.LAND
		if b.Op == token.LAND {
			other = token.LOR
		}
		m := f.add(Logic, b, f.of(b), f.of(b.X)+" "+other.String()+" "+f.of(b.Y))
		// !(!a && !b) is a || b, and evaluates b when a || b does.
		const before, behind = "((", ") != kvsimmutant.On(%d))"
		f.wrap(m, b, before, behind)
		f.wrap(m, b.X, before, behind)
		f.wrap(m, b.Y, before, behind)
		operator.text = other.String()
		m.edits = []edit{
			{b.X.Pos(), b.X.End(), "(" + f.of(b.X) + ")"},
			operator,
			{b.Y.Pos(), b.Y.End(), "(" + f.of(b.Y) + ")"},
		}
	case token.EQL, token.NEQ:
		f.condition(b)
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		f.condition(b)
		basic, ok := f.pkg.info.Types[b.X].Type.Underlying().(*types.Basic)
		if !ok || basic.Info()&types.IsNumeric == 0 {
			return
		}
		to := moved[b.Op]
		m := f.add(Bound, b, f.of(b), f.of(b.X)+" "+to.op+" "+f.of(b.Y))
		f.wrap(m, b, "kvsimmutant."+to.fun+"(%d, ", ")")
		m.swaps = []edit{{operator.from, operator.to, ","}}
		operator.text = to.op
		m.edits = []edit{operator}
	}
}

// constants are the named constants of a package that have mutants.
type constants struct {
	iota  map[*types.Const]bool
	named map[*types.Const]*Mutant
}

// enumerations returns the constants of declarations that count. Only that they differ
// matters, and adding one to each changes nothing, or makes two of them equal.
func enumerations(p *Package) map[*types.Const]bool {
	found := map[*types.Const]bool{}
	for _, f := range p.syntax {
		ast.Inspect(f, func(n ast.Node) bool {
			d, ok := n.(*ast.GenDecl)
			if !ok || d.Tok != token.CONST {
				return true
			}
			counts := false
			var names []*ast.Ident
			ast.Inspect(d, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok {
					counts = counts || id.Name == "iota"
					names = append(names, id)
				}
				return true
			})
			for _, id := range names {
				if c, ok := p.info.Defs[id].(*types.Const); ok && counts {
					found[c] = true
				}
			}
			return true
		})
	}
	return found
}

// literal makes the mutant of a number.
func (f *finder) literal(lit *ast.BasicLit) {
	if lit.Kind != token.INT && lit.Kind != token.CHAR && lit.Kind != token.FLOAT {
		return
	}
	to := lit.Value + "+1"
	if n, ok := new(big.Int).SetString(lit.Value, 0); ok && !strings.HasPrefix(lit.Value, "0x") {
		to = n.Add(n, big.NewInt(1)).String()
	}
	f.more(f.onLine(lit, to), lit)
}

// onLine makes the mutant of a piece of a line. The line is its source, for the piece says
// little by itself.
func (f *finder) onLine(n ast.Node, to string) *Mutant {
	line := f.file.Line(n.Pos())
	start, end := f.file.LineStart(line), token.Pos(f.file.Base()+f.file.Size())
	if line < f.file.LineCount() {
		end = f.file.LineStart(line + 1)
	}
	return f.add(Constant, n, f.between(start, end), f.between(start, n.Pos())+to+f.between(n.End(), end))
}

// more weaves in that one is added to a number.
func (f *finder) more(m *Mutant, e ast.Expr) {
	name := f.typeName(f.pkg.info.TypeOf(e))
	if known, ok := f.final[e]; ok {
		name = known
	}
	f.wrap(m, e, "kvsimmutant.Add["+cmp.Or(name, "unnamed")+"](%d, ", ")")
	m.edits = append(m.edits, edit{e.Pos(), e.End(), "(" + f.of(e) + " + 1)"})
}

// finally notes what type numbers get in the end that have none by themselves: that of the
// largest constant expression around them. What a shift shifts by has a type of its own.
func (f *finder) finally(e ast.Expr) {
	if f.constant(e) {
		name := f.typeName(f.pkg.info.TypeOf(e))
		ast.Inspect(e, func(n ast.Node) bool {
			if leaf, ok := n.(ast.Expr); ok && name != "" && f.typeName(f.pkg.info.TypeOf(leaf)) == "" {
				if _, ok := f.final[leaf]; !ok {
					f.final[leaf] = name
				}
			}
			return true
		})
	}
	if b, ok := e.(*ast.BinaryExpr); ok && (b.Op == token.SHL || b.Op == token.SHR) && f.constant(b.Y) {
		ast.Inspect(b.Y, func(n ast.Node) bool {
			if leaf, ok := n.(ast.Expr); ok {
				f.final[leaf] = "uint"
			}
			return true
		})
	}
}

// named makes the mutant of a boolean, or a part of the mutant of a named constant.
func (f *finder) named(id *ast.Ident) {
	obj, ok := f.pkg.info.Uses[id].(*types.Const)
	if !ok {
		return
	}
	basic, ok := obj.Type().Underlying().(*types.Basic)
	if !ok {
		return
	}
	if obj.Pkg() == nil && basic.Info()&types.IsBoolean != 0 {
		is, not := "false", "!"
		if id.Name == "false" {
			is, not = "true", ""
		}
		m := f.onLine(id, is)
		m.swaps = []edit{{id.Pos(), id.End(), not + "kvsimmutant.On(%d)"}}
		m.edits = []edit{{id.Pos(), id.End(), is}}
		return
	}
	if obj.Pkg() != f.pkg.types || f.constants.iota[obj] || basic.Info()&(types.IsInteger|types.IsFloat) == 0 {
		return
	}
	m := f.constants.named[obj]
	if m == nil {
		fun := f.fun
		f.fun = ""
		m = f.add(Constant, id, "const "+id.Name, id.Name+" + 1")
		f.fun = fun
		f.constants.named[obj] = m
	}
	f.more(m, id)
}

// copied makes the mutant of a call that copies its argument.
func (f *finder) copied(call *ast.CallExpr) {
	obj := f.callee(call)
	if obj == nil {
		return
	}
	source := f.of(call)
	in := ""
	if obj.Pkg() != nil {
		in = obj.Pkg().Path()
	}
	fun, isFunc := obj.(*types.Func)
	switch {
	case obj.Name() == "Clone" && slices.Contains([]string{"bytes", "slices", "maps", "strings"}, in) && len(call.Args) == 1:
		m := f.add(Copy, call, source, f.of(call.Args[0]))
		f.wrap(m, call.Fun, "kvsimmutant.Skip(%d, ", "")
		m.swaps = []edit{{call.Lparen, call.Lparen + 1, ", "}}
		m.edits = []edit{{call.Pos(), call.End(), "(" + f.of(call.Args[0]) + ")"}}
	case in == "" && obj.Name() == "append" && len(call.Args) == 2 && call.Ellipsis.IsValid() && f.empty(call.Args[0]):
		m := f.add(Copy, call, source, f.of(call.Args[1]))
		m.swaps = []edit{{call.Fun.Pos(), call.Lparen + 1, "kvsimmutant.Append(%d, "}}
		m.edits = []edit{{call.Pos(), call.End(), "(" + f.of(call.Args[1]) + ")"}}
	case isFunc && len(call.Args) == 0 && strings.EqualFold(strings.TrimPrefix(fun.Name(), "copyOf"), "clone"):
		f.cloned(call)
	}
}

// empty reports whether an expression is an empty slice: []byte(nil) or []byte{}.
func (f *finder) empty(e ast.Expr) bool {
	switch e := ast.Unparen(e).(type) {
	case *ast.CompositeLit:
		return len(e.Elts) == 0
	case *ast.CallExpr:
		return len(e.Args) == 1 && f.pkg.info.Types[e.Args[0]].IsNil()
	}
	return false
}

// cloned makes the mutant of a method clone that returns the type of its receiver.
func (f *finder) cloned(call *ast.CallExpr) {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return
	}
	t := f.pkg.info.TypeOf(sel.X)
	name := f.typeName(t)
	if name == "" || !types.Identical(t, f.pkg.info.TypeOf(call)) {
		return
	}
	m := f.add(Copy, call, f.of(call), f.of(sel.X))
	f.wrap(m, sel.X, fmt.Sprintf("kvsimmutant.Skip(%%d, func(v %s) %s { return v.%s() }, ", name, name, sel.Sel.Name), ")")
	m.swaps = []edit{{sel.X.End(), call.End(), ""}}
	m.edits = []edit{{call.Pos(), call.End(), "(" + f.of(sel.X) + ")"}}
}
