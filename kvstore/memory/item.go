package memory

import (
	"encoding/binary"
	"unsafe"
)

// item is the first byte of one key with its value, packed into one allocation
// that holds no pointers:
//
//	uvarint(len(key)<<2 | gathered<<1 | stamped)
//	uvarint(len(value))
//	key
//	value
//	varint(revision) varint(time)    only when stamped
//
// A *item costs eight bytes in a leaf where a slice costs 24, and the length
// prefixes cost two bytes for small pairs where a struct header costs 24. That
// is what package unsafe buys here; it is used in this file only.
//
// An item has an allocation of its own, or lies with its neighbours in a block:
// see [gather].
//
// Invariant: the bytes of an item are written by [pack] or [gather] and never
// again.
type item byte

// Flags in the first byte of an item.
const (
	stamped  = 1 << iota // it has a revision and a time
	gathered             // it lies in a block

	flagBits = iota
)

// stamp tells which record wrote an item.
type stamp struct {
	revision   int64
	timeMillis int64
	known      bool // false: written by Set or ApplyBatch, which know neither
}

// pack copies key and value into a new item.
func pack(key, value []byte, s stamp) *item {
	var head, tail [2 * binary.MaxVarintLen64]byte
	flags, t := uint64(0), 0
	if s.known {
		flags = stamped
		t = binary.PutVarint(tail[:], s.revision)
		t += binary.PutVarint(tail[t:], s.timeMillis)
	}
	h := binary.PutUvarint(head[:], uint64(len(key))<<flagBits|flags)
	h += binary.PutUvarint(head[h:], uint64(len(value)))

	buf := make([]byte, h+len(key)+len(value)+t)
	n := copy(buf, head[:h])
	n += copy(buf[n:], key)
	n += copy(buf[n:], value)
	copy(buf[n:], tail[:t])
	return (*item)(unsafe.SliceData(buf))
}

// key returns the key. It aliases the item.
func (it *item) key() []byte {
	head, n := it.uvarint(0)
	_, n = it.uvarint(n)
	return it.bytes(n, int(head>>flagBits))
}

// value returns the value, never nil. It aliases the item.
func (it *item) value() []byte {
	head, n := it.uvarint(0)
	size, n := it.uvarint(n)
	return it.bytes(n+int(head>>flagBits), int(size))
}

// stamp returns the revision and time of the record that wrote the item.
func (it *item) stamp() stamp {
	head, n := it.uvarint(0)
	size, n := it.uvarint(n)
	if head&stamped == 0 {
		return stamp{revision: -1}
	}
	n += int(head>>flagBits) + int(size)
	revision, n := it.uvarint(n)
	millis, _ := it.uvarint(n)
	return stamp{revision: unzigzag(revision), timeMillis: unzigzag(millis), known: true}
}

// size returns the number of bytes of the item.
func (it *item) size() int {
	head, n := it.uvarint(0)
	size, n := it.uvarint(n)
	n += int(head>>flagBits) + int(size)
	if head&stamped != 0 {
		n = it.skip(it.skip(n))
	}
	return n
}

// skip returns the offset behind the number at offset n.
func (it *item) skip(n int) int {
	for it.at(n) >= 0x80 {
		n++
	}
	return n + 1
}

// gathered reports whether the item lies in a block.
func (it *item) gathered() bool { return it.at(0)&gathered != 0 }

// raw returns all size bytes of the item.
func (it *item) raw(size int) []byte { return it.bytes(0, size) }

// behind reports whether it lies right behind the size bytes of before, in the
// same block: a block ends with a byte that is no item's, so two items that
// touch are of one block.
func (it *item) behind(before *item, size int) bool {
	return it.gathered() && before.gathered() &&
		uintptr(unsafe.Pointer(it)) == uintptr(unsafe.Pointer(before))+uintptr(size)
}

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

// unzigzag undoes the mapping of [binary.PutVarint].
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
