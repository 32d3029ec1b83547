package memory

import (
	"bytes"
	"sync/atomic"

	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
)

// undo has what one write replaces: its undo log, for the readers that come while
// it is under way. One goroutine adds to it, any number may look meanwhile.
type undo struct {
	version uint64     // of the storage, while the write is under way
	all     *directory // everything, when the write removes everything
	images  []image    // open addressing, with free places
}

// image is one key and what it had. Its key is written last, and read first.
type image struct {
	key  atomic.Pointer[item.Item] // has the key; nil: the place is free
	hash uint32
	old  *item.Item // nil: the key was not there
}

// newUndo returns one with room for n keys.
func newUndo(n int) *undo {
	size := 2
	for size < n+n/4 || size == n {
		size *= 2
	}
	return &undo{images: make([]image, size)}
}

// place returns the image of key, whose hash is h, or the free place for it, and the item
// with the key, which is nil for a free place.
func (b *undo) place(h uint32, key []byte) (*image, *item.Item) {
	mask := uint32(len(b.images) - 1)
	for at := h; ; at++ {
		k := &b.images[at&mask]
		it := k.key.Load()
		if it == nil || k.hash == h && bytes.Equal(it.Key(), key) {
			return k, it
		}
	}
}

// add keeps old as what the key of it, whose hash is h, had, unless it has something
// already.
func (b *undo) add(h uint32, it, old *item.Item) {
	if k, there := b.place(h, it.Key()); there == nil {
		k.hash, k.old = h, old
		k.key.Store(it)
	}
}

// find returns what key had, and whether the write replaces that.
func (b *undo) find(h uint32, key []byte) (old *item.Item, ok bool) {
	if b.all != nil {
		return b.all.find(h, key), true
	}
	k, there := b.place(h, key)
	if there == nil {
		return nil, false
	}
	return k.old, true
}
