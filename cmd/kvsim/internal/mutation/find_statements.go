package mutation

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// leftOut is what a statement becomes that is left out.
const leftOut = "(left out)"

// statements makes the mutants of the statements of a block.
func (f *finder) statements(list []ast.Stmt) {
	for i, s := range list {
		switch s := s.(type) {
		case *ast.ExprStmt:
			f.expression(s, i == len(list)-1)
		case *ast.GoStmt, *ast.SendStmt:
			f.leaveOut(Call, s)
		case *ast.DeferStmt:
			if f.lock(s, s.Call) == nil {
				f.leaveOut(Call, s)
			}
		case *ast.AssignStmt:
			if s.Tok != token.DEFINE && !blank(s) {
				f.leaveOut(Assign, s)
			}
		case *ast.IncDecStmt:
			f.leaveOut(Assign, s)
		}
	}
}

// blank reports whether an assignment assigns to nothing.
func blank(s *ast.AssignStmt) bool {
	for _, e := range s.Lhs {
		if id, ok := e.(*ast.Ident); !ok || id.Name != "_" {
			return false
		}
	}
	return true
}

// leaveOut makes the mutant without a statement.
func (f *finder) leaveOut(rule Rule, s ast.Stmt) {
	f.without(f.add(rule, s, f.of(s), leftOut), s)
}

// without weaves it in that a statement is left out.
func (f *finder) without(m *Mutant, s ast.Stmt) {
	f.wrap(m, s, "if !kvsimmutant.On(%d) { ", " }")
	m.edits = append(m.edits, edit{s.Pos(), s.End(), "if false { " + f.of(s) + " }"})
}

// expression makes the mutant of a call or a receive. Without a panic at the end of a block,
// the function might lack its end.
func (f *finder) expression(s *ast.ExprStmt, last bool) {
	switch e := ast.Unparen(s.X).(type) {
	case *ast.UnaryExpr:
		f.leaveOut(Wait, s)
	case *ast.CallExpr:
		obj := f.callee(e)
		switch {
		case f.lock(s, e) != nil:
		case obj == nil:
			f.leaveOut(Call, s)
		case ofInvariants(obj):
		case obj.Pkg() == nil && obj.Name() == "panic" && last:
		case obj.Pkg() == nil && obj.Name() == "copy":
			f.leaveOut(Copy, s)
		case strings.HasPrefix(strings.ToLower(obj.Name()), "wait"), obj.Name() == "Sleep":
			f.leaveOut(Wait, s)
		default:
			f.leaveOut(Call, s)
		}
	}
}

// lockName returns what identifies a lock in a function, or "" for another call.
func (f *finder) lockName(call *ast.CallExpr) string {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	obj := f.callee(call)
	if !ok || obj == nil || obj.Pkg() == nil || obj.Pkg().Path() != "sync" {
		return ""
	}
	switch obj.Name() {
	case "Lock", "Unlock":
		return f.of(sel.X) + ".Lock"
	case "RLock", "RUnlock":
		return f.of(sel.X) + ".RLock"
	}
	return ""
}

// findLocks makes a mutant for each lock of a function that takes it.
func (f *finder) findLocks(body *ast.BlockStmt) map[string]*Mutant {
	locks := map[string]*Mutant{}
	ast.Inspect(body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if name := f.lockName(call); name != "" && locks[name] == nil {
			locks[name] = f.add(Lock, call, name, leftOut)
		}
		return true
	})
	return locks
}

// lock leaves a statement out that locks or unlocks, together with all others of its lock. It
// returns nil for another statement.
func (f *finder) lock(s ast.Stmt, call *ast.CallExpr) *Mutant {
	m := f.locks[f.lockName(call)]
	if m != nil {
		f.without(m, s)
	}
	return m
}

// returned makes the mutant of a return with an error.
func (f *finder) returned(s *ast.ReturnStmt) {
	if len(f.results) == 0 || len(s.Results) == 0 {
		return
	}
	results := f.results[len(f.results)-1].Results
	last := s.Results[len(s.Results)-1]
	if results == nil || results.NumFields() != len(s.Results) || f.pkg.info.Types[last].IsNil() {
		return
	}
	t := f.pkg.info.TypeOf(results.List[len(results.List)-1].Type)
	if !types.Identical(t, types.Universe.Lookup("error").Type()) {
		return
	}
	m := f.add(Error, s, f.of(s), f.between(s.Pos(), last.Pos())+"nil")
	f.wrap(m, last, "kvsimmutant.Err(%d, ", ")")
	m.edits = []edit{{last.Pos(), last.End(), "error(nil)"}}
}

