package chunk

import "github.com/kvsim/kvsim/kvstore/memory/internal/item"

// BlockSize is the most bytes that a block takes.
const BlockSize = 4096

// Blocks puts items side by side in blocks, which have an allocation each or, when they are
// shared, are parts of chunks. Of an object the collector looks up where it lies, in a
// record of about 160 bytes for 8 KiB of them. With many millions of items in an
// allocation a block, these records fit no cache, and collections take several times as
// long.
type Blocks struct {
	Shared bool // in chunks

	full   []Chunk
	newest Chunk
	total  int // bytes of all chunks
}

// Gather copies the small items, which are neighbours in key order, into blocks, and puts
// the copies in their places. A range then reads memory from front to back, which
// processors are good at: scattered items cost it a cache miss and a miss of the address
// translation each.
//
// What is overwritten or deleted later stays in its block until its neighbours are
// gathered again or the last item of the block's allocation goes.
func (b *Blocks) Gather(items []*item.Item) {
	for len(items) > 0 {
		size := items[0].Size()
		if size > Small {
			items = items[1:]
			continue
		}
		most := b.room(size + 1) // a byte at the end: see item.Behind
		n, size := 1, size+1
		for ; n < len(items); n++ {
			s := items[n].Size()
			if s > Small || size+s > most {
				break
			}
			size += s
		}
		b.copy(items[:n], size)
		items = items[n:]
	}
}

// copy replaces items by copies in a block of size bytes, for which there is room.
func (b *Blocks) copy(items []*item.Item, size int) {
	var block []byte
	flags := byte(item.Gathered)
	if b.Shared {
		block = b.newest.Take(size)[:0]
		flags |= item.Chunked
	} else {
		block = make([]byte, 0, size)
	}
	for i, it := range items {
		at := len(block)
		block = it.AppendTo(block, flags)
		items[i] = item.In(block, at)
	}
}

// room returns how large the next block may be, in which there is room for size bytes.
func (b *Blocks) room(size int) int {
	if !b.Shared {
		return BlockSize
	}
	if b.newest.Room() < size {
		b.full = b.Chunks()
		b.newest = New(BlockSize, b.total)
		b.total += len(b.newest.Bytes)
	}
	return min(BlockSize, b.newest.Room())
}

// Chunks returns the chunks with blocks.
func (b *Blocks) Chunks() []Chunk {
	if b.newest.Used == 0 {
		return b.full
	}
	return append(b.full, b.newest)
}
