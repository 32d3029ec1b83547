package memory

import (
	"fmt"
	"testing"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/internal/invariant"
	"github.com/kvsim/kvsim/kvstore/memory/internal/undo"
)

// storageOf returns a storage with the pairs, which has a tree.
func storageOf(t *testing.T, pairs ...string) *Storage {
	t.Helper()
	s := New()
	for _, p := range pairs {
		if err := s.Set(t.Context(), []byte(p[:1]), []byte(p[1:])); err != nil {
			t.Fatal(err)
		}
	}
	s.latest()
	return s
}

func TestIndexAndOrderThatDifferAreFoundOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		index, order []string
		want         string
	}{
		"equal":                   {[]string{"a1", "b2"}, []string{"b2", "a1"}, ""},
		"empty":                   {nil, nil, ""},
		"missing in the order":    {[]string{"a1", "b2"}, []string{"a1"}, "I24"},
		"missing in the index":    {[]string{"a1"}, []string{"a1", "b2"}, "I24"},
		"another key":             {[]string{"a1", "b2"}, []string{"a1", "c2"}, "I24"},
		"another value":           {[]string{"a1", "b2"}, []string{"a1", "b3"}, "I24"},
		"nothing in the order":    {[]string{"a1"}, nil, "I24"},
		"nothing in the index":    {nil, []string{"a1"}, "I24"},
		"written over, as it was": {[]string{"a1", "a2"}, []string{"a2"}, ""},
	} {
		index, order := storageOf(t, c.index...), storageOf(t, c.order...)
		if got := invariant.Broken(func() { checkSame(&index.index, order.latest()) }); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// The check is made by readers who brought the order up to date: one that finds an item gone
// from it says so.
func TestReaderFindsIndexAndOrderThatDiffer(t *testing.T) {
	t.Parallel()
	if !invariant.On {
		t.Skip("needs -tags kvsim_invariants, without which readers check nothing")
	}
	s, other := storageOf(t, "a1", "b2"), storageOf(t, "a1")
	last := s.tree.Load().last
	s.tree.Store(&tree{other.latest(), last})
	writeAndRead := func(key string) func() {
		return func() {
			if err := s.Set(t.Context(), []byte(key), []byte("3")); err != nil {
				t.Error(err)
			}
			s.latest()
		}
	}
	if got := invariant.Broken(writeAndRead("c")); got != "I24" {
		t.Errorf("a reader finds %q, want I24", got)
	}
	s = New()
	for i := range 10 * checkFew { // more are checked now and then
		if err := s.Set(t.Context(), fmt.Appendf(nil, "%d", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	s.latest()
	s.tree.Store(&tree{storageOf(t, "a1").latest(), s.tree.Load().last})
	got := ""
	for i := 0; got == "" && i < 20; i++ {
		got = invariant.Broken(writeAndRead("x"))
	}
	if got != "I24" {
		t.Errorf("20 readers of a storage of many items find %q, want I24", got)
	}
}

func TestWriteThatReadersDoNotKnowOfIsFoundOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		begin func(*Storage, *undo.Log)
		want  string
	}{
		"begun":            {func(s *Storage, log *undo.Log) { s.begin(log) }, ""},
		"not begun":        {func(*Storage, *undo.Log) {}, "I22"},
		"with another log": {func(s *Storage, _ *undo.Log) { s.begin(undo.New(1)) }, "I22"},
		"no log published": {func(s *Storage, log *undo.Log) {
			s.begin(log)
			s.undo.Store(nil)
		}, "I22"},
	} {
		s, log := storageOf(t, "a1"), undo.New(1)
		c.begin(s, log)
		if got := invariant.Broken(func() { s.checkWriting(log) }); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if !invariant.On { // nobody asks
			continue
		}
		records := []kvstore.Record{{Key: []byte("a"), Value: []byte("2")}}
		if got := invariant.Broken(func() { s.apply(&writing{}, records, false, log) }); got != c.want {
			t.Errorf("%s, in a write: %q, want %q", name, got, c.want)
		}
	}
}
