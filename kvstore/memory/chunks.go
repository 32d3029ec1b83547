package memory

import (
	"sync/atomic"
	"weak"
)

const (
	// leastChunk and mostChunk bound the size of a chunk, in bytes. The most is what
	// one held slice keeps alive. With 16 KiB the collector's own records of so many
	// objects do not fit its caches: 10,000,000 keys took 4.8 s to open instead of 3.6.
	leastChunk = 1 << 10
	mostChunk  = 64 << 10
)

// chunks is where the small items lie that came while the storage was filled, in their
// order. An allocation each would cost more: the collector looks at every object, and an
// item of 130 bytes takes one of 144.
//
// What is overwritten, deleted or gathered lies waste. When that is more than a third, the
// oldest chunks are given up: what they have alive gets allocations of its own, so that
// it is moved once at most. This is the segment cleaning of Rosenblum and Ousterhout, "The
// Design and Implementation of a Log-Structured File System", 1992, oldest first. A
// chunk without live items needs no cleaning: nothing points into it but the list,
// weakly, and the collector takes it.
//
// All of it is guarded by the storage's mu, but for live.
type chunks struct {
	room  []byte // of the newest chunk, what is left
	size  int    // of the newest chunk
	first weak.Pointer[byte]
	old   []chunk // the other ones, the oldest first
	total int     // bytes of all of them
	live  atomic.Int64
}

// chunk is a full one.
type chunk struct {
	first weak.Pointer[byte]
	used  int // bytes
	size  int
}

// pack copies key and value into a new item, small ones into a chunk.
func (c *chunks) pack(key, value []byte, s stamp) *item {
	p := plan(key, value, s, chunked)
	if p.size > maxGathered {
		p.head[0] &^= chunked
		return p.in(make([]byte, p.size), key, value)
	}
	return p.in(c.take(p.size), key, value)
}

// take returns the next size bytes.
func (c *chunks) take(size int) []byte {
	if size > len(c.room) {
		c.extend()
	}
	b := c.room[:size:size]
	c.room = c.room[size:]
	return b
}

// extend begins another chunk: a larger one the more there is already.
func (c *chunks) extend() {
	if c.size > 0 {
		c.old = append(c.old, chunk{c.first, c.size - len(c.room), c.size})
	}
	c.size = leastChunk
	for c.size < mostChunk && c.size < c.total/8 {
		c.size *= 2
	}
	c.room = make([]byte, c.size)
	c.first = weak.Make(&c.room[0])
	c.total += c.size
}

// clean moves the live items of the oldest chunks to allocations of their own while too
// much lies waste, and reads some times as much for it as w wrote. To w the items in their
// new place are changes.
func (c *chunks) clean(x *index, w *writing) {
	budget := 4*w.weight + mostChunk
	for int64(c.total) > c.live.Load()*3/2+int64(x.slack) && len(c.old) > 0 && budget > 0 {
		oldest := c.old[0]
		c.old[0] = chunk{}
		c.old = c.old[1:]
		c.total -= oldest.size
		if first := oldest.first.Value(); first != nil {
			budget -= oldest.used
			c.rescue(x, (*item)(first), oldest.used, w)
		}
	}
}

// rescue moves the items of a chunk of which used bytes are items, beginning with it, as
// far as x has them.
func (c *chunks) rescue(x *index, it *item, used int, w *writing) {
	d := x.dir.Load()
	var items [ahead]*item
	var hashes [ahead]uint32
	for used > 0 {
		n := 0
		for ; n < ahead && used > 0; n++ {
			items[n] = it
			size := it.size()
			if used -= size; used > 0 {
				it = it.next(size)
			}
		}
		x.hashes(d, items[:n], hashes[:])
		for i, it := range items[:n] {
			p := d.segment(hashes[i]).place(hashes[i], it)
			if p == nil {
				continue
			}
			size := it.size()
			alone := append([]byte(nil), it.raw(size)...)
			alone[0] &^= chunked
			if to := itemAt(alone, 0); p.CompareAndSwap(it, to) {
				c.live.Add(-int64(size))
				w.did(change{item: to, hash: hashes[i]}, size)
			}
		}
	}
}
