package chunk

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
)

// itemsOf returns n items of sizes around Small and below, each with an allocation.
func itemsOf(n int) []*item.Item {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	items := make([]*item.Item, n)
	for i := range items {
		items[i] = item.Pack(fmt.Appendf(nil, "%05d", i), make([]byte, rng.IntN(1+rng.IntN(Small+100))), item.Stamp{})
	}
	return items
}

func TestGatheredItemsAreTheSameAndLieSideBySide(t *testing.T) {
	for _, shared := range []bool{false, true} {
		before := itemsOf(5000)
		after := append([]*item.Item(nil), before...)
		b := Blocks{Shared: shared}
		for from := 0; from < len(after); from += 50 {
			b.Gather(after[from : from+50])
		}
		side := 0
		for i, it := range after {
			small := before[i].Size() <= Small
			if !it.Same(before[i]) || (it == before[i]) == small || it.Gathered() != small || it.Chunked() != (small && shared) {
				t.Fatalf("shared %v: item %d of %d bytes became one of %d, gathered %v, in a chunk %v",
					shared, i, before[i].Size(), it.Size(), it.Gathered(), it.Chunked())
			}
			if i > 0 && it.Behind(after[i-1], after[i-1].Size()) {
				side++
				if i%50 == 0 {
					t.Fatalf("shared %v: item %d touches one that was gathered before", shared, i)
				}
			}
		}
		if side < len(after)/2 {
			t.Errorf("shared %v: %d of %d items lie side by side", shared, side, len(after))
		}
	}
}

// TestOldChunksAreWalkedItemByItem has chunks with blocks and without given up, of which
// every item is offered, in its order.
func TestOldChunksAreWalkedItemByItem(t *testing.T) {
	var o Old
	var want []*item.Item
	c := New(Least, 0)
	for _, it := range itemsOf(200) {
		if room := Align(it.Size()); it.Size() <= Small && room <= c.Room() {
			buf := c.Take(room)
			want = append(want, item.In(it.AppendTo(buf[:0], item.Chunked), 0))
		}
	}
	o.Add([]Chunk{c}, false)
	b := Blocks{Shared: true}
	for from := 0; from < 2000; from += 50 {
		part := itemsOf(50)
		b.Gather(part)
		for _, it := range part {
			if it.Chunked() {
				want = append(want, it)
			}
		}
	}
	o.Add(b.Chunks(), true)
	var got []*item.Item
	o.GiveUp(math.MaxInt, 0, func(items []*item.Item) { got = append(got, items...) })
	if len(got) != len(want) || o.Total() != 0 {
		t.Fatalf("%d items were offered of %d, %d bytes are left", len(got), len(want), o.Total())
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("item %d is %q, want %q", i, got[i].Key(), want[i].Key())
		}
	}
}

func TestOldChunksAreGivenUpNoSoonerThanNeeded(t *testing.T) {
	const used = 104 // bytes of a chunk
	for _, c := range []struct {
		live, budget, slack, want int
	}{
		{0, math.MaxInt, 0, 10},            // nothing is alive
		{10_240, math.MaxInt, 0, 0},        // all is
		{3414, math.MaxInt, 0, 5},          // half of what is alive may be wasted
		{0, 2 * used, 0, 2},                // what may be read is used up
		{0, math.MaxInt, 10_240, 0},        // that much may be wasted
		{5120, math.MaxInt, 10_240 / 4, 0}, // the same, beside what is alive
	} {
		var o Old
		var list []Chunk
		for range 10 {
			k := New(Least, 0)
			item.Pack([]byte("k"), make([]byte, 100), item.Stamp{}).AppendTo(k.Take(used)[:0], item.Chunked)
			list = append(list, k)
		}
		o.Live.Add(int64(c.live))
		o.Add(list, false)
		given := 0
		o.GiveUp(c.budget, c.slack, func([]*item.Item) { given++ })
		if given != c.want {
			t.Errorf("%d bytes alive of 10,240, %d may be wasted: %d chunks were given up, want %d", c.live, c.slack, given, c.want)
		}
		runtime.KeepAlive(list)
	}
}

func TestChunksGrowWithWhatIsThere(t *testing.T) {
	for _, c := range []struct{ least, total, want int }{
		{Least, 0, Least}, {Least, 16 * Least, 2 * Least}, {BlockSize, 0, BlockSize}, {Least, 1 << 30, Most},
	} {
		k := New(c.least, c.total)
		if k.Room() != c.want {
			t.Errorf("New(%d, %d) has %d bytes, want %d", c.least, c.total, k.Room(), c.want)
		}
		if a, b := k.Take(8), k.Take(8); cap(a) != 8 || len(b) != 8 || &a[0] == &b[0] || k.Room() != c.want-16 {
			t.Errorf("New(%d, %d): what is taken twice overlaps, or the room left is %d", c.least, c.total, k.Room())
		}
	}
}
