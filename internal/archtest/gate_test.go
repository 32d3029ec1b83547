package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The public gate is the same as that of .ci/run, which goes by GATE in the Makefile.
func TestTheWorkflowRunsEachTargetOfTheGate(t *testing.T) {
	t.Parallel()
	root := moduleRoot(t)
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	workflow, err := os.ReadFile(filepath.Join(root, ".github", "workflows", "ci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	gate := regexp.MustCompile(`(?m)^GATE := (.*)$`).FindSubmatch(makefile)
	if gate == nil {
		t.Fatal("the Makefile has no GATE")
	}
	for target := range strings.FieldsSeq(string(gate[1])) {
		run := regexp.MustCompile(`(?m)^ *- run: make ` + regexp.QuoteMeta(target) + `$`)
		if !run.Match(workflow) {
			t.Errorf("ci.yml has no job that runs make %s", target)
		}
	}
}
