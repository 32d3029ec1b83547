package linearizability_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	lin "github.com/kvsim/kvsim/linearizability"
)

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
