package item

import (
	"bytes"
	"hash/maphash"
	"unsafe"
)

// Item is the first byte of one key with its value, packed into one allocation
// that holds no pointers:
//
//	min(len(key), 31)<<3 | Chunked<<2 | Gathered<<1 | stamped
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
// A *Item costs eight bytes in a leaf where a slice costs 24, and the length
// prefixes cost two bytes for small pairs where a struct header costs 24. That
// is what package unsafe buys here; it is used in this file only.
//
// I23: the bytes of an item are written once and never again.
type Item byte

// Flags in the first byte of an item. One without [Gathered] and [Chunked] has an allocation
// of its own.
const (
	stamped  = 1 << iota // it has a revision and a time
	Gathered             // it lies in a block, with its neighbours in key order
	Chunked              // it lies in a chunk, with others

	flagBits = iota
	longKey  = 1<<(8-flagBits) - 1
)

// Stamp tells which record wrote an item.
type Stamp struct {
	Revision   int64
	TimeMillis int64
	Known      bool // false: written by Set or ApplyBatch, which know neither
}

// Layout says where things lie in an item, in bytes from its start.
type Layout struct {
	Key, Value, Stamp, end int
	revision               int // size of the revision
}

// Layout reads it. Who needs key and value takes both from it by Bytes, and so reads it once.
func (it *Item) Layout() Layout {
	var l Layout
	head, size, n := it.At(0), uint64(it.At(1)), 2
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
		lens := int(it.At(n))
		l.revision = lens >> 4
		l.end = l.revision + lens&0xf
		n++
	}
	l.Key = n
	l.Value = l.Key + int(key)
	l.Stamp = l.Value + int(size)
	l.end += l.Stamp
	return l
}

// Key returns the key. It aliases the item.
func (it *Item) Key() []byte {
	l := it.Layout()
	return it.Bytes(l.Key, l.Value)
}

// Value returns the value, never nil. It aliases the item.
func (it *Item) Value() []byte {
	l := it.Layout()
	return it.Bytes(l.Value, l.Stamp)
}

// Size returns the number of bytes of the item.
func (it *Item) Size() int { return it.Layout().end }

// Weight returns about what an item costs the storage, in bytes.
func (it *Item) Weight() int { return it.Size() + Overhead }

// Overhead is what an item costs beside its own bytes.
const Overhead = 48

// Stamp returns the revision and time of the record that wrote the item.
func (it *Item) Stamp() Stamp {
	if it.At(0)&stamped == 0 {
		return Stamp{Revision: -1}
	}
	l := it.Layout()
	return Stamp{
		Revision:   it.number(l.Stamp, l.revision),
		TimeMillis: it.number(l.Stamp+l.revision, l.end-l.Stamp-l.revision),
		Known:      true,
	}
}

// Revision returns that of Stamp, -1 if there is none.
func (it *Item) Revision() int64 {
	if it.At(0)&stamped == 0 {
		return -1
	}
	l := it.Layout()
	return it.number(l.Stamp, l.revision)
}

func (it *Item) number(n, size int) int64 {
	var u uint64
	for i := range size {
		u |= uint64(it.At(n+i)) << (8 * i)
	}
	return unzigzag(u)
}

// Gathered reports whether the item lies in a block.
func (it *Item) Gathered() bool { return it.At(0)&Gathered != 0 }

// Chunked reports whether the item lies in a chunk.
func (it *Item) Chunked() bool { return it.At(0)&Chunked != 0 }

// Raw returns all size bytes of the item.
func (it *Item) Raw(size int) []byte { return it.Bytes(0, size) }

// Behind reports whether it lies right behind the size bytes of before, in the
// same block: a block ends with a byte that is no item's, so two items that
// touch are of one block.
func (it *Item) Behind(before *Item, size int) bool {
	return it.Gathered() && before.Gathered() &&
		uintptr(unsafe.Pointer(it)) == uintptr(unsafe.Pointer(before))+uintptr(size)
}

// Next returns the item that lies behind the size bytes of it, in the same chunk.
func (it *Item) Next(size int) *Item { return (*Item)(unsafe.Add(unsafe.Pointer(it), size)) }

// In returns the item that begins at offset n of block.
func In(block []byte, n int) *Item { return (*Item)(&block[n]) }

// AppendTo appends a copy of the item to block, with those flags that say where it lies.
func (it *Item) AppendTo(block []byte, flags byte) []byte {
	at := len(block)
	block = append(block, it.Raw(it.Size())...)
	block[at] = block[at]&^(Gathered|Chunked) | flags
	return block
}

// Clone returns a copy of the item with an allocation of its own.
func (it *Item) Clone() *Item { return In(it.AppendTo(nil, 0), 0) }

// uvarint decodes the number at offset n and returns the offset behind it.
func (it *Item) uvarint(n int) (uint64, int) {
	b := it.At(n)
	if b < 0x80 {
		return uint64(b), n + 1
	}
	v := uint64(b & 0x7f)
	for shift := 7; ; shift += 7 {
		n++
		b = it.At(n)
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v, n + 1
		}
	}
}

// At returns the byte at offset n from the start of the item.
func (it *Item) At(n int) byte {
	return *(*byte)(unsafe.Add(unsafe.Pointer(it), n))
}

// Bytes returns the bytes from one offset to another. Nothing is addressed when that is
// none: the offset may then lie just behind the allocation, and a pointer there would
// keep a stranger's memory alive.
func (it *Item) Bytes(from, to int) []byte {
	if from == to {
		return []byte{}
	}
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(it), from)), to-from)
}

// Same reports whether two items have the same key, value and stamp, wherever they lie.
func (it *Item) Same(other *Item) bool {
	return it == other || bytes.Equal(it.Key(), other.Key()) && bytes.Equal(it.Value(), other.Value()) && it.Stamp() == other.Stamp()
}

// Ahead is how many items are looked at together: to wait for what many of them need at the
// same time takes not much longer than for one.
const Ahead = 32

// Hash returns the hash of a key that the structures of one storage, which share a seed,
// have in common.
func Hash(seed maphash.Seed, key []byte) uint32 { return uint32(maphash.Bytes(seed, key)) }
