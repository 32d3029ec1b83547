package index

import (
	"github.com/kvsim/kvsim/kvstore/internal/invariant"
	"github.com/kvsim/kvsim/kvstore/memory/internal/chunk"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
	"github.com/kvsim/kvsim/kvstore/memory/internal/undo"
)

// checkLogged checks I22 for a change that is about to be made: a reader finds in the log what
// the key had before.
func checkLogged(log *undo.Log, h uint32, it *item.Item) {
	_, ok := log.Find(h, it.Key())
	invariant.Check("I22", ok, "%q is about to change, and the undo log does not have it", it.Key())
}

// Check holds the index to what it counts and to finding its own items, which I24 rests on.
// Nobody changes it meanwhile, nor moves items.
func (x *Index) Check() {
	weight, live := 0, 0
	for s := range x.all {
		n := 0
		for it := range s.items {
			n++
			key := it.Key()
			invariant.Check("I24", x.Find(x.Hash(key), key) == it, "the index has %q and does not find it", key)
			weight += it.Weight()
			if it.Chunked() {
				live += chunk.Align(it.Size())
			}
		}
		invariant.Check("I24", n == s.count, "a segment counts %d items and has %d", s.count, n)
	}
	invariant.Check("index", weight == x.weight, "the items weigh %d, the index says %d", weight, x.weight)
	_, counted := x.InChunks()
	invariant.Check("index", live == counted, "%d bytes of items lie in chunks, the index says %d", live, counted)
}
