package memory

import (
	"sync/atomic"
	"weak"
)

// chunks is what the index knows of the chunks that its storage was filled with.
//
// What is overwritten, deleted or gathered lies waste. When that is more than a third, the
// oldest chunks are given up: what they have alive gets allocations of its own, so that
// it is moved once at most. A chunk without live items needs no cleaning: nothing points
// into it but the list, weakly, and the collector takes it.
//
// All of it is guarded by the storage's mu, but for live.
type chunks struct {
	list  []leftover
	total int          // bytes of all of them
	live  atomic.Int64 // of those, the bytes of items that the index has
}

type leftover struct {
	first weak.Pointer[byte]
	used  int // bytes
	size  int
}

// adopt takes chunks over, of whose bytes the index has live.
func (c *chunks) adopt(list []chunk, live int) {
	c.list = make([]leftover, len(list))
	for i, k := range list {
		c.list[i] = leftover{weak.Make(&k.bytes[0]), k.used, len(k.bytes)}
		c.total += len(k.bytes)
	}
	c.live.Store(int64(live))
}

// clean moves the live items of the oldest chunks to allocations of their own while too
// much lies waste, and reads some times as much for it as w wrote. To w the items in their
// new place are changes.
func (c *chunks) clean(x *index, w *writing) {
	budget := 4*w.weight + mostChunk
	for int64(c.total) > c.live.Load()*3/2+int64(x.slack) && len(c.list) > 0 && budget > 0 {
		oldest := c.list[0]
		c.list[0] = leftover{}
		c.list = c.list[1:]
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
			size := align(it.size())
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
				c.live.Add(-int64(align(size)))
				w.did(change{item: to, hash: hashes[i]}, size)
			}
		}
	}
}
