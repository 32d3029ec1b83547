package order

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
	"github.com/kvsim/kvsim/kvstore/memory/internal/chunk"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
)

func TestHintFollowsByteOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		a, b := randomKey(rng, 12), randomKey(rng, 12)
		if bytes.Compare(a, b) > 0 {
			a, b = b, a
		}
		for skip := range sharedPrefix(a, b) + 1 {
			if hintOf(a, uint32(skip)) > hintOf(b, uint32(skip)) {
				t.Fatalf("skip %d: hint of %q is above the hint of %q", skip, a, b)
			}
		}
	}
}

// randomKey draws a short key from few different bytes, so that keys are often
// equal, prefixes of each other, or different in a trailing zero only.
func randomKey(rng *rand.Rand, most int) []byte {
	key := make([]byte, rng.IntN(most+1))
	for i := range key {
		key[i] = []byte{0x00, 0x01, 'a', 0xff}[rng.IntN(4)]
	}
	return key
}

// TestTreeGrowsAndShrinks fills and empties trees of three levels and more in
// several orders and checks every invariant on the way.
func TestTreeGrowsAndShrinks(t *testing.T) {
	const size = 6_000
	orders := map[string]func(rng *rand.Rand) []int{
		"ascending":  func(*rand.Rand) []int { return sequence(size) },
		"descending": func(*rand.Rand) []int { return reversed(sequence(size)) },
		"random":     func(rng *rand.Rand) []int { return rng.Perm(size) },
	}
	for in, fill := range orders {
		for out, drain := range orders {
			if testing.Short() && in != out {
				continue
			}
			t.Run(in+" in, "+out+" out", func(t *testing.T) {
				rng := rand.New(rand.NewPCG(3, 4))
				k := newKept()
				tree := k.maker.Build(nil)
				// One change at a time: several would be made in key order.
				for i, n := range fill(rng) {
					tree = k.apply(tree, k.put(n))
					k.check(t, tree, i%500 == 0)
				}
				if n := len(keysOf(tree)); n != size {
					t.Fatalf("%d keys, want %d", n, size)
				}
				if tree.root.height < 2 {
					t.Fatalf("a tree of height %d, which is too low for this test", tree.root.height)
				}
				for i, n := range drain(rng) {
					tree = k.apply(tree, k.delete(n))
					k.check(t, tree, i%500 == 0 || i > size-100)
				}
				if root := tree.root; root.size() != 0 || root.height != 0 {
					t.Fatalf("emptied tree has height %d and %d entries, want an empty leaf", root.height, root.size())
				}
			})
		}
	}
}

// TestVersionsStayAsTheyWere keeps versions of a tree while others are made of it: by changes
// at random, of which several concern the same keys, and by whole runs of keys that come and go.
func TestVersionsStayAsTheyWere(t *testing.T) {
	type version struct {
		tree Tree
		want []string
	}
	for _, index := range []bool{true, false} {
		rng := rand.New(rand.NewPCG(7, 8))
		k := newKept()
		if !index {
			k.maker.Index = nil
		}
		there := map[int]bool{}
		var built []*item.Item
		for n := range 1000 {
			built = append(built, k.put(2*n).Item)
			there[2*n] = true
		}
		rng.Shuffle(len(built), func(i, j int) { built[i], built[j] = built[j], built[i] })
		tree := k.maker.Build(built)
		var versions []version
		for range 200 {
			var changes []Change
			from, gone := rng.IntN(1800), rng.IntN(3) == 0
			for i := range 1 + rng.IntN(200) {
				n := from + i
				if rng.IntN(4) == 0 {
					n = from + rng.IntN(i+1)
				}
				if g := gone != (rng.IntN(8) == 0); g {
					changes = append(changes, k.delete(n))
					delete(there, n)
				} else {
					changes = append(changes, k.put(n))
					there[n] = true
				}
			}
			tree = k.apply(tree, changes...)
			k.check(t, tree, index)
			var want []string
			for n := range 2100 {
				if there[n] {
					want = append(want, string(key(n)))
				}
			}
			versions = append(versions, version{tree, want})
		}
		for i, v := range versions {
			v.tree.Check()
			if got := keysOf(v.tree); !slices.Equal(got, v.want) {
				t.Fatalf("version %d has %d keys after others were made, want %d, or others", i, len(got), len(v.want))
			}
		}
	}
}

