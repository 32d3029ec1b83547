package index

import (
	"github.com/kvsim/kvsim/kvstore/memory/internal/chunk"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
)

// mostMoved is how many items are moved in one step: those of a leaf that is about to be divided.
const mostMoved = 64

// Move replaces the items of before, mostMoved at most, by those of after, which are the
// same in a new block. Where the index has another one by now, nothing is to be done. It
// may be called at any time.
func (x *Index) Move(before, after []*item.Item) {
	x.shape.RLock()
	defer x.shape.RUnlock()
	d := x.dir.Load()
	var hashes [mostMoved]uint32
	x.hashes(d, before, hashes[:])
	came, gone := 0, 0
	for i, old := range before {
		if it := after[i]; it != old && it.Chunked() {
			came += chunk.Align(it.Size())
		}
	}
	x.old.Live.Add(int64(came)) // before anyone can replace them
	for i, old := range before {
		it := after[i]
		if it == old {
			continue
		}
		p := d.segment(hashes[i]).place(hashes[i], old)
		if p == nil || !p.CompareAndSwap(old, it) {
			old = it // which is not wanted
		}
		if old.Chunked() {
			gone += chunk.Align(old.Size())
		}
	}
	x.old.Live.Add(-int64(gone))
}

// hashes sets hashes to those of the keys of items, and touches their buckets: see item.Ahead.
func (x *Index) hashes(d *directory, items []*item.Item, hashes []uint32) {
	var sink uint64
	for i, it := range items {
		h := x.Hash(it.Key())
		hashes[i] = h
		sink += d.segment(h).home(h).tags.Load()
	}
	x.sunk.Store(uint32(sink)) // or the compiler would leave the loads out
}

// Join takes over chunks whose items have been moved to. It may be called at any time.
func (x *Index) Join(chunks []chunk.Chunk) { x.old.Add(chunks, true) }

// Clean gives old chunks up while too much of them is wasted, and reads some times as much
// for it as was written, by weight. It calls moved with the items in their new places.
func (x *Index) Clean(wrote int, moved func(*item.Item)) {
	x.old.GiveUp(4*wrote+chunk.Most, x.Slack, func(items []*item.Item) { x.rescue(items, moved) })
}

// rescue moves items, as far as x has them, to allocations of their own.
func (x *Index) rescue(items []*item.Item, moved func(*item.Item)) {
	d := x.dir.Load()
	var hashes [item.Ahead]uint32
	x.hashes(d, items, hashes[:])
	for i, it := range items {
		p := d.segment(hashes[i]).place(hashes[i], it)
		if p == nil {
			continue
		}
		if to := it.Clone(); p.CompareAndSwap(it, to) {
			x.old.Live.Add(-int64(chunk.Align(it.Size())))
			moved(to)
		}
	}
}

// InChunks returns the bytes of the chunks that the index knows of, and how many of them
// are those of its items.
func (x *Index) InChunks() (total, live int) { return x.old.Total(), int(x.old.Live.Load()) }
