package memory

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// item is the first byte of one key with its value, packed into one allocation
// that holds no pointers:
//
//	min(len(key), 31)<<3 | chunked<<2 | gathered<<1 | stamped
//	uvarint(len(key)-31)     only when that is not negative
//	uvarint(len(value))
//	number of bytes of revision<<4 | of time     only when stamped
//	key
//	value
//	revision, time    only when stamped
//
// Revision and time are as binary.PutVarint maps signed numbers to unsigned ones,
// the low byte first, without leading zeros.
//
// A *item costs eight bytes in a leaf where a slice costs 24, and the length
// prefixes cost two bytes for small pairs where a struct header costs 24. That
// is what package unsafe buys here; it is used in this file only.
//
// An item has an allocation of its own, or lies in a chunk, with those that came before
// and after it when the storage was filled, or in a block, with its neighbours in key
// order: see [chunks] and [gather].
//
// I23: the bytes of an item are written once and never again.
type item byte

// Flags in the first byte of an item.
const (
	stamped  = 1 << iota // it has a revision and a time
	gathered             // it lies in a block
	chunked              // it lies in a chunk

	flagBits = iota
	longKey  = 1<<(8-flagBits) - 1
)

// stamp tells which record wrote an item.
type stamp struct {
	revision   int64
	timeMillis int64
	known      bool // false: written by Set or ApplyBatch, which know neither
}

// pack copies key and value into a new item with an allocation of its own.
func pack(key, value []byte, s stamp) *item {
	p := plan(key, value, s, 0)
	return p.in(make([]byte, p.size), key, value)
}

// packing is an item that has yet to be written: what comes before its key, and its
// size.
type packing struct {
	head             [2*binary.MaxVarintLen64 + 2]byte
	headSize, size   int
	revision, millis uint64 // zigzag
}

func plan(key, value []byte, s stamp, flags byte) (p packing) {
	if s.known {
		flags |= stamped
		p.revision, p.millis = zigzag(s.revision), zigzag(s.timeMillis)
	}
	p.head[0] = byte(min(len(key), longKey))<<flagBits | flags
	h := 1
	if len(key) >= longKey {
		h += binary.PutUvarint(p.head[h:], uint64(len(key)-longKey))
	}
	h += binary.PutUvarint(p.head[h:], uint64(len(value)))
	r, t := byteLen(p.revision), byteLen(p.millis)
	if s.known {
		p.head[h] = byte(r<<4 | t)
		h++
	}
	p.headSize = h
	p.size = h + len(key) + len(value) + r + t
	return p
}

// in writes the item into buf, which has just its size.
func (p *packing) in(buf, key, value []byte) *item {
	n := copy(buf, p.head[:p.headSize])
	n += copy(buf[n:], key)
	n += copy(buf[n:], value)
	for r := p.revision; r > 0; r >>= 8 {
		buf[n] = byte(r)
		n++
	}
	for m := p.millis; m > 0; m >>= 8 {
		buf[n] = byte(m)
		n++
	}
	return (*item)(unsafe.SliceData(buf))
}

func byteLen(u uint64) int { return (bits.Len64(u) + 7) / 8 }

// layout says where things lie in an item, in bytes from its start.
type layout struct {
	key, value, stamp, end int
	revision               int // size of the revision
}

func (it *item) layout() layout {
	var l layout
	head, size, n := it.at(0), uint64(it.at(1)), 2
	key := uint64(head >> flagBits)
	if key == longKey || size >= 0x80 {
		n = 1
		if key == longKey {
			size, n = it.uvarint(n)
			key += size
		}
		size, n = it.uvarint(n)
	}
	if head&stamped != 0 {
		lens := int(it.at(n))
		l.revision = lens >> 4
		l.end = l.revision + lens&0xf
		n++
	}
	l.key = n
	l.value = l.key + int(key)
	l.stamp = l.value + int(size)
	l.end += l.stamp
	return l
}

// key returns the key. It aliases the item.
func (it *item) key() []byte {
	l := it.layout()
	return it.bytes(l.key, l.value-l.key)
}

// value returns the value, never nil. It aliases the item.
func (it *item) value() []byte {
	l := it.layout()
	return it.bytes(l.value, l.stamp-l.value)
}

// size returns the number of bytes of the item.
func (it *item) size() int { return it.layout().end }

// stamp returns the revision and time of the record that wrote the item.
func (it *item) stamp() stamp {
	if it.at(0)&stamped == 0 {
		return stamp{revision: -1}
	}
	l := it.layout()
	return stamp{
		revision:   it.number(l.stamp, l.revision),
		timeMillis: it.number(l.stamp+l.revision, l.end-l.stamp-l.revision),
		known:      true,
	}
}

func (it *item) number(n, size int) int64 {
	var u uint64
	for i := range size {
		u |= uint64(it.at(n+i)) << (8 * i)
	}
	return unzigzag(u)
}

// gathered reports whether the item lies in a block.
func (it *item) gathered() bool { return it.at(0)&gathered != 0 }

// chunked reports whether the item lies in a chunk.
func (it *item) chunked() bool { return it.at(0)&chunked != 0 }

// raw returns all size bytes of the item.
func (it *item) raw(size int) []byte { return it.bytes(0, size) }

// behind reports whether it lies right behind the size bytes of before, in the
// same block: a block ends with a byte that is no item's, so two items that
// touch are of one block.
func (it *item) behind(before *item, size int) bool {
	return it.gathered() && before.gathered() &&
		uintptr(unsafe.Pointer(it)) == uintptr(unsafe.Pointer(before))+uintptr(size)
}

// next returns the item that lies behind the size bytes of it, in the same chunk.
func (it *item) next(size int) *item { return (*item)(unsafe.Add(unsafe.Pointer(it), size)) }

// itemAt returns the item that begins at offset n of a block.
func itemAt(block []byte, n int) *item { return (*item)(&block[n]) }

// uvarint decodes the number at offset n and returns the offset behind it.
func (it *item) uvarint(n int) (uint64, int) {
	b := it.at(n)
	if b < 0x80 {
		return uint64(b), n + 1
	}
	v := uint64(b & 0x7f)
	for shift := 7; ; shift += 7 {
		n++
		b = it.at(n)
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v, n + 1
		}
	}
}

func zigzag(n int64) uint64 { return uint64(n)<<1 ^ uint64(n>>63) }

// unzigzag undoes zigzag.
func unzigzag(u uint64) int64 {
	return int64(u>>1) ^ -int64(u&1)
}

func (it *item) at(n int) byte {
	return *(*byte)(unsafe.Add(unsafe.Pointer(it), n))
}

// bytes returns size bytes from offset n. Nothing is addressed when size is 0:
// the offset may then lie just behind the allocation, and a pointer there would
// keep a stranger's memory alive.
func (it *item) bytes(n, size int) []byte {
	if size == 0 {
		return []byte{}
	}
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(it), n)), size)
}
