package linearizability_test

import (
	"bytes"
	"testing"

	lin "github.com/kvsim/kvsim/linearizability"
)

// FuzzReadHistory makes sure that no file makes the reader or the judges panic,
// and that what was read can be written and read again.
func FuzzReadHistory(f *testing.F) {
	for seed := range uint64(20) {
		f.Add([]byte(dump(seeded(seed).run(40))))
	}
	var all bytes.Buffer
	recordAll(lin.NewRecorder(ticker(), lin.RecorderOptions{Output: &all}))
	f.Add(all.Bytes())
	f.Fuzz(func(t *testing.T, file []byte) {
		h, err := lin.ReadHistory(bytes.NewReader(file))
		if err != nil {
			return
		}
		bounded := lin.Options{Porcupine: lin.PorcupineOptions{MaxSteps: 1000}}
		if v := lin.Check(h, bounded); v.Status != lin.Held && v.Err() == nil {
			t.Errorf("%s without an error", v.Status)
		}
		if _, err := lin.ReadHistory(bytes.NewReader([]byte(dump(h)))); err != nil && len(h.Ops) > 0 && lin.Check(h, bounded).Status != lin.HarnessFailure {
			t.Errorf("written and read again: %v", err)
		}
	})
}