// TestAscendStopsAtTheEnd compares ranges of a tree with those of a sorted list.
func TestAscendStopsAtTheEnd(t *testing.T) {
	k := newKept()
	var items []*item.Item
	for n := range 500 {
		items = append(items, k.put(2*n).Item)
	}
	tree := k.maker.Build(items)
	all := keysOf(tree)
	for from := -1; from < 1010; from += 7 {
		for to := -1; to < 1010; to += 11 {
			var start, end []byte
			if from >= 0 {
				start = key(from)
			}
			if to >= 0 {
				end = key(to)
			}
			var want, got []string
			for _, s := range all {
				if s >= string(start) && (end == nil || s < string(end)) {
					want = append(want, s)
				}
			}
			tree.Ascend(start, end, func(slots []Slot) bool {
				for _, s := range slots {
					got = append(got, string(s.Item.Key()))
				}
				return true
			})
			if !slices.Equal(got, want) {
				t.Fatalf("from %q to %q: %d keys, want %d", start, end, len(got), len(want))
			}
		}
	}
	visits := 0
	tree.Ascend(nil, nil, func([]Slot) bool { visits++; return false })
	if visits != 1 {
		t.Errorf("%d leaves were visited after visit returned false", visits)
	}
}

func TestTreeThatIsWrongIsFoundOut(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]func(root *node){
		"keys out of order":        func(n *node) { l := n.children[0]; l.slots[0], l.slots[1] = l.slots[1], l.slots[0] },
		"a key in another leaf":    func(n *node) { n.children[0].slots[0] = n.children[1].slots[0] },
		"a separator too few":      func(n *node) { n.slots = n.slots[1:] },
		"a hint of another key":    func(n *node) { n.children[0].slots[0].hint++ },
		"an empty leaf":            func(n *node) { n.children[0].slots = nil },
		"a leaf one level too low": func(n *node) { n.children[0].height++ },
		"a leaf that is still due": func(n *node) { n.children[0].due = true },
		"a leaf too full": func(n *node) {
			n.children[0].slots = append(n.children[0].slots, n.children[0].slots...)
		},
	} {
		k := newKept()
		var items []*item.Item
		for n := range 200 {
			items = append(items, k.put(n).Item)
		}
		tree := k.maker.Build(items)
		tree.Check()
		wrong(tree.root)
		if invariant.Broken(tree.Check) == "" {
			t.Errorf("%s: not found out", name)
		}
	}
}

// kept is an index of a maker: it has the items where they are now.
type kept struct {
	maker Maker

	mu    sync.Mutex
	items map[string]*item.Item
	wrong error
}

func newKept() *kept {
	k := &kept{items: map[string]*item.Item{}}
	k.maker.Index = k
	return k
}

func (k *kept) put(n int) Change {
	it := item.Pack(key(n), []byte("v"), item.Stamp{})
	k.items[string(it.Key())] = it
	return Change{Item: it}
}

func (k *kept) delete(n int) Change {
	delete(k.items, string(key(n)))
	return Change{item.Pack(key(n), nil, item.Stamp{}), true}
}

func (k *kept) apply(t Tree, changes ...Change) Tree { return k.maker.Apply(t, changes) }

func (k *kept) Move(before, after []*item.Item) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(before) != len(after) || len(before) > MaxLeaf+1 {
		k.wrong = fmt.Errorf("%d items became %d", len(before), len(after))
	}
	for i, it := range before {
		if !it.Same(after[i]) {
			k.wrong = fmt.Errorf("%q became %q", it.Key(), after[i].Key())
		}
		if k.items[string(it.Key())] == it {
			k.items[string(it.Key())] = after[i]
		}
	}
}

func (k *kept) Join([]chunk.Chunk) {}

// check holds the tree to its invariants and to the items where the index knows them.
func (k *kept) check(t *testing.T, tree Tree, now bool) {
	t.Helper()
	if !now {
		return
	}
	tree.Check()
	n := 0
	tree.Ascend(nil, nil, func(slots []Slot) bool {
		n += len(slots)
		for _, s := range slots {
			if it := k.items[string(s.Item.Key())]; it != s.Item {
				t.Errorf("the tree has not the item of %q that the index has", s.Item.Key())
			}
			if tree.Get(s.Item.Key()) != s.Item {
				t.Errorf("the tree does not find %q", s.Item.Key())
			}
		}
		return true
	})
	if n != len(k.items) || k.wrong != nil {
		t.Fatalf("the tree has %d items, the index %d; %v", n, len(k.items), k.wrong)
	}
}

func key(n int) []byte { return fmt.Appendf(nil, "key/%06d", n) }

func keysOf(t Tree) []string {
	var keys []string
	t.Ascend(nil, nil, func(slots []Slot) bool {
		for _, s := range slots {
			keys = append(keys, string(s.Item.Key()))
		}
		return true
	})
	return keys
}

func sequence(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

func reversed(s []int) []int {
	slices.Reverse(s)
	return s
}
