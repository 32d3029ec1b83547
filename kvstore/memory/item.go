package memory

import (
	"encoding/binary"
	"unsafe"
)

// item is the first byte of one key with its value, packed into one allocation
// that holds no pointers:
//
//	uvarint(len(key)<<1 | stamped)
//	uvarint(len(value))
//	key
//	value
//	varint(revision) varint(time)    only when stamped
//
// A *item costs eight bytes in a leaf where a slice costs 24, and the length
// prefixes cost two bytes for small pairs where a struct header costs 24. That
// is what package unsafe buys here; it is used in this file only.
//
// Invariant: the bytes of an item are written by [pack] and never again.
type item byte

// stamp tells which record wrote an item.
type stamp struct {
	revision   int64
	timeMillis int64
	known      bool // false: written by Set or ApplyBatch, which know neither
}

// pack copies key and value into a new item.
func pack(key, value []byte, s stamp) *item {
	var head, tail [2 * binary.MaxVarintLen64]byte
	flag, t := uint64(0), 0
	if s.known {
		flag = 1
		t = binary.PutVarint(tail[:], s.revision)
		t += binary.PutVarint(tail[t:], s.timeMillis)
	}
	h := binary.PutUvarint(head[:], uint64(len(key))<<1|flag)
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
	return it.bytes(n, int(head>>1))
}

// value returns the value, never nil. It aliases the item.
func (it *item) value() []byte {
	head, n := it.uvarint(0)
	size, n := it.uvarint(n)
	return it.bytes(n+int(head>>1), int(size))
}

// stamp returns the revision and time of the record that wrote the item.
func (it *item) stamp() stamp {
	head, n := it.uvarint(0)
	size, n := it.uvarint(n)
	if head&1 == 0 {
		return stamp{revision: -1}
	}
	n += int(head>>1) + int(size)
	revision, n := it.uvarint(n)
	millis, _ := it.uvarint(n)
	return stamp{revision: unzigzag(revision), timeMillis: unzigzag(millis), known: true}
}

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
