package kvstore

import "bytes"

// KeyConstraint bounds a range scan to Start <= key < End. A nil bound is
// open, so the zero value matches every key. An empty, non-nil End matches
// nothing, because no key sorts before the empty one.
type KeyConstraint struct {
	Start []byte // inclusive, nil = beginning
	End   []byte // exclusive, nil = end
}

// Prefix returns the constraint that matches exactly the keys that begin with
// the bytes of p. The empty prefix matches every key. A prefix made of 0xff
// bytes only has no upper bound.
func Prefix(p string) KeyConstraint {
	if p == "" {
		return KeyConstraint{}
	}
	end := []byte(p)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] != 0xff {
			end[i]++
			return KeyConstraint{Start: []byte(p), End: end[:i+1]}
		}
	}
	return KeyConstraint{Start: []byte(p)}
}

// Contains reports whether key is within the constraint.
func (c KeyConstraint) Contains(key []byte) bool {
	if c.Start != nil && bytes.Compare(key, c.Start) < 0 {
		return false
	}
	return c.End == nil || bytes.Compare(key, c.End) < 0
}

// clone returns a constraint that shares no bytes with c.
func (c KeyConstraint) clone() KeyConstraint {
	return KeyConstraint{Start: bytes.Clone(c.Start), End: bytes.Clone(c.End)}
}
