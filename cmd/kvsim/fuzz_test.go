package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"strings"
	"testing"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/report"
	"github.com/kvsim/kvsim/linearizability"
	"github.com/kvsim/kvsim/sim"
)

// FuzzCapsule reads capsules from anyone, and makes of them what replay, shrink and report do
// before and after they run worlds. The Go test that shrink writes has one test and nothing else.
func FuzzCapsule(f *testing.F) {
	const header = `{"seed":7,"scenario":"lag","engine":"virtual","command":"kvsim run","replay":"kvsim replay x","versions":{"kvsim":"v1","go":"go1.26"}}`
	f.Add(kafkaPlan, header, `{"seed":7,"status":"violation","reasons":[{"name":"read-your-writes","text":"c1 did not"}]}`)
	f.Add(kafkaPlan, `{"engine":"real","kafka":"host:9092","command":"x\n}\nfunc init() {}"}`, `{"status":"harness-failure","reasons":[{"name":"","text":"*/"}]}`)
	f.Add("", "null", "[]")
	f.Fuzz(func(t *testing.T, plan, info, result string) {
		files := map[string]string{capsulePlan: plan, capsuleInfo: info, capsuleResult: result}
		c, err := capsuleOf("dir", func(name string, _ int64) ([]byte, error) {
			text, ok := files[name]
			if !ok {
				return nil, fs.ErrNotExist
			}
			return []byte(text), nil
		})
		if err != nil {
			return
		}
		_ = verdictText(&c.result)
		rep := &report.Report{History: &linearizability.History{}, Verdict: &linearizability.Verdict{}}
		describeCapsule(rep, c)
		if on, err := c.info.engine(c.info.Kafka); err == nil {
			_ = on.flags()
		}
		r := &runner{last: &ran{result: &world.Result{}}}
		_ = r.again(c)
		p, err := parsePlan("dir", c.plan)
		if err != nil {
			return
		}
		for _, reason := range append(c.result.Reasons, world.Reason{}) {
			onlyATest(t, p, c.info.Command, reason)
		}
	})
}

// onlyATest checks the file that shrink writes.
func onlyATest(t *testing.T, p sim.Plan, command string, reason world.Reason) {
	t.Helper()
	source, err := regressionTest(p, command, reason)
	if err != nil {
		t.Fatalf("the test for %q, found by %q: %v", reason, command, err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "x_test.go", source, parser.ParseComments)
	if err != nil {
		t.Fatalf("the test for %q, found by %q, is no Go: %v\n%s", reason, command, err, source)
	}
	funcs := 0
	for _, d := range file.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			funcs++
			if !strings.HasPrefix(fn.Name.Name, "Test") || len(fn.Body.List) != 2 {
				t.Errorf("the test for %q, found by %q, has the function %s\n%s", reason, command, fn.Name, source)
			}
		}
	}
	if len(file.Decls) != 2 || funcs != 1 || strings.Contains(string(source), "//go:") {
		t.Errorf("the test for %q, found by %q, has more than a test:\n%s", reason, command, source)
	}
}
