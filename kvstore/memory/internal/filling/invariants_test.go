package filling

import (
	"hash/maphash"
	"testing"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
	"github.com/kvsim/kvsim/kvstore/memory/internal/chunk"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
)

func TestTableThatIsWrongIsFoundOut(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]func(*Table){
		"counts too many":           func(f *Table) { f.count++ },
		"counts bytes too many":     func(f *Table) { f.packed.bytes++ },
		"counts live bytes too few": func(f *Table) { f.packed.live-- },
		"counts chunks too few":     func(f *Table) { f.packed.total-- },
		"a chunk counts too many":   func(f *Table) { f.packed.chunks[1].live += chunk.Alignment },
		"a free number is in use":   func(f *Table) { f.packed.spare = append(f.packed.spare, 1) },
		"an empty chunk is kept":    func(f *Table) { f.packed.chunks = append(f.packed.chunks, numbered{Chunk: chunk.New(8, 0)}) },
		"an item where nobody looks for it": func(f *Table) {
			for at, p := range f.places {
				if p != 0 {
					f.places[at] = placeOf(p.hash()+1<<31, p.ref())
				}
			}
		},
	} {
		f := New(maphash.MakeSeed(), chunk.Most, chunk.Small)
		for _, k := range []string{"a", "b", "c"} {
			f.Put(item.Hash(f.seed, []byte(k)), []byte(k), []byte("1"), item.Stamp{})
		}
		if invariant.Broken(f.Check) != "" {
			t.Fatalf("%s: broken before anything is wrong", name)
		}
		if wrong(f); invariant.Broken(f.Check) == "" {
			t.Errorf("%s: not found out", name)
		}
	}
}
