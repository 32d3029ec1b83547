package history_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"example.com/history"

	lin "github.com/kvsim/kvsim/linearizability"
)

func load(t *testing.T) *history.Schema {
	t.Helper()
	s, err := history.Load("../../docs/history-format.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A sample is a history, as its lines.
type sample struct {
	name  string
	lines []string
}

// text returns the history.
func (s sample) text() io.Reader { return strings.NewReader(strings.Join(s.lines, "\n") + "\n") }

// version returns the version of the history.
func (s sample) version() int {
	if strings.Contains(s.lines[0], `"kvsim_history":1`) {
		return 1
	}
	return lin.FormatVersion
}

// read gives the lines to the reader.
func (s sample) read() error {
	_, err := lin.ReadHistory(s.text())
	return err
}

// examples returns the histories of the documentation.
func examples(t *testing.T) (all []sample) {
	t.Helper()
	text, err := os.ReadFile("../../docs/history-format.md")
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range regexp.MustCompile("(?s)```json\n(.*?)\n```").FindAllStringSubmatch(string(text), -1) {
		all = append(all, sample{fmt.Sprintf("example %d", i+1), strings.Split(m[1], "\n")})
	}
	if len(all) < 5 {
		t.Fatalf("the documentation has %d examples", len(all))
	}
	return all
}

func TestExamplesOfTheDocumentationAreValid(t *testing.T) {
	schema := load(t)
	for _, s := range examples(t) {
		if err := s.read(); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		if err := schema.Check(s.text()); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
	}
}

func TestLinesThatTheReaderRefusesAreInvalid(t *testing.T) {
	text, err := os.ReadFile("../../linearizability/testdata/format/refused.txt")
	if err != nil {
		t.Fatal(err)
	}
	schema := load(t)
	for _, c := range strings.Split(string(text), "\n== ")[1:] {
		lines := strings.Split(strings.TrimSpace(c), "\n")
		s := sample{lines[0], lines[2:]}
		unseen := s.lines[0] == "only the reader"
		if unseen {
			s.lines = s.lines[1:]
		}
		if s.read() == nil {
			t.Errorf("%s: the reader takes it", s.name)
		}
		err := schema.Check(s.text())
		switch at := fmt.Sprintf("line %d: ", len(s.lines)); {
		case err == nil && !unseen:
			t.Errorf("%s: the schema takes %s", s.name, s.lines[len(s.lines)-1])
		case err != nil && !strings.Contains(err.Error(), at):
			t.Errorf("%s: %v, want %s", s.name, err, at)
		case errors.As(err, new(*jsonschema.ValidationError)) && unseen:
			t.Errorf("%s: the schema sees it, too: %v", s.name, err)
		}
	}
}

// context are reasons of the reader that depend on the lines before.
var context = regexp.MustCompile(strings.Join([]string{
	`already$`, `time goes back`, `was never invoked`, `has ended before`, `ends at event`, `is of .* not of`,
	`has no place in the end of`, `that no other .* has`, `is not active`, `a second header`, `no header`,
	`is no operation that started a watch`, `which is no operation`, `was called at event`,
	`of the empty key`, // of an operation that is ok
	`of the end of .* is of version 2`,
}, "|"))

// added are what fields are added with, and values what those that are there are changed to.
var (
	added  = []string{`null`, `true`, `0`, `1`, `""`, `"a"`, `[]`, `[{"key":"a"}]`, `[{"key":"a","absent":true}]`}
	values = []string{
		`null`, `true`, `false`, `0`, `1`, `7`, `-1`, `1152921504606846977`, `9223372036854775808`, `0.5`, `""`, `"a"`, `"%41"`, `"%4"`, `"none"`,
		`"live"`, `"loss"`, `"withheld"`, `"final"`, `"set"`, `"delete"`, `"put"`, `"txn"`, `"watch"`, `"status"`, `"update"`, `"recreate"`,
		`[]`, `{}`, `[0]`, `[-1]`, `["a"]`, `[{}]`, `[{"key":"a"}]`, `[{"key":"a","value":"v","rev":0}]`, `[{"key":"a","absent":true}]`,
		`[{"key":"a","rev":0}]`, `[{"pos":0}]`, `[{"key":"a","rev":0,"pos":0}]`, `{"a":"b"}`, `{"a":1}`,
	}
)

// named are the fields that have one of some words.
var named = []string{"class", "cause", "state", "call", "ev", "of", "tap"}

// words returns all words of the format, as JSON.
func words() (all []string) {
	add := func(w fmt.Stringer) { all = append(all, strconv.Quote(w.String())) }
	for w := lin.ErrorArgument; w <= lin.ErrorOther; w++ {
		add(w)
	}
	for w := lin.StateOpening; w <= lin.StateClosed; w++ {
		add(w)
	}
	for w := lin.OpPut; w <= lin.OpRevoke; w++ {
		add(w)
	}
	for w := lin.LogAppend; w <= lin.LogEnd; w++ {
		add(w)
	}
	for w := lin.WatchUpdate; w <= lin.WatchEnd; w++ {
		add(w)
	}
	for w := lin.SnapshotClient; w <= lin.SnapshotCold; w++ {
		add(w)
	}
	for w := lin.TapNone; w <= lin.TapExact; w++ {
		add(w)
	}
	return all
}

// Each line of the examples is changed in each of its fields, loses each of them, and gets each
// field that there is with each of the values. The reader and the schema have to agree on what
// comes out.
func TestReaderAndSchemaAgreeOnChangedLines(t *testing.T) {
	schema := load(t)
	seen := map[string]bool{"unheard_of": true}
	for _, s := range examples(t) {
		for _, line := range s.lines {
			for name := range fieldsOf(t, line) {
				seen[name] = true
			}
		}
	}
	names := slices.Sorted(maps.Keys(seen))
	shapes := map[string]bool{}
	changed, taken := 0, 0
	for _, s := range examples(t) {
		for i, line := range s.lines {
			shape := shapeOf(t, s, line)
			if shapes[shape] {
				continue // another line was changed in the same ways
			}
			shapes[shape] = true
			for n, other := range changes(t, line, names) {
				if testing.Short() && n%10 != len(shapes)%10 {
					continue // some seconds instead of half a minute
				}
				changed++
				if agree(t, schema, sample{s.name, append(slices.Clone(s.lines[:i]), other)}) {
					taken++
				}
			}
		}
	}
	t.Logf("%d changed lines of %d shapes, %d of which are lines of a history, too", changed, len(shapes), taken)
	if taken < 100 || changed-taken < 1000 {
		t.Errorf("%d changed lines, %d of which are taken: that says little", changed, taken)
	}
}

// agree reports whether a history is read, of which the last line was changed.
func agree(t *testing.T, schema *history.Schema, s sample) (taken bool) {
	line := s.lines[len(s.lines)-1]
	reader, invalid := s.read(), schema.Line(s.version(), []byte(line))
	switch {
	case reader == nil && invalid != nil:
		t.Errorf("%s: the reader takes %s\nand the schema does not: %v", s.name, line, invalid)
	case reader != nil && invalid == nil && !context.MatchString(reader.Error()):
		t.Errorf("%s: the schema takes %s\nand the reader does not: %v", s.name, line, reader)
	}
	return reader == nil
}

func fieldsOf(t *testing.T, line string) map[string]json.RawMessage {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(line), &fields); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return fields
}

// shapeOf names what a line is: version, event, call and fields. An answer has the call of its
// operation.
func shapeOf(t *testing.T, s sample, line string) string {
	t.Helper()
	fields := fieldsOf(t, line)
	call := string(fields["call"])
	for _, before := range s.lines {
		b := fieldsOf(t, before)
		if string(b["ev"]) == `"invoke"` && string(b["op"]) == string(fields["op"]) {
			call = string(b["call"])
		}
	}
	return fmt.Sprint(s.version(), string(fields["ev"]), call, slices.Sorted(maps.Keys(fields)))
}

// changes returns a line with one thing changed, in each of the ways.
func changes(t *testing.T, line string, names []string) (all []string) {
	t.Helper()
	fields := fieldsOf(t, line)
	write := func() {
		text, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	for _, name := range names {
		was, is := fields[name]
		changed := added
		if is {
			changed = values
			if slices.Contains(named, name) {
				changed = slices.Concat(values, words())
			}
		}
		for _, v := range changed {
			fields[name] = json.RawMessage(v)
			write()
		}
		delete(fields, name)
		if is {
			write()
			fields[name] = was
		}
	}
	return all
}
