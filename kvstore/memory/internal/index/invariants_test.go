package index

import (
	"testing"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
	"github.com/kvsim/kvsim/kvstore/memory/internal/undo"
)

func TestChangeThatReadersDoNotLookForIsFoundOut(t *testing.T) {
	t.Parallel()
	const hash = 7
	it := item.Pack([]byte("a"), []byte("1"), item.Stamp{})
	for name, c := range map[string]struct {
		added bool
		want  string
	}{
		"in the log":     {true, ""},
		"not in the log": {false, "I22"},
	} {
		log := undo.New(2)
		if c.added {
			log.Add(hash, it, nil)
		}
		if got := invariant.Broken(func() { checkLogged(log, hash, it) }); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
