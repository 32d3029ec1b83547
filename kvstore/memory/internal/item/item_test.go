package item

import (
	"bytes"
	"math"
	"testing"
)

func TestItemHoldsWhatWasPacked(t *testing.T) {
	sizes := []int{0, 1, 63, 64, 127, 128, 8191, 8192, 16384, 70000}
	stamps := []Stamp{
		{Revision: -1},
		{0, 0, true},
		{-1, -1, true},
		{math.MaxInt64, math.MinInt64, true},
		{1 << 40, 1_750_000_000_000, true},
	}
	for _, k := range sizes {
		for _, v := range sizes {
			for _, s := range stamps {
				key, value := bytes.Repeat([]byte{'k'}, k), bytes.Repeat([]byte{'v'}, v)
				it := Pack(key, value, s)
				if !bytes.Equal(it.Key(), key) || !bytes.Equal(it.Value(), value) || it.Stamp() != s {
					t.Fatalf("Pack(%d bytes, %d bytes, %v) = %d bytes, %d bytes, %v",
						k, v, s, len(it.Key()), len(it.Value()), it.Stamp())
				}
				if it.Value() == nil || it.Key() == nil {
					t.Fatalf("Pack(%d bytes, %d bytes): nil slice", k, v)
				}
				if cap(it.Value()) != v || cap(it.Key()) != k {
					t.Fatalf("Pack(%d bytes, %d bytes): an append would write into the item", k, v)
				}
			}
		}
	}
}

// TestCopyOfAnItemIsTheSame copies items that lie in chunks and blocks into an allocation
// of their own and back.
func TestCopyOfAnItemIsTheSame(t *testing.T) {
	for _, size := range []int{0, 1, 30, 31, 127, 128, 5000} {
		for _, s := range []Stamp{{Revision: -1}, {7, 1_750_000_000_000, true}} {
			key, value := bytes.Repeat([]byte{'k'}, size), bytes.Repeat([]byte{'v'}, size)
			p := Plan(key, value, s)
			it := p.In(make([]byte, p.Size), key, value, Chunked)
			block := it.AppendTo([]byte{1, 2}, Chunked|Gathered)
			block = it.AppendTo(block, Gathered)
			in, behind := In(block, 2), In(block, 2+p.Size)
			alone := in.Clone()
			if !it.Same(in) || !it.Same(behind) || !it.Same(alone) || !it.Same(it) {
				t.Errorf("%d bytes, %v: a copy differs", size, s)
			}
			if !it.Chunked() || it.Gathered() || !in.Chunked() || !in.Gathered() || behind.Chunked() || alone.Chunked() || alone.Gathered() {
				t.Errorf("%d bytes, %v: the flags are not those of the copy", size, s)
			}
			if !behind.Behind(in, p.Size) || in.Next(p.Size) != behind || in.Behind(behind, p.Size) || it.Behind(in, p.Size) {
				t.Errorf("%d bytes, %v: the second of a block is not behind the first one", size, s)
			}
		}
	}
}

func TestItemsThatDifferAreNotTheSame(t *testing.T) {
	it := Pack([]byte("k"), []byte("v"), Stamp{1, 2, true})
	for name, other := range map[string]*Item{
		"key":      Pack([]byte("l"), []byte("v"), Stamp{1, 2, true}),
		"value":    Pack([]byte("k"), []byte("w"), Stamp{1, 2, true}),
		"revision": Pack([]byte("k"), []byte("v"), Stamp{2, 2, true}),
		"time":     Pack([]byte("k"), []byte("v"), Stamp{1, 3, true}),
		"no stamp": Pack([]byte("k"), []byte("v"), Stamp{}),
	} {
		if it.Same(other) || other.Same(it) {
			t.Errorf("an item with another %s is the same", name)
		}
	}
}