// switchArms makes a mutant without each arm of a switch.
func (f *finder) switchArms(s *ast.SwitchStmt) {
	if s.Tag != nil && (f.constant(s.Tag) || s.Init != nil && !pure(s.Tag)) {
		return
	}
	var arms []*Mutant
	for _, c := range s.Body.List {
		clause := c.(*ast.CaseClause)
		if len(clause.List) == 0 {
			continue
		}
		arms = append(arms, f.arm(clause, clause.List))
	}
	if s.Tag == nil {
		for _, c := range s.Body.List {
			for _, e := range c.(*ast.CaseClause).List {
				f.condition(e)
			}
		}
		return
	}
	without := f.untagged(s)
	for _, m := range arms {
		m.site = without
	}
}

// arm makes the mutant without an arm.
func (f *finder) arm(clause *ast.CaseClause, cases []ast.Expr) *Mutant {
	m := f.add(Arm, clause, "case "+f.between(cases[0].Pos(), cases[len(cases)-1].End())+":", "(removed)")
	for _, e := range cases {
		f.wrap(m, e, "((", ") && !kvsimmutant.On(%d))")
	}
	return m
}

// A site is what several mutants have to have woven in.
type site struct {
	wraps []wrap
	swaps []edit
}

// untagged weaves it in that a switch with a tag is one without.
func (f *finder) untagged(s *ast.SwitchStmt) *site {
	without := &site{}
	name := fmt.Sprintf("kvsimtag%d", f.file.Offset(s.Pos()))
	if s.Init == nil {
		without.wraps = append(without.wraps, f.around(s.Tag, name+" := ", ";"))
	} else {
		name = f.of(s.Tag)
		without.swaps = []edit{{s.Tag.Pos(), s.Tag.End(), ""}}
	}
	for _, c := range s.Body.List {
		for _, e := range c.(*ast.CaseClause).List {
			without.wraps = append(without.wraps, f.around(e, name+" == (", ")"))
		}
	}
	return without
}

// pure reports whether an expression may be evaluated twice.
func pure(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return true
	case *ast.SelectorExpr:
		return pure(e.X)
	}
	return false
}

// typeArms makes a mutant without each arm of a switch over types.
func (f *finder) typeArms(s *ast.TypeSwitchStmt) {
	var x ast.Expr
	ast.Inspect(s.Assign, func(n ast.Node) bool {
		if a, ok := n.(*ast.TypeAssertExpr); ok && a.Type == nil {
			x = a.X
		}
		return x == nil
	})
	for _, c := range s.Body.List {
		clause := c.(*ast.CaseClause)
		var m *Mutant
		for _, t := range clause.List {
			if x == nil || f.pkg.info.Types[t].IsNil() {
				continue
			}
			if m == nil {
				m = f.add(Arm, clause, "case "+f.between(clause.List[0].Pos(), clause.Colon)+":", "(removed)")
			}
			f.wrap(m, x, "kvsimmutant.Hide["+f.of(t)+"](%d, ", ")")
		}
	}
}

// selectArm makes the mutant without an arm of a select: its channel is nil.
func (f *finder) selectArm(c *ast.CommClause) {
	var channel ast.Expr
	receive := func(e ast.Expr) {
		if u, ok := ast.Unparen(e).(*ast.UnaryExpr); ok && u.Op == token.ARROW {
			channel = u.X
		}
	}
	switch s := c.Comm.(type) {
	case *ast.SendStmt:
		channel = s.Chan
	case *ast.ExprStmt:
		receive(s.X)
	case *ast.AssignStmt:
		receive(s.Rhs[0])
	}
	if channel == nil {
		return
	}
	m := f.add(Arm, c, "case "+f.of(c.Comm)+":", "(removed)")
	f.wrap(m, channel, "kvsimmutant.Off(%d, ", ")")
}
