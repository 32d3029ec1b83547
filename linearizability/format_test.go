package linearizability_test

import (
	"os"
	"strings"
	"testing"

	lin "github.com/kvsim/kvsim/linearizability"
)

// TestFormat_example_of_the_documentation_holds reads the example that
// docs/history-format.md gives, so that the example stays right.
func TestFormat_example_of_the_documentation_holds(t *testing.T) {
	text, err := os.ReadFile("../docs/history-format.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, ok := strings.Cut(string(text), "## An example")
	if !ok {
		t.Fatal("the document has no example")
	}
	_, example, _ = strings.Cut(example, "```json\n")
	example, _, _ = strings.Cut(example, "```")
	h, err := lin.ReadHistory(strings.NewReader(example))
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Ops) != 5 || len(h.Log) != 3 || len(h.Snapshots) != 2 || len(h.Faults) != 1 {
		t.Errorf("%d operations, %d log events, %d snapshots, %d faults, want 5, 3, 2 and 1",
			len(h.Ops), len(h.Log), len(h.Snapshots), len(h.Faults))
	}
	if v := lin.Check(h, lin.Options{}); v.Status != lin.Held {
		t.Errorf("the example does not hold: %s", v)
	}
	var again strings.Builder
	if err := lin.WriteHistory(&again, h); err != nil {
		t.Fatal(err)
	}
	if again.String() != example {
		t.Errorf("the recorder would write the example differently:\n%s", again.String())
	}
}

// TestFormat_documentation_names_every_word checks that the document has every word of
// the format.
func TestFormat_documentation_names_every_word(t *testing.T) {
	text, err := os.ReadFile("../docs/history-format.md")
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for k := lin.OpPut; k <= lin.OpClose; k++ {
		words = append(words, k.String())
	}
	for k := lin.LogAppend; k <= lin.LogEnd; k++ {
		words = append(words, k.String())
	}
	for o := lin.OK; o <= lin.Unknown; o++ {
		words = append(words, o.String())
	}
	for _, w := range words {
		if !strings.Contains(string(text), "`"+w+"`") {
			t.Errorf("docs/history-format.md does not name %q", w)
		}
	}
}
