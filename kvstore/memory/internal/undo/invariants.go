package undo

import "github.com/kvsim/kvsim/kvstore/internal/invariant"

// check holds the log to I22, for a key that has just been added, and to a place that is free,
// without which a search for another key would not end. It looks at few places, so that a
// write stays in proportion to its size.
func (l *Log) check(h uint32, key []byte) {
	_, known := l.Find(h, key)
	invariant.Check("I22", known, "what the write replaces of %q is not in its log", key)
	for at := range l.images {
		if l.images[(h+uint32(at))&uint32(len(l.images)-1)].key.Load() == nil {
			return
		}
	}
	invariant.Check("undo", false, "the log of %d places is full", len(l.images))
}
