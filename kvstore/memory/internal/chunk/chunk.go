package chunk

const (
	// Least is the size of the smallest chunk, in bytes.
	Least = 1 << 10

	// Most is the size of the largest chunk, which is what one held slice keeps alive. With
	// 16 KiB the collector's own records of so many objects do not fit its caches: openings
	// of many millions of keys take a third longer.
	Most = 64 << 10

	// Alignment is that of items in chunks, except in blocks.
	Alignment = 4

	// Small is the size of the largest item that shares memory with others. A larger one
	// gains nothing from it.
	Small = 512
)

// Align returns the room that n bytes take in a chunk.
func Align(n int) int { return (n + Alignment - 1) &^ (Alignment - 1) }

// Chunk has small items, one behind the other.
type Chunk struct {
	Bytes []byte
	Used  int // bytes
}

// New returns an empty chunk of least bytes at least, or of more the more there is
// already: total bytes.
func New(least, total int) Chunk {
	size := least
	for size < Most && size < total/8 {
		size *= 2
	}
	return Chunk{Bytes: make([]byte, size)}
}

// Room returns how many bytes are free.
func (c *Chunk) Room() int { return len(c.Bytes) - c.Used }

// Take returns the next size bytes, which are free.
func (c *Chunk) Take(size int) []byte {
	at := c.Used
	c.Used += size
	return c.Bytes[at:c.Used:c.Used]
}
