package linearizability_test

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	lin "github.com/kvsim/kvsim/linearizability"
)

// document returns docs/history-format.md.
func document(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/history-format.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// examples returns the histories of the document.
func examples(t *testing.T) (all []string) {
	t.Helper()
	for _, m := range regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(document(t), -1) {
		all = append(all, m[1])
	}
	return all
}

// TestFormat_examples_of_the_documentation_are_read reads each example of
// docs/history-format.md, so that the examples stay right.
func TestFormat_examples_of_the_documentation_are_read(t *testing.T) {
	verdicts := map[lin.Status]int{}
	for _, example := range examples(t) {
		h, err := lin.ReadHistory(strings.NewReader(example))
		if err != nil {
			t.Errorf("%v\n%s", err, example)
			continue
		}
		var again strings.Builder
		if err := lin.WriteHistory(&again, h); err != nil {
			t.Fatal(err)
		}
		if again.String() != example {
			t.Errorf("the recorder would write the example differently:\n%s", again.String())
		}
		if len(h.Ops) == 0 {
			continue // a header alone
		}
		v := lin.Check(h, lin.Options{})
		verdicts[v.Status]++
		if v.Status != lin.Held && (v.Status != lin.Inconclusive || !strings.Contains(v.Undecided[0], "the judges do not know")) {
			t.Errorf("%s\n%s", v, example)
		}
	}
	if verdicts[lin.Held] != 3 || verdicts[lin.Inconclusive] != 3 {
		t.Errorf("verdicts: %v, want 3 examples that hold and 3 of what the judges do not know", verdicts)
	}
}

// TestFormat_documentation_names_every_word checks that the document names every word of the
// format, and that an example has it.
func TestFormat_documentation_names_every_word(t *testing.T) {
	text, all := document(t), strings.Join(examples(t), "")
	event := regexp.MustCompile(`"ev":"(\w+)"`)
	wanted := func(field string, words ...string) {
		for _, w := range words {
			if !strings.Contains(text, "`"+w+"`") {
				t.Errorf("docs/history-format.md does not name %q", w)
			}
			if field != "" && !strings.Contains(all, `"`+field+`":"`+w+`"`) {
				t.Errorf("docs/history-format.md has no example of %q as %q", w, field)
			}
		}
	}
	for k := lin.OpPut; k <= lin.OpRevoke; k++ {
		wanted("call", k.String())
	}
	for k := lin.LogAppend; k <= lin.LogEnd; k++ {
		wanted("ev", k.String())
	}
	for k := lin.WatchUpdate; k <= lin.WatchEnd; k++ {
		wanted("ev", k.String())
	}
	for o := lin.OK; o <= lin.Unknown; o++ {
		wanted("ev", o.String())
	}
	wanted("ev", "invoke", "hook", "rebuild", "snapshot", "fault", "heal", "status", "expire")
	wanted("of", "client", "final", "cold")
	for c := lin.ErrorArgument; c <= lin.ErrorOther; c++ {
		wanted("", c.String())
	}
	for s := lin.StateOpening; s <= lin.StateClosed; s++ {
		wanted("", s.String())
	}
	var everything bytes.Buffer
	recordEverything(lin.NewRecorder(ticker(), lin.RecorderOptions{Header: lin.Header{Version: 2}, Output: &everything}))
	for _, m := range event.FindAllStringSubmatch(everything.String(), -1) {
		wanted("ev", m[1])
	}
}
