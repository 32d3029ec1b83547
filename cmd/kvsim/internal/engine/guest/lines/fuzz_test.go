package lines

import (
	"bytes"
	"errors"
	"testing"
)

// FuzzDemux splits what a guest wrote, which may be anything.
func FuzzDemux(f *testing.F) {
	for _, kind := range []byte{History, Log, Judging, Result, Plan, Error, 'x'} {
		f.Add([]byte{kind}, []byte("{}\n"))
		f.Add([]byte{kind, '"'}, []byte("text\"\nr{\"seed\":1}\n"))
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var history, log bytes.Buffer
		d := &Demux{History: &history, Log: &log}
		for _, part := range [][]byte{first, second} {
			if n, err := d.Write(part); err == nil && n != len(part) {
				t.Errorf("Write = %d of %d", n, len(part))
			}
		}
		if r, err := d.Answer(); r == nil && err == nil || r != nil && errors.Is(err, ErrNoAnswer) {
			t.Errorf("Answer = %v, %v", r, err)
		}
		if history.Len()+log.Len() > len(first)+len(second) {
			t.Errorf("%d bytes became %d", len(first)+len(second), history.Len()+log.Len())
		}
	})
}
