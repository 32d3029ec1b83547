package main

import (
	"bytes"
	"fmt"
	"go/format"
	"strconv"
	"strings"
	"text/template"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/sim"
)

// regressionName returns the name of the files for a small plan, made of the check that fails
// and the seed.
func regressionName(p sim.Plan, reason world.Reason) string {
	word := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}
	parts := strings.FieldsFunc(strings.Map(word, strings.ToLower(reason.Name)), func(r rune) bool { return r == '_' })
	return strings.Join(append(parts, fmt.Sprintf("seed%d", p.Seed)), "_")
}

var regressionTemplate = template.Must(template.New("test").Parse(`package regressions_test

import (
	"testing"

	"github.com/kvsim/kvsim/scenarios/regressions"
)

{{.Comment}}
func Test{{.Name}}(t *testing.T) {
	t.Parallel()
	regressions.Holds(t, {{.Plan}})
}
`))

// regressionTest returns the source of a Go test that runs the plan and wants it to hold.
func regressionTest(p sim.Plan, command string, reason world.Reason) ([]byte, error) {
	var name strings.Builder
	for part := range strings.SplitSeq(regressionName(p, reason), "_") {
		name.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	comment := fmt.Sprintf("Test%s is the smallest case of what was found by\n%s\n\n%s: %s", &name, command, reason.Name, reason.Text)
	lines := strings.Split(comment, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight("// "+line, " ")
	}
	text := p.String()
	quoted := "`" + text + "`"
	if strings.Contains(text, "`") {
		quoted = strconv.Quote(text)
	}
	var b bytes.Buffer
	err := regressionTemplate.Execute(&b, map[string]string{
		"Comment": strings.Join(lines, "\n"), "Name": name.String(), "Plan": quoted,
	})
	if err != nil {
		return nil, err
	}
	return format.Source(b.Bytes())
}
