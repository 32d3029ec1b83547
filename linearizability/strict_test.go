package linearizability_test

import (
	"errors"
	"strings"
	"testing"

	lin "github.com/kvsim/kvsim/linearizability"
)

// TestReadHistory_refuses_what_the_format_does_not_say gives the reader lines that a lenient
// one would take for something else than their writer meant.
func TestReadHistory_refuses_what_the_format_does_not_say(t *testing.T) {
	header := `{"kvsim_history":1,"tap":"exact"}`
	put := `{"seq":1,"t":0,"ev":"invoke","client":"c1","proc":1,"op":1,"call":"put","key":"a","value":"v1"}`
	get := `{"seq":1,"t":0,"ev":"invoke","client":"c1","proc":1,"op":1,"call":"get","key":"a"}`
	batch := `{"seq":1,"t":0,"ev":"invoke","client":"c1","proc":1,"op":1,"call":"batch","items":[{"key":"a","value":"v1"}]}`
	for _, tt := range []struct {
		name  string
		lines []string // the last one is wrong
		want  string
	}{
		{"a name in other letters", []string{header, `{"seq":1,"t":0,"EV":"recreate"}`}, `"EV" is no field`},
		{"a name in other letters in an item", []string{header, strings.Replace(batch, `"key"`, `"Key"`, 1)}, `"Key" is no field`},
		{"a name that is escaped", []string{header, `{"\u0073eq":1,"t":0,"ev":"recreate"}`}, `is no field`},
		{"a name that there is not", []string{header, `{"seq":1,"t":0,"ev":"recreate","offsets":1}`}, `unknown field "offsets"`},
		{"a field of lines in an item", []string{header, strings.Replace(batch, `"value"`, `"txn"`, 1)}, `"txn"`},
		{"a field twice", []string{header, `{"seq":1,"t":0,"ev":"recreate","seq":2}`}, `"seq" comes twice`},
		{"a field twice in an item", []string{header, strings.Replace(batch, `"value":"v1"`, `"value":"v1","value":"v2"`, 1)}, `"value" comes twice`},
		{"a field twice in the header", []string{`{"kvsim_history":1,"tap":"exact","tap":"none"}`}, `"tap" comes twice`},
		{"a name twice in meta", []string{`{"kvsim_history":1,"meta":{"a":"1","a":"2"}}`}, `"a" comes twice`},
		{"a field of an event in the header", []string{`{"kvsim_history":1,"client":"c1"}`}, `"client" has no place in a header`},
		{"a field of the header in an event", []string{header, `{"seq":1,"t":0,"ev":"recreate","tap":"late"}`}, `"tap" has no place in recreate`},
		{"an offset of a recreation", []string{header, `{"seq":1,"t":0,"ev":"recreate","offset":3}`}, `"offset" has no place in recreate`},
		{"a value of a truncation", []string{header, `{"seq":1,"t":0,"ev":"truncate","offset":0,"value":"v"}`}, `"value" has no place in truncate`},
		{"a position of a hook", []string{header, `{"seq":1,"t":0,"ev":"hook","client":"c1","call":"set","key":"a","value":"v","pos":1}`}, `"pos" has no place in hook`},
		{"a value of the call of a get", []string{header, strings.Replace(get, `"key":"a"`, `"key":"a","value":"v1"`, 1)}, `"value" has no place in the call of a get`},
		{"a barrier of a put", []string{header, strings.Replace(put, `"key":"a"`, `"key":"a","barrier":true`, 1)}, `"barrier" has no place in the call of a put`},
		{"a revision in the items of a call", []string{header, strings.Replace(batch, `"key":"a"`, `"key":"a","rev":0`, 1)}, `"rev" has no place in the items of a call`},
		{"a value of the end of a put", []string{header, put, `{"seq":2,"t":0,"ev":"ok","op":1,"value":"v1"}`}, `"value" has no place in the end of a put that is ok`},
		{"a value of a get that failed", []string{header, get, `{"seq":2,"t":0,"ev":"failed","op":1,"value":"v1"}`}, `"value" has no place in the end of a get that is failed`},
		{"a key of an end", []string{header, get, `{"seq":2,"t":0,"ev":"ok","op":1,"key":"a"}`}, `"key" has no place in the end of a get`},
		{"an item without a key", []string{header, strings.Replace(batch, `"key":"a",`, ``, 1)}, `"key" is missing`},
		{"null", []string{header, strings.Replace(get, `"key":"a"`, `"key":null`, 1)}, `"key" is null`},
		{"null in meta", []string{`{"kvsim_history":1,"meta":{"a":null}}`}, `"meta" is null`},
		{"null as a list", []string{header, `{"seq":1,"t":0,"ev":"compact","removed":null}`}, `"removed" is null`},
		{"null as an item", []string{header, strings.Replace(batch, `{"key":"a","value":"v1"}`, `null`, 1)}, `no item`},
		{"a second object", []string{header, `{"seq":1,"t":0,"ev":"recreate"} {}`}, `more on the line`},
		{"a brace too many", []string{header, `{"seq":1,"t":0,"ev":"recreate"}}`}, `more on the line`},
		{"no object", []string{header, `null`}, `no JSON object`},
		{"half of a pair of escapes", []string{header, strings.Replace(get, `"key":"a"`, `"key":"\ud800"`, 1)}, `half of a pair`},
		{"the second half of a pair", []string{header, strings.Replace(get, `"key":"a"`, `"key":"\udc00\ud800"`, 1)}, `half of a pair`},
		{"bytes that are no text", []string{header, strings.Replace(get, `"key":"a"`, "\"key\":\"\xc3\"", 1)}, `not UTF-8`},
		{"a negative revision", []string{header, put, `{"seq":2,"t":0,"ev":"ok","op":1,"rev":-1}`}, `-1 is no offset`},
		{"a negative position", []string{header, put, `{"seq":2,"t":0,"ev":"ok","op":1,"pos":-1}`}, `-1 is no offset`},
		{"a negative revision of an item", []string{header, batch, `{"seq":2,"t":0,"ev":"ok","op":1,"items":[{"key":"a","value":"v1","rev":-1}]}`}, `-1 is no offset`},
		{"a negative offset of a hook", []string{header, `{"seq":1,"t":0,"ev":"hook","client":"c1","call":"set","key":"a","value":"v","offset":-1}`}, `-1 is no offset`},
		{"a negative offset", []string{header, `{"seq":1,"t":0,"ev":"trim","offset":-1}`}, `negative`},
		{"a negative offset of a compaction", []string{header, `{"seq":1,"t":0,"ev":"compact","removed":[-1]}`}, `no offset is negative`},
		{"a negative process", []string{header, strings.Replace(get, `"proc":1`, `"proc":-1`, 1)}, `not negative`},
		{"a negative limit", []string{header, `{"seq":1,"t":0,"ev":"invoke","client":"c1","op":1,"call":"range","limit":-1}`}, `not negative`},
		{"a negative time", []string{header, strings.Replace(get, `"t":0`, `"t":-1`, 1)}, `not negative`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := read(t, tt.lines...)
			var wrong *lin.FormatError
			if !errors.As(err, &wrong) {
				t.Fatalf("ReadHistory() = %v, want a FormatError", err)
			}
			if wrong.Line != len(tt.lines) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ReadHistory() = %v, want line %d and %q", err, len(tt.lines), tt.want)
			}
		})
	}
}

