package undo

import (
	"bytes"
	"sync/atomic"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
)

// Log has what one write replaces. One goroutine adds to it, any number may look
// meanwhile.
type Log struct {
	Version uint64 // of the storage, while the write is under way

	all    func(hash uint32, key []byte) *item.Item // everything, when the write removes everything
	images []image                                  // open addressing, with free places
}

// image is one key and what it had. Its key is written last, and read first.
type image struct {
	key  atomic.Pointer[item.Item] // has the key; nil: the place is free
	hash uint32
	old  *item.Item // nil: the key was not there
}

// New returns the log of a write that changes n keys at most.
func New(n int) *Log {
	size := 2
	for size < n+n/4 || size == n {
		size *= 2
	}
	return &Log{images: make([]image, size)}
}

// Everything returns the log of a write that removes all keys. What there was is asked of
// all, by any goroutine.
func Everything(all func(hash uint32, key []byte) *item.Item) *Log { return &Log{all: all} }

// place returns the image of key, whose hash is h, or the free place for it, and the item
// with the key, which is nil for a free place.
func (l *Log) place(h uint32, key []byte) (*image, *item.Item) {
	mask := uint32(len(l.images) - 1)
	for at := h; ; at++ {
		k := &l.images[at&mask]
		it := k.key.Load()
		if it == nil || k.hash == h && bytes.Equal(it.Key(), key) {
			return k, it
		}
	}
}

// Add keeps old as what the key of it, whose hash is h, had, unless it has something
// already. A nil old says that the key was not there.
func (l *Log) Add(h uint32, it, old *item.Item) {
	if k, there := l.place(h, it.Key()); there == nil {
		k.hash, k.old = h, old
		k.key.Store(it)
	}
	if invariant.On {
		l.check(h, it.Key())
	}
}

// Find returns what key had, and whether the write replaces that.
func (l *Log) Find(h uint32, key []byte) (old *item.Item, ok bool) {
	if l.all != nil {
		return l.all(h, key), true
	}
	k, there := l.place(h, key)
	if there == nil {
		return nil, false
	}
	return k.old, true
}
