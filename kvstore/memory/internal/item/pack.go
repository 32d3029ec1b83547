package item

import (
	"encoding/binary"
	"math/bits"
)

// Pack copies key and value into a new item with an allocation of its own.
func Pack(key, value []byte, s Stamp) *Item {
	p := Plan(key, value, s)
	return p.In(make([]byte, p.Size), key, value, 0)
}

// Packing is an item that has yet to be written.
type Packing struct {
	Size int // of the item, in bytes

	head             [2*binary.MaxVarintLen64 + 2]byte // what comes before the key
	headSize         int
	revision, millis uint64 // zigzag
}

// Plan says what the item of key and value will be.
func Plan(key, value []byte, s Stamp) (p Packing) {
	var flags byte
	if s.Known {
		flags = stamped
		p.revision, p.millis = zigzag(s.Revision), zigzag(s.TimeMillis)
	}
	p.head[0] = byte(min(len(key), longKey))<<flagBits | flags
	h := 1
	if len(key) >= longKey {
		h += binary.PutUvarint(p.head[h:], uint64(len(key)-longKey))
	}
	h += binary.PutUvarint(p.head[h:], uint64(len(value)))
	r, t := byteLen(p.revision), byteLen(p.millis)
	if s.Known {
		p.head[h] = byte(r<<4 | t)
		h++
	}
	p.headSize = h
	p.Size = h + len(key) + len(value) + r + t
	return p
}

// In writes the item of key and value, those of the plan, into buf, which has just its size,
// with those flags that say where it lies.
func (p *Packing) In(buf, key, value []byte, flags byte) *Item {
	n := copy(buf, p.head[:p.headSize])
	n += copy(buf[n:], key)
	n += copy(buf[n:], value)
	buf[0] |= flags
	for r := p.revision; r > 0; r >>= 8 {
		buf[n] = byte(r)
		n++
	}
	for m := p.millis; m > 0; m >>= 8 {
		buf[n] = byte(m)
		n++
	}
	return In(buf, 0)
}

func byteLen(u uint64) int { return (bits.Len64(u) + 7) / 8 }

func zigzag(n int64) uint64 { return uint64(n)<<1 ^ uint64(n>>63) }

// unzigzag undoes zigzag.
func unzigzag(u uint64) int64 {
	return int64(u>>1) ^ -int64(u&1)
}
