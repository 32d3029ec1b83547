package brief

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var long = strings.Repeat("\u00e9", 1<<16)

// Texts are left alone up to the limit; longer ones are cut between characters, to no more than the
// limit, and once only.
func TestTextsAreCutOnce(t *testing.T) {
	for _, n := range []int{0, 1, Most - 1, Most} {
		if s := strings.Repeat("x", n); Text(s) != s {
			t.Errorf("a text of %d bytes was cut", n)
		}
	}
	for _, s := range []string{strings.Repeat("x", Most+1), long, "x" + long} {
		cut := Text(s)
		if len(cut) > Most || len(cut) < Most*9/10 || !utf8.ValidString(cut) || !strings.HasSuffix(cut, fmt.Sprintf("... (%d bytes)", len(s))) {
			t.Errorf("%d bytes were cut to %d: %q", len(s), len(cut), cut)
		}
		if Text(cut) != cut {
			t.Errorf("cut twice: %q", Text(cut))
		}
	}
}

// An error that is cut is still the one that it was.
func TestErrorsThatAreCutMatchTheirCause(t *testing.T) {
	if Error(nil) != nil {
		t.Error("no error became one")
	}
	cause := errors.New("cause")
	if err := fmt.Errorf("short: %w", cause); Error(err) != err {
		t.Errorf("a short error became %v", Error(err))
	}
	for name, cut := range map[string]error{
		"Error": Error(fmt.Errorf("%w: %s", cause, long)),
		"Value": Value(fmt.Errorf("%w: %s", cause, long)).(error),
		"twice": Error(Error(fmt.Errorf("%w: %s", cause, long))),
	} {
		if !errors.Is(cut, cause) || len(cut.Error()) > Most || !strings.HasPrefix(cut.Error(), "cause: \u00e9") {
			t.Errorf("%s: an error of %d bytes, which is the cause: %t", name, len(cut.Error()), errors.Is(cut, cause))
		}
	}
}

type panics struct{}

func (*panics) String() string { panic("a text that can't be made") }

// Values of any type have a text of bounded length afterwards; short ones stay as they are.
func TestValuesHaveShortTexts(t *testing.T) {
	for _, v := range []any{nil, 1, int32(2), 3.0, true, time.Second, "short", []string{"a", "b"}, struct{ A int }{1}, errors.New("e")} {
		if got := Value(v); fmt.Sprintf("%T %v", got, got) != fmt.Sprintf("%T %v", v, v) {
			t.Errorf("%T %v became %T %v", v, v, got, got)
		}
	}
	for _, v := range []any{long, []string{long}, map[string]string{long: long}, struct{ A string }{long}, []byte(long), &panics{}, (*panics)(nil), errors.New(long)} {
		if n := len(fmt.Sprint(Value(v))); n > Most {
			t.Errorf("%T has a text of %d bytes", v, n)
		}
	}
}
