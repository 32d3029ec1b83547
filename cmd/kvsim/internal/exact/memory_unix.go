//go:build unix

package exact

import (
	"context"
	"syscall"

	"github.com/tetratelabs/wazero/experimental"
)

// withMemory makes instances that are started with the returned context keep their memory in
// a reserved range of addresses. The memory grows without being copied. The system provides a
// page when it is first used, and gets it back when the instance is closed. So the memory does
// not burden the host's own garbage collector.
func withMemory(ctx context.Context) context.Context {
	return experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(reserve))
}

// reserved is a linear memory whose whole range is mapped.
type reserved struct{ mapped []byte }

func reserve(capacity, maximum uint64) experimental.LinearMemory {
	mapped, err := syscall.Mmap(-1, 0, int(maximum), syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_PRIVATE|syscall.MAP_ANON|mapNoReserve)
	if err != nil {
		return &copied{buf: make([]byte, 0, capacity)} // the range could not be reserved
	}
	return &reserved{mapped: mapped}
}

// Reallocate implements experimental.LinearMemory.
func (r *reserved) Reallocate(size uint64) []byte {
	if size > uint64(len(r.mapped)) {
		return nil
	}
	return r.mapped[:size]
}

// Free implements experimental.LinearMemory.
func (r *reserved) Free() {
	syscall.Munmap(r.mapped) //nolint:errcheck // the range is our own
	r.mapped = nil
}

// copied is a linear memory that moves when it grows.
type copied struct{ buf []byte }

// Reallocate implements experimental.LinearMemory.
func (c *copied) Reallocate(size uint64) []byte {
	if size > uint64(cap(c.buf)) {
		c.buf = append(c.buf[:cap(c.buf)], make([]byte, size-uint64(cap(c.buf)))...)
	}
	c.buf = c.buf[:size]
	return c.buf
}

// Free implements experimental.LinearMemory.
func (c *copied) Free() { c.buf = nil }
