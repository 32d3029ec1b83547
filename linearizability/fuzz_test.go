package linearizability_test

import (
	"bytes"
	"testing"

	lin "github.com/kvsim/kvsim/linearizability"
)

// smallHistories are seeds with few lines: what the fuzzer makes of a long history is slow to read
// and says no more.
func smallHistories(f *testing.F) {
	f.Helper()
	for seed := range uint64(8) {
		f.Add([]byte(dump(seeded(seed).run(4))))
	}
	var all bytes.Buffer
	recordAll(lin.NewRecorder(ticker(), lin.RecorderOptions{Output: &all}))
	f.Add(all.Bytes())
	var newer bytes.Buffer
	recordEverything(lin.NewRecorder(ticker(), lin.RecorderOptions{Header: lin.Header{Version: 2}, Output: &newer}))
	f.Add(newer.Bytes())
}

// FuzzReadHistory makes sure that no file makes the reader panic, and that what was read can be
// written and read again.
func FuzzReadHistory(f *testing.F) {
	smallHistories(f)
	f.Fuzz(func(t *testing.T, file []byte) {
		h, err := lin.ReadHistory(bytes.NewReader(file))
		if err != nil || len(h.Ops) == 0 {
			return
		}
		text := dump(h)
		again, err := lin.ReadHistory(bytes.NewReader([]byte(text)))
		if err != nil {
			if lin.Check(h, bounded).Status != lin.HarnessFailure {
				t.Errorf("written and read again: %v", err)
			}
			return
		}
		if dump(again) != text {
			t.Errorf("written, read and written again:\n%s\nis\n%s", text, dump(again))
		}
	})
}

// bounded is how small histories are judged.
var bounded = lin.Options{Porcupine: lin.PorcupineOptions{MaxSteps: 200, TotalSteps: 1000}}

// FuzzCheck makes sure that no small history makes the judges panic, disagree with their own
// verdict, or judge the same history in two ways.
func FuzzCheck(f *testing.F) {
	smallHistories(f)
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) > 1<<12 {
			return
		}
		h, err := lin.ReadHistory(bytes.NewReader(file))
		if err != nil || h.Events() > 40 {
			return
		}
		v := lin.Check(h, bounded)
		if v.Status != lin.Held && v.Err() == nil {
			t.Errorf("%s without an error", v.Status)
		}
		if again := lin.Check(h, bounded); again.String() != v.String() {
			t.Errorf("judged twice:\n%s\nand\n%s", v, again)
		}
	})
}
