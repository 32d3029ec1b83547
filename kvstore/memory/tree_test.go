package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kvsim/kvsim/kvstore"
)

// checkTree returns the first broken invariant of the tree below n, or nil.
func checkTree(n *node) error {
	return checkNode(n, nil, nil, true)
}

// checkNode checks the node and what is below it: low <= keys < high, where nil
// means no bound.
func checkNode(n *node, low, high []byte, root bool) error {
	switch {
	case n.size() > n.capacity():
		return fmt.Errorf("node of height %d has %d entries, want at most %d", n.height, n.size(), n.capacity())
	case n.size() == 0 && !root:
		return fmt.Errorf("empty node of height %d", n.height)
	case n.height > 0 && len(n.slots) != len(n.children)-1:
		return fmt.Errorf("%d separators for %d children", len(n.slots), len(n.children))
	case n.height == 0 && n.children != nil:
		return fmt.Errorf("leaf with %d children", len(n.children))
	}
	if err := checkSlots(n, low, high); err != nil {
		return err
	}
	for i, child := range n.children {
		if child.height != n.height-1 {
			return fmt.Errorf("child of height %d below height %d", child.height, n.height)
		}
		from, to := low, high
		if i > 0 {
			from = n.slots[i-1].item.Key()
		}
		if i < len(n.slots) {
			to = n.slots[i].item.Key()
		}
		if err := checkNode(child, from, to, false); err != nil {
			return err
		}
	}
	return nil
}

func checkSlots(n *node, low, high []byte) error {
	for i, s := range n.slots {
		key := s.item.Key()
		if low != nil && bytes.Compare(key, low) < 0 || high != nil && bytes.Compare(key, high) >= 0 {
			return fmt.Errorf("key %q outside [%q, %q)", key, low, high)
		}
		if i > 0 && bytes.Compare(n.slots[i-1].item.Key(), key) >= 0 {
			return fmt.Errorf("key %q after %q", key, n.slots[i-1].item.Key())
		}
		if !bytes.HasPrefix(key, n.slots[0].item.Key()[:n.skip]) {
			return fmt.Errorf("key %q does not share %d bytes with %q", key, n.skip, n.slots[0].item.Key())
		}
		if want := hintOf(key, n.skip); s.hint != want {
			return fmt.Errorf("hint of %q = %x, want %x", key, s.hint, want)
		}
	}
	return nil
}

func keysOf(n *node) []string {
	var keys []string
	n.ascend(nil, func(slots []slot) bool {
		for _, s := range slots {
			keys = append(keys, string(s.item.Key()))
		}
		return true
	})
	return keys
}

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
	ctx := context.Background()
	for in, fill := range orders {
		for out, drain := range orders {
			t.Run(in+" in, "+out+" out", func(t *testing.T) {
				rng := rand.New(rand.NewPCG(3, 4))
				s := New()
				for i, k := range fill(rng) {
					mustNot(t, s.Set(ctx, fmt.Appendf(nil, "key/%06d", k), []byte("v")))
					s.root() // else the tree gets many changes at once, in key order
					checkNow(t, s, i%500 == 0)
				}
				if n := len(keysOf(s.root())); n != size {
					t.Fatalf("%d keys, want %d", n, size)
				}
				for i, k := range drain(rng) {
					mustNot(t, s.Delete(ctx, fmt.Appendf(nil, "key/%06d", k)))
					s.root()
					checkNow(t, s, i%500 == 0 || i > size-100)
				}
				if root := s.root(); root.size() != 0 || root.height != 0 {
					t.Fatalf("emptied tree has height %d and %d entries, want an empty leaf", root.height, root.size())
				}
			})
		}
	}
}

// TestWriteWithAnEndedContextLeavesNoTrace tries every write.
func TestWriteWithAnEndedContextLeavesNoTrace(t *testing.T) {
	s := New()
	mustNot(t, s.Set(context.Background(), []byte("old"), []byte("value")))
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for name, err := range map[string]error{
		"Set":          s.Set(ended, []byte("new"), nil),
		"Delete":       s.Delete(ended, []byte("old")),
		"ApplyBatch":   s.ApplyBatch(ended, []kvstore.KeyValue{{Key: []byte("new")}, {Key: []byte("old")}}),
		"ApplyRecords": s.ApplyRecords(ended, []kvstore.Record{{Key: []byte("new")}}),
		"Reset":        s.Reset(ended),
	} {
		if err != context.Canceled {
			t.Errorf("%s with a context that has ended = %v, want %v", name, err, context.Canceled)
		}
	}
	if got := keysOf(s.root()); len(got) != 1 || got[0] != "old" {
		t.Errorf("%d keys after writes that were refused, want the one that was there", len(got))
	}
}

func checkNow(t *testing.T, s *Storage, now bool) {
	t.Helper()
	if !now {
		return
	}
	if err := errors.Join(checkTree(s.root()), checkIndex(s)); err != nil {
		t.Fatal(err)
	}
}

func mustNot(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func sequence(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

func reversed(s []int) []int {
	for i, j := 0, len(s)-1; i < j; i, j = i+1, j-1 {
		s[i], s[j] = s[j], s[i]
	}
	return s
}

// TestOneEditInsertsAndRemovesBelowANode has the same batch insert a key below
// each inner node, which then uses the separators of the version before, and
// delete the keys of whole leaves, which removes separators. The version before
// has to stay as it was.
func TestOneEditInsertsAndRemovesBelowANode(t *testing.T) {
	const keys, gap = 4000, 300
	ctx := context.Background()
	s := New()
	mustNot(t, s.ApplyRecords(ctx, uniform(keys, 0)))
	before, err := s.Snapshot(ctx)
	mustNot(t, err)
	var batch []kvstore.Record
	for i := 0; i < keys; i += gap {
		batch = append(batch, kvstore.Record{Key: append(key(i), '+'), Value: []byte("new")})
	}
	for i := range keys {
		if i/gap%2 == 1 {
			batch = append(batch, kvstore.Record{Key: key(i), Delete: true})
		}
	}
	mustNot(t, s.ApplyRecords(ctx, batch))
	checkNow(t, s, true) // brings the tree up to the batch
	for i := range keys {
		if _, err := before.GetEntry(ctx, key(i)); err != nil {
			t.Fatalf("key %d of the version before the batch: %v", i, err)
		}
	}
}
