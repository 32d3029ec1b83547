package linearizability_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	lin "github.com/kvsim/kvsim/linearizability"
)

func read(t *testing.T, lines ...string) (*lin.History, error) {
	t.Helper()
	return lin.ReadHistory(strings.NewReader(strings.Join(lines, "\n") + "\n"))
}

func TestReadHistory_keeps_a_batch_as_it_was_called(t *testing.T) {
	h, err := read(t, `{"kvsim_history":1,"tap":"exact"}`,
		`{"seq":1,"t":0,"ev":"invoke","client":"c1","proc":1,"op":1,"call":"batch","items":[{"key":"a","value":"v1"},{"key":"b","value":"v2"}]}`,
		`{"seq":2,"t":0,"ev":"append","offset":0,"key":"a","value":"v1"}`,
		`{"seq":3,"t":0,"ev":"append","offset":1,"key":"b","value":"v2"}`,
		`{"seq":4,"t":0,"ev":"ok","op":1,"items":[{"key":"x","value":"y","rev":0}]}`)
	if err != nil {
		t.Fatal(err)
	}
	if got := h.Ops[0].Items; len(got) != 2 || got[0].Key != "a" {
		t.Errorf("the batch became %v", got)
	}
	if v := lin.Check(h, lin.Options{}); v.Status != lin.Violated || v.Violations[0].Check != lin.CheckAckedOnce {
		t.Errorf("%v", v)
	}
}

func TestReadHistory_refuses_the_empty_key_and_bytes_that_are_no_text(t *testing.T) {
	for name, lines := range map[string][]string{
		"empty key of a put": {
			`{"seq":1,"t":0,"ev":"invoke","client":"c1","proc":1,"op":1,"call":"put","key":"","value":"v1"}`,
			`{"seq":2,"t":0,"ev":"ok","op":1}`,
		},
		"empty key in a batch": {
			`{"seq":1,"t":0,"ev":"invoke","client":"c1","proc":1,"op":1,"call":"batch","items":[{"key":"","value":"v1"}]}`,
			`{"seq":2,"t":0,"ev":"ok","op":1}`,
		},
		"not UTF-8": {"{\"seq\":1,\"t\":0,\"ev\":\"invoke\",\"client\":\"c1\",\"proc\":1,\"op\":1,\"call\":\"get\",\"key\":\"a\xff\"}"},
	} {
		t.Run(name, func(t *testing.T) {
			var wrong *lin.FormatError
			if _, err := read(t, append([]string{`{"kvsim_history":1}`}, lines...)...); !errors.As(err, &wrong) || wrong.Line != len(lines)+1 {
				t.Errorf("ReadHistory() = %v, want a FormatError for line %d", err, len(lines)+1)
			}
		})
	}
}

// TestCheck_does_not_blame_clients_for_a_tap_that_lies gives the judges logs that can't be.
func TestCheck_does_not_blame_clients_for_a_tap_that_lies(t *testing.T) {
	for name, event := range map[string]string{
		"end": `"ev":"end","offset":2`, "trim": `"ev":"trim","offset":2`, "truncate": `"ev":"truncate","offset":2`,
		"commit": `"ev":"commit","txn":"t1"`, "abort": `"ev":"abort","txn":"t1"`,
	} {
		t.Run(name, func(t *testing.T) {
			h, err := read(t, `{"kvsim_history":1,"tap":"exact"}`,
				`{"seq":1,"t":0,"ev":"invoke","client":"c1","proc":1,"op":1,"call":"put","key":"a","value":"v1"}`,
				`{"seq":2,"t":0,"ev":"append","offset":0,"key":"a","value":"v1"}`,
				`{"seq":3,"t":0,`+event+`}`,
				`{"seq":4,"t":0,"ev":"ok","op":1,"pos":1}`,
				`{"seq":5,"t":0,"ev":"invoke","client":"c1","proc":1,"op":2,"call":"sync"}`,
				`{"seq":6,"t":0,"ev":"ok","op":2,"pos":1}`)
			if err != nil {
				t.Fatal(err)
			}
			if v := lin.Check(h, lin.Options{}); v.Status != lin.HarnessFailure || len(v.Assumptions) == 0 {
				t.Errorf("%v", v)
			}
		})
	}
}

// TestPorcupine_decides_many_puts_of_unknown_outcome gives porcupine puts in one order and
// reads in another: any order of the puts explains them.
func TestPorcupine_decides_many_puts_of_unknown_outcome(t *testing.T) {
	for _, n := range []int{4, 12, 40} {
		r := lin.NewRecorder(ticker(), lin.RecorderOptions{})
		for i := range n {
			r.Begin(lin.Operation{Client: fmt.Sprint("c", i), Process: 1, Kind: lin.OpPut, Key: "a", Value: fmt.Sprint("v", i)}).Unknown(errors.New("timeout"))
		}
		for i := range n {
			r.Begin(lin.Operation{Client: "r", Process: 1, Kind: lin.OpGet, Key: "a"}).Value(fmt.Sprint("v", (i*7+3)%n)).OK()
		}
		if v := lin.Check(r.History(), lin.Options{}); v.Status != lin.Held {
			t.Errorf("%d puts: %v", n, v)
		}
	}
}
