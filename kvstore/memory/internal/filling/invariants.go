package filling

import (
	"github.com/kvsim/kvsim/kvstore/internal/invariant"
	"github.com/kvsim/kvsim/kvstore/memory/internal/chunk"
)

// Check holds the table to what it counts, and to finding each key where it is.
func (t *Table) Check() {
	alive := make([]int, len(t.packed.chunks)) // bytes by number of chunk
	count, bytes, small := 0, 0, 0
	for at, p := range t.places {
		if p == 0 {
			continue
		}
		it := t.packed.item(p.ref())
		found, ok := t.locate(p.hash(), it.Key())
		invariant.Check("filling", ok && found == at, "the search for %q ends at place %d, it is at %d", it.Key(), found, at)
		size := it.Size()
		count++
		bytes += size
		if it.Chunked() {
			size = chunk.Align(size)
			small += size
		}
		alive[p.ref().chunk()] += size
	}
	n := len(t.places)
	invariant.Check("filling", count == t.count, "%d keys, %d counted", count, t.count)
	invariant.Check("filling", count <= n/4*3 && (n <= leastPlaces || count >= n/8), "%d keys in %d places", count, n)
	t.packed.check(alive, bytes, small)
}

// check holds the chunks to what they count, of which alive are bytes by number, and those of
// all items and, aligned, of small ones.
func (c *packed) check(alive []int, bytes, small int) {
	total, empty := 0, 0
	for number, k := range c.chunks {
		invariant.Check("filling", k.live == alive[number] && k.live <= k.Used && k.Used <= len(k.Bytes),
			"%d bytes of chunk %d are alive, %d counted, of %d used", alive[number], number, k.live, k.Used)
		if !k.alone {
			total += len(k.Bytes)
		}
		if k.live == 0 && number != c.newest {
			empty++
			invariant.Check("filling", k.Bytes == nil, "chunk %d without items has %d bytes", number, len(k.Bytes))
		}
	}
	if c.newest != 0 {
		empty-- // number 0
	}
	invariant.Check("filling", empty == len(c.spare), "%d numbers are free, %d known as such", empty, len(c.spare))
	invariant.Check("filling", total == c.total && small == c.live && bytes == c.bytes,
		"chunks of %d bytes with %d alive and items of %d, counted: %d, %d, %d", total, small, bytes, c.total, c.live, c.bytes)
}
