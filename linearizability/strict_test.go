package linearizability_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	lin "github.com/kvsim/kvsim/linearizability"
)

// TestReadHistory_refuses_what_the_format_does_not_say gives the reader lines that a lenient
// one would take for something else than their writer meant.
func TestReadHistory_refuses_what_the_format_does_not_say(t *testing.T) {
	text, err := os.ReadFile("testdata/format/refused.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range strings.Split(string(text), "\n== ")[1:] {
		name, rest, _ := strings.Cut(strings.TrimSpace(c), "\n")
		want, history, _ := strings.Cut(rest, "\n")
		want = strings.TrimPrefix(want, "want: ")
		lines := strings.Split(strings.TrimPrefix(history, "only the reader\n"), "\n")
		t.Run(name, func(t *testing.T) { refused(t, want, lines...) })
	}
	t.Run("bytes that are no text", func(t *testing.T) {
		refused(t, "not UTF-8", `{"kvsim_history":1}`, "{\"seq\":1,\"ev\":\"append\",\"offset\":0,\"key\":\"\xc3\"}")
	})
}

// refused makes sure that the reader refuses the last of the lines, for the reason that is wanted.
func refused(t *testing.T, want string, lines ...string) {
	t.Helper()
	_, err := read(t, lines...)
	var wrong *lin.FormatError
	if !errors.As(err, &wrong) {
		t.Fatalf("ReadHistory() = %v, want a FormatError", err)
	}
	if wrong.Line != len(lines) || !strings.Contains(err.Error(), want) {
		t.Errorf("ReadHistory() = %v, want line %d and %q", err, len(lines), want)
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
