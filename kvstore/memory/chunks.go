package memory

import (
	"sync"
	"sync/atomic"
	"weak"

	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
)

// chunks is what the index knows of the chunks that its storage was filled with, and of
// those with the blocks of its first tree.
//
// What is overwritten, deleted or gathered lies waste. When that is more than a third, the
// oldest chunks are given up: what they have alive gets allocations of its own, so that
// it is moved once at most. A chunk without live items needs no cleaning: nothing points
// into it but the list, weakly, and the collector takes it.
//
// All of it is guarded by the storage's mu, but for what says otherwise.
type chunks struct {
	list  []leftover
	total int          // bytes of all of them
	live  atomic.Int64 // bytes of the items that the index has there, each aligned; anybody's

	mu     sync.Mutex // guards joined; the last to be taken
	joined []chunk    // with blocks, which list is still to get
}

type leftover struct {
	first  weak.Pointer[byte]
	used   int // bytes
	size   int
	blocks bool // the items are not aligned, and between two blocks lies a zero
}

func leftoverOf(k chunk, blocks bool) leftover {
	return leftover{weak.Make(&k.bytes[0]), k.used, len(k.bytes), blocks}
}

// step returns the bytes from an item, behind which begin left bytes less its own, to the
// next one.
func (l *leftover) step(it *item.Item, left int) int {
	size := it.Size()
	if !l.blocks {
		return align(size)
	}
	if size < left && it.At(size) == 0 { // no item of a chunk does: it has a flag
		size++
	}
	return size
}

// adopt takes chunks over, of whose bytes the index has live.
func (c *chunks) adopt(list []chunk, live int) {
	c.list = make([]leftover, len(list))
	for i, k := range list {
		c.list[i] = leftoverOf(k, false)
		c.total += len(k.bytes)
	}
	c.live.Store(int64(live))
}

// join takes chunks with blocks over, whose live items have been counted. It may be called
// at any time.
func (c *chunks) join(list []chunk) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.joined = append(c.joined, list...)
}

// takeJoined puts the chunks that have joined behind the others.
func (c *chunks) takeJoined() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.joined {
		c.list = append(c.list, leftoverOf(k, true))
		c.total += len(k.bytes)
	}
	c.joined = nil
}

// clean moves the live items of the oldest chunks to allocations of their own while too
// much lies waste, and reads some times as much for it as w wrote. To w the items in their
// new place are changes.
func (c *chunks) clean(x *index, w *writing) {
	c.takeJoined()
	budget := 4*w.weight + mostChunk
	for int64(c.total) > c.live.Load()*3/2+int64(x.slack) && len(c.list) > 0 && budget > 0 {
		oldest := c.list[0]
		c.list[0] = leftover{}
		c.list = c.list[1:]
		c.total -= oldest.size
		if first := oldest.first.Value(); first != nil {
			budget -= oldest.used
			c.rescue(x, (*item.Item)(first), oldest, w)
		}
	}
}

// rescue moves the items of a chunk, of which it is the first, as far as x has them.
func (c *chunks) rescue(x *index, it *item.Item, of leftover, w *writing) {
	used := of.used
	d := x.dir.Load()
	var items [ahead]*item.Item
	var hashes [ahead]uint32
	for used > 0 {
		n := 0
		for ; n < ahead && used > 0; n++ {
			items[n] = it
			size := of.step(it, used)
			if used -= size; used > 0 {
				it = it.Next(size)
			}
		}
		x.hashes(d, items[:n], hashes[:])
		for i, it := range items[:n] {
			p := d.segment(hashes[i]).place(hashes[i], it)
			if p == nil {
				continue
			}
			if to := it.Clone(); p.CompareAndSwap(it, to) {
				c.live.Add(-int64(align(it.Size())))
				w.did(change{item: to, hash: hashes[i]})
			}
		}
	}
}
