package chunk

import (
	"sync"
	"sync/atomic"
	"weak"

	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
)

// Old is what an index knows of the chunks that its storage was filled with, and of
// those with the blocks of its first tree.
//
// What is overwritten, deleted or gathered is wasted. When that is more than a third, the
// oldest chunks are given up: what they have alive gets allocations of its own, so that
// it is moved once at most. A chunk without live items needs no cleaning: nothing points
// into it but the list, weakly, and the collector takes it.
//
// It may be used from several goroutines.
type Old struct {
	Live atomic.Int64 // bytes of the items that the index has there, each aligned

	mu    sync.Mutex // guards what follows; the last to be taken
	list  []leftover
	total int // bytes of all of them
}

type leftover struct {
	first  weak.Pointer[byte]
	used   int // bytes
	size   int
	blocks bool // the items are not aligned, and between two blocks lies a zero
}

// Add takes chunks over, whose live items have been counted. In those with blocks items are
// not aligned.
func (o *Old) Add(list []Chunk, blocks bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range list {
		o.list = append(o.list, leftover{weak.Make(&c.Bytes[0]), c.Used, len(c.Bytes), blocks})
		o.total += len(c.Bytes)
	}
}

// Total returns the bytes of all chunks.
func (o *Old) Total() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.total
}

// GiveUp takes the oldest chunks from the list while more than a third of all is wasted,
// and more than slack bytes, until it has read budget bytes of them. It calls rescue with
// their items, item.Ahead at most at a time, which may be alive or not.
func (o *Old) GiveUp(budget, slack int, rescue func([]*item.Item)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for int64(o.total) > o.Live.Load()*3/2+int64(slack) && len(o.list) > 0 && budget > 0 {
		oldest := o.list[0]
		o.list[0] = leftover{}
		o.list = o.list[1:]
		o.total -= oldest.size
		if first := oldest.first.Value(); first != nil {
			budget -= oldest.used
			oldest.walk((*item.Item)(first), rescue)
		}
	}
}

// walk calls visit with all items of the chunk, of which it is the first.
func (l *leftover) walk(it *item.Item, visit func([]*item.Item)) {
	var items [item.Ahead]*item.Item
	for left := l.used; left > 0; {
		n := 0
		for ; n < item.Ahead && left > 0; n++ {
			items[n] = it
			size := l.step(it, left)
			if left -= size; left > 0 {
				it = it.Next(size)
			}
		}
		visit(items[:n])
	}
}

// step returns the bytes from an item, behind which begin left bytes less its own, to the
// next one.
func (l *leftover) step(it *item.Item, left int) int {
	size := it.Size()
	if !l.blocks {
		return Align(size)
	}
	if size < left && it.At(size) == 0 { // no item of a chunk does: it has a flag
		size++
	}
	return size
}
