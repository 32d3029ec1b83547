package order

import (
	"fmt"
	"testing"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
)

func TestVersionThatChangesAfterItWasHandedOutIsFoundOut(t *testing.T) {
	t.Parallel()
	if !invariant.On {
		t.Skip("needs -tags kvsim_invariants, without which nothing is remembered")
	}
	change := func(i int) Change {
		return Change{Item: item.Pack(fmt.Appendf(nil, "key %03d", i), []byte("value"), item.Stamp{})}
	}
	leaf := func(t Tree) *node {
		n := t.root
		for n.height > 0 {
			n = n.children[0]
		}
		return n
	}
	for name, wrong := range map[string]func(Tree){
		"nothing":          nil,
		"bytes of a value": func(t Tree) { leaf(t).slots[0].Item.Value()[0]++ },
		"an item":          func(t Tree) { leaf(t).slots[0].Item = change(0).Item },
		"a slot less":      func(t Tree) { n := leaf(t); n.slots = n.slots[:len(n.slots)-1] },
	} {
		m := &Maker{}
		tree := m.Build(nil)
		for i := range 200 { // several leaves
			tree = m.Apply(tree, []Change{change(i)})
		}
		if wrong != nil {
			wrong(tree)
		}
		if got := invariant.Broken(func() { m.Apply(tree, []Change{change(500)}) }) != ""; got != (wrong != nil) {
			t.Errorf("%s: found out: %v", name, got)
		}
	}
}
