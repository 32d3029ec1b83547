package memory

import "github.com/kvsim/kvsim/kvstore/memory/internal/item"

const (
	// blockSize is the most bytes that a block takes.
	blockSize = 4096

	// maxGathered is the size of the largest item that is put into a block. A
	// larger one gains nothing from it.
	maxGathered = 512
)

// gather copies the small items of slots, which are neighbours in key order,
// into blocks, and points the slots at the copies. A range
// then reads memory from front to back, which processors are good at: scattered
// items cost it a cache miss and a miss of the address translation each.
//
// What is overwritten or deleted later stays in its block until the leaf is
// gathered again or the last item of the block's allocation goes; [editor.changed]
// says when.
func gather(slots []slot, from *blocks) {
	for len(slots) > 0 {
		size := slots[0].item.Size()
		if size > maxGathered {
			slots = slots[1:]
			continue
		}
		most := from.room(size + 1) // a byte at the end: see behind
		n, size := 1, size+1
		for ; n < len(slots); n++ {
			s := slots[n].item.Size()
			if s > maxGathered || size+s > most {
				break
			}
			size += s
		}
		copyInto(from.take(size), slots[:n], from.flags())
		slots = slots[n:]
	}
}

// gatherFor gathers the slots of a leaf and tells the index of it.
func gatherFor(x *index, slots []slot, from *blocks) {
	var before [maxLeaf + 1]*item.Item
	for i, s := range slots {
		before[i] = s.item
	}
	gather(slots, from)
	x.move(before[:len(slots)], slots)
}

func copyInto(block []byte, slots []slot, flags byte) {
	for i := range slots {
		at := len(block)
		block = slots[i].item.AppendTo(block, flags)
		slots[i].item = item.In(block, at)
	}
}

// blocks hands out memory for blocks: an allocation for each, or parts of chunks, which
// the index then has to be given. Of an object the collector looks up where it lies, in a
// record of about 160 bytes for 8 KiB of them. With many millions of items in an
// allocation a block, these records fit no cache, and collections take several times as
// long.
type blocks struct {
	shared bool // in chunks
	full   []chunk
	newest chunk
	total  int // bytes of all chunks
}

// room returns how large the next block may be, in which there is room for size bytes.
func (b *blocks) room(size int) int {
	if !b.shared {
		return blockSize
	}
	if k := b.newest; len(k.bytes)-k.used < size {
		b.extend()
	}
	return min(blockSize, len(b.newest.bytes)-b.newest.used)
}

// extend begins another chunk: a larger one the more there is already.
func (b *blocks) extend() {
	if b.newest.used > 0 {
		b.full = append(b.full, b.newest)
	}
	size := blockSize
	for size < mostChunk && size < b.total/8 {
		size *= 2
	}
	b.newest = chunk{bytes: make([]byte, size)}
	b.total += size
}

// take returns an empty block of size bytes, for which there is room.
func (b *blocks) take(size int) []byte {
	if !b.shared {
		return make([]byte, 0, size)
	}
	k := &b.newest
	block := k.bytes[k.used : k.used : k.used+size]
	k.used += size
	return block
}

// flags are those of the items in blocks.
func (b *blocks) flags() byte {
	if b.shared {
		return item.Gathered | item.Chunked
	}
	return item.Gathered
}

// handOver returns the chunks.
func (b *blocks) handOver() []chunk {
	if b.newest.used > 0 {
		b.full = append(b.full, b.newest)
	}
	return b.full
}
