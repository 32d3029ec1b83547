//go:build unix

package exact

import (
	"testing"

	"github.com/tetratelabs/wazero/experimental"
)

func TestLinearMemoryGrowsAndKeepsItsContent(t *testing.T) {
	const page = 1 << 16
	for name, memory := range map[string]experimental.LinearMemory{
		"reserved": reserve(page, 8*page),
		"copied":   &copied{buf: make([]byte, 0, page)},
	} {
		for pages := 1; pages <= 8; pages++ {
			buf := memory.Reallocate(uint64(pages * page))
			if len(buf) != pages*page {
				t.Fatalf("%s: length %d, want %d pages", name, len(buf), pages)
			}
			for i, b := range buf {
				want := byte(0)
				if i/page < pages-1 {
					want = byte(i/page + 1)
				}
				if b != want {
					t.Fatalf("%s: byte %d is %d after growing to %d pages, want %d", name, i, b, pages, want)
				}
			}
			for i := (pages - 1) * page; i < len(buf); i++ {
				buf[i] = byte(pages)
			}
		}
		memory.Free()
	}
	memory := reserve(page, 2*page)
	defer memory.Free()
	if memory.Reallocate(3*page) != nil {
		t.Error("memory grew beyond its maximum")
	}
}
