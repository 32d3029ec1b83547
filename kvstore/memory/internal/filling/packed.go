package filling

import (
	"github.com/kvsim/kvsim/kvstore/memory/internal/chunk"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
)

// Items begin at multiples of chunk.Alignment in a chunk, so that a ref has the offset in
// 14 bits and the number of the chunk in 18: chunks of 16 GiB together.
const (
	offsetBits = 14
	mostChunks = 1 << (32 - offsetBits)
)

// ref is where an item lies: a number of a chunk and an offset. It is never 0.
type ref uint32

func refOf(number, offset int) ref { return ref(number<<offsetBits | offset/chunk.Alignment) }

func (r ref) chunk() int  { return int(r >> offsetBits) }
func (r ref) offset() int { return int(r) & (1<<offsetBits - 1) * chunk.Alignment }

// packed has the items of a storage that is being filled, the small ones in chunks, in
// their order. An allocation each would cost more: the collector looks at every object, and
// an item of 130 bytes takes one of 144.
//
// What is overwritten or deleted is wasted. When that is more than a fifth, the live
// items of chunks of which more than a fifth is wasted are written again, behind the
// newest items: the segment cleaning of Rosenblum and Ousterhout, "The Design and
// Implementation of a Log-Structured File System", 1992. A chunk without live items is given
// up immediately.
type packed struct {
	small  int        // bytes of the largest item that goes into a chunk with others
	chunks []numbered // by number; number 0 is none
	spare  []int      // numbers of those that were given up
	newest int        // number of the one that small items go to, or 0
	hand   int        // number of the one that was cleaned last
	bytes  int        // of all items
	total  int        // bytes of all chunks of small items
	live   int        // bytes of all small items, as they lie

	written int // bytes of items since the last cleaning

	sunk uint64 // what nobody reads
}

// numbered is a chunk of small items, or one large item alone.
type numbered struct {
	chunk.Chunk
	live  int // bytes
	alone bool
}

// item returns the item at r.
func (c *packed) item(r ref) *item.Item { return item.In(c.chunks[r.chunk()].Bytes, r.offset()) }

// hasRoom reports whether there are numbers for n chunks and a few.
func (c *packed) hasRoom(n int) bool { return n+2 < mostChunks-len(c.chunks)+len(c.spare) }

// add copies key and value into a new item and returns where it is.
func (c *packed) add(key, value []byte, s item.Stamp) ref {
	p := item.Plan(key, value, s)
	r, buf := c.take(p.Size)
	flags := byte(item.Chunked)
	if p.Size > c.small {
		flags = 0
	}
	p.In(buf, key, value, flags)
	return r
}

// again copies the small item at r, drops that, and returns where the copy is.
func (c *packed) again(r ref) ref {
	it := c.item(r)
	size := it.Size()
	to, buf := c.take(size)
	copy(buf, it.Raw(size))
	c.drop(r)
	return to
}

// take returns where the next item is to be, which has the size.
func (c *packed) take(size int) (ref, []byte) {
	c.written += size
	c.bytes += size
	if size > c.small {
		buf := make([]byte, size)
		return refOf(c.hold(numbered{chunk.Chunk{Bytes: buf, Used: size}, size, true}), 0), buf
	}
	room := chunk.Align(size)
	if c.chunks[c.newest].Room() < room {
		c.extend()
	}
	k := &c.chunks[c.newest]
	k.live += room
	c.live += room
	return refOf(c.newest, k.Used), k.Take(room)[:size]
}

// extend begins another chunk.
func (c *packed) extend() {
	full := c.newest
	c.newest = c.hold(numbered{Chunk: chunk.New(chunk.Least, c.total)})
	c.total += len(c.chunks[c.newest].Bytes)
	if full > 0 && c.chunks[full].live == 0 {
		c.give(full)
	}
}

// hold returns a number for k.
func (c *packed) hold(k numbered) int {
	if n := len(c.spare); n > 0 {
		number := c.spare[n-1]
		c.spare = c.spare[:n-1]
		c.chunks[number] = k
		return number
	}
	c.chunks = append(c.chunks, k)
	return len(c.chunks) - 1
}

// drop says that nobody has the item at r any more.
func (c *packed) drop(r ref) {
	number := r.chunk()
	k := &c.chunks[number]
	size := item.In(k.Bytes, r.offset()).Size()
	c.bytes -= size
	if k.alone {
		c.give(number)
		return
	}
	k.live -= chunk.Align(size)
	c.live -= chunk.Align(size)
	if k.live == 0 && number != c.newest {
		c.give(number)
	}
}

// give gives a chunk and its number up.
func (c *packed) give(number int) {
	if k := c.chunks[number]; !k.alone {
		c.total -= len(k.Bytes)
	}
	c.chunks[number] = numbered{}
	c.spare = append(c.spare, number)
}

// wasteful reports whether more than a fifth of size bytes is wasted, of which live are
// alive.
func wasteful(size, live int) bool { return size > live+live/4 }

// victim returns the number of the next chunk to clean.
func (c *packed) victim() (number int, ok bool) {
	for range c.chunks {
		if c.hand++; c.hand >= len(c.chunks) {
			c.hand = 0
		}
		if k := &c.chunks[c.hand]; wasteful(k.Used, k.live) && c.hand != c.newest {
			return c.hand, true
		}
	}
	return 0, false
}
