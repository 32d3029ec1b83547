package linearizability

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// The grammar of docs/history-format.md says what the reader takes: the same rules, and in each
// of them the same fields, of the same version.
func TestReadHistory_takes_the_fields_of_the_grammar(t *testing.T) {
	text, err := os.ReadFile("../docs/history-format.md")
	if err != nil {
		t.Fatal(err)
	}
	_, grammar, _ := strings.Cut(string(text), "## Grammar")
	_, grammar, _ = strings.Cut(grammar, "```text\n")
	grammar, _, _ = strings.Cut(grammar, "```")
	want := map[string]lineFields{
		"header": {all: headerFields}, "event": {all: stampFields}, "invoke": invokeFields, "ok": endFields,
		"failed": endFields.and(failedFields), "unknown": endFields.and(failedFields),
		"items": {all: itemFields}, "if": {newer: conditionFields, added: true},
	}
	maps.Copy(want, eventFields)
	for kind := OpPut; kind <= OpRevoke; kind++ {
		want["call "+kind.String()] = callFields[kind]
		if f := answerFields[kind]; f != (lineFields{}) {
			want["ok "+kind.String()] = f
		}
	}
	for rule := range strings.Lines(grammar) {
		name, what, ok := strings.Cut(rule, "=")
		if !ok {
			t.Fatalf("%q is no rule", rule)
		}
		name, added := strings.CutSuffix(strings.TrimSpace(name), " (2)")
		got := lineFields{added: added}
		what, _, _ = strings.Cut(what, ", and")
		for word := range strings.FieldsSeq(strings.TrimPrefix(strings.TrimSpace(what), "a list of:")) {
			word, newer := strings.CutSuffix(strings.Trim(word, "[]|"), "(2)")
			switch {
			case word == "":
			case !slices.Contains(fieldNames[:], word):
				t.Errorf("%s has %q, which is no field", name, word)
			case newer || added:
				got.newer |= fields(word)
			default:
				got.all |= fields(word)
			}
		}
		if is, ok := want[name]; !ok || is != got {
			t.Errorf("the grammar has the rule %q with %+v, the reader takes %+v", name, got, is)
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("the grammar has no rule for %q", name)
	}
}