// TestReadHistory_takes_every_way_to_write_a_text makes sure that only the names of fields
// have to be written in one way.
func TestReadHistory_takes_every_way_to_write_a_text(t *testing.T) {
	for text, want := range map[string]string{
		`\u0061`: "a", `\/\u002f`: "//", `\ud83d\ude00`: "😀", "😀": "😀", `%F0%9F%98%80`: "😀", `%ff`: "\xff", `\\%22`: `\"`,
	} {
		h, err := read(t, `{"kvsim_history":1}`, ` { "seq" : 1 , "t":0,"ev":"invoke","client":"c1","op":1,"call":"get", "key":"`+text+`" } `)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := h.Ops[0].Key; got != want {
			t.Errorf("%s is read as %q, want %q", text, got, want)
		}
	}
}

// endless is a line that does not end. It counts how much of it was read.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.read += len(p)
	return len(p), nil
}

func TestReadHistory_refuses_a_line_without_an_end(t *testing.T) {
	var line endless
	_, err := lin.ReadHistory(&line)
	var wrong *lin.FormatError
	if !errors.As(err, &wrong) || wrong.Line != 1 || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("ReadHistory() = %v, want a FormatError for line 1 that says that it is too long", err)
	}
	if line.read > 65<<20 {
		t.Errorf("%d bytes were read", line.read)
	}
}
