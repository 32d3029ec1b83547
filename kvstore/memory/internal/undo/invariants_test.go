package undo

import (
	"testing"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
)

func TestLogThatIsWrongIsFoundOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		wrong func(l *Log)
		want  string
	}{
		"right":                  {func(*Log) {}, ""},
		"an image is gone":       {func(l *Log) { clear(l.images) }, "I22"},
		"an image of another":    {func(l *Log) { l.images[1].hash++ }, "I22"},
		"there is no free place": {func(l *Log) { l.images = l.images[1:2] }, "undo"},
	} {
		l := New(1)
		l.Add(1, of("a", "new"), of("a", "old"))
		c.wrong(l)
		if got := invariant.Broken(func() { l.check(1, []byte("a")) }); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
