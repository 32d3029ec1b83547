package linearizability_test

import (
	"bytes"
	"cmp"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	lin "github.com/kvsim/kvsim/linearizability"
)

// Each list of a history is put in the order of its sequence numbers.
func TestReadHistory_orders_every_kind_of_event(t *testing.T) {
	var out bytes.Buffer
	r := lin.NewRecorder(ticker(), lin.RecorderOptions{Header: lin.Header{Version: 2}, Output: &out})
	recordEverything(r)
	recordEverything(r)
	want := dump(r.History())
	lines := strings.SplitAfter(strings.TrimSuffix(out.String(), "\n"), "\n")
	lines[len(lines)-1] += "\n"
	// Calls and faults come before what refers to them; all others come in reverse.
	first := regexp.MustCompile(`"ev":"(invoke|fault)"`)
	text, rest := lines[0], ""
	for _, l := range lines[1:] {
		if first.MatchString(l) {
			text += l
		} else {
			rest = l + rest
		}
	}
	h, err := lin.ReadHistory(strings.NewReader(text + rest))
	if err != nil {
		t.Fatal(err)
	}
	if got := dump(h); got != want {
		t.Errorf("lines in another order are another history:\n%s\nand\n%s", got, want)
	}
	for name, sorted := range map[string]bool{
		"Ops":      slices.IsSortedFunc(h.Ops, func(a, b lin.Operation) int { return cmp.Compare(a.Call.Seq, b.Call.Seq) }),
		"Log":      slices.IsSortedFunc(h.Log, func(a, b lin.LogEvent) int { return cmp.Compare(a.Seq, b.Seq) }),
		"Statuses": slices.IsSortedFunc(h.Statuses, func(a, b lin.ClientStatus) int { return cmp.Compare(a.Seq, b.Seq) }),
		"Watched":  slices.IsSortedFunc(h.Watched, func(a, b lin.WatchEvent) int { return cmp.Compare(a.Seq, b.Seq) }),
		"Expiries": slices.IsSortedFunc(h.Expiries, func(a, b lin.Expiry) int { return cmp.Compare(a.Seq, b.Seq) }),
	} {
		if !sorted {
			t.Errorf("%s is not in the order of sequence numbers", name)
		}
	}
}

// Lines may come in any order, as in histories that several threads write, as long as the
// end of an operation comes after its start.
func TestReadHistory_takes_lines_in_any_order(t *testing.T) {
	var buf bytes.Buffer
	var now time.Duration
	r := lin.NewRecorder(func() time.Duration { now += time.Microsecond; return now }, lin.RecorderOptions{Header: lin.Header{Tap: lin.TapExact}, Output: &buf})
	for i := range int64(20) {
		call := r.Begin(lin.Operation{Client: "c1", Process: 1, Kind: lin.OpPut, Key: "a", Value: string(rune('a' + i))})
		r.Append(lin.Record{Offset: i, Key: "a", Value: string(rune('a' + i))})
		call.Revision(i).OK()
	}
	want := lin.Check(r.History(), lin.Options{}).String()
	lines := strings.SplitAfter(strings.TrimSuffix(buf.String(), "\n"), "\n")
	header, appends, rest := lines[0], []string{}, []string{}
	for _, l := range lines[1:] {
		if l = strings.TrimSuffix(l, "\n") + "\n"; strings.Contains(l, `"append"`) {
			appends = append(appends, l)
		} else {
			rest = append(rest, l)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	rng.Shuffle(len(appends), func(i, j int) { appends[i], appends[j] = appends[j], appends[i] })
	text := header + strings.Join(rest, "") + strings.Join(appends, "")
	h, err := lin.ReadHistory(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := lin.Check(h, lin.Options{}).String(); got != want {
		t.Errorf("lines in another order are another history:\n%s\nand\n%s", got, want)
	}
}
