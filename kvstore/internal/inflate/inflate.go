// Package inflate decompresses the contents of record batches. It does what franz-go's own
// decompressor does, and makes up for three things that this one does not do:
//
//   - A zstd frame whose window is larger than what a batch may decompress to is read if its
//     content is not. Producers that stream into zstd, as Java's do, claim the window of their
//     compression level, 2 MiB to 128 MiB, whatever the batch holds.
//   - Several snappy streams in xerial's framing, one behind the other, are read, as Java's
//     library does.
//   - Decoders need no finalizers, so clients can be tested in a testing/synctest bubble: one of
//     franz-go's that was made in a bubble ends the process at some later garbage collection.
package inflate

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Decompressor is a kgo.Decompressor. It is safe for concurrent use.
type Decompressor struct {
	others kgo.Decompressor
	most   int // bytes that a batch may decompress to

	// What frames of zstd are narrowed to, see windowFor.
	window     uint64
	descriptor byte

	once sync.Once
	zstd *zstd.Decoder
	err  error // why there is none
}

var _ kgo.Decompressor = (*Decompressor)(nil)

// New returns a decompressor of batches of up to most bytes, which leaves other codecs to
// franz-go's.
func New(others kgo.Decompressor, most int) *Decompressor {
	d := &Decompressor{others: others, most: most}
	d.window, d.descriptor = windowFor(most)
	return d
}

// IsFranzGos reports whether a decompressor is one that franz-go made.
func IsFranzGos(d kgo.Decompressor) bool {
	return reflect.TypeOf(d) == reflect.TypeOf(kgo.DefaultDecompressor())
}

// Decompress is part of kgo.Decompressor. The error matches kgo.ErrMaxDecompress if src
// decompresses to more than is allowed. The caller owns the result.
func (d *Decompressor) Decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	switch codec {
	case kgo.CodecZstd:
		return d.unzstd(src)
	case kgo.CodecSnappy:
		src = oneStream(src)
	}
	return d.others.Decompress(src, codec)
}

// xerial begins a stream of snappy blocks. Eight bytes of versions follow.
var xerial = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const xerialHeader = 16

// oneStream makes one stream of snappy blocks of those that follow each other in src. What is
// malformed it leaves to the decompressor.
func oneStream(src []byte) []byte {
	if len(src) <= xerialHeader || !bytes.HasPrefix(src, xerial) {
		return src
	}
	var out []byte
	from := 0 // what precedes it is in out
	for at := xerialHeader; len(src)-at >= 4; {
		if rest := src[at:]; len(rest) >= xerialHeader && bytes.HasPrefix(rest, xerial) {
			out = append(out, src[from:at]...)
			at += xerialHeader
			from = at
			continue
		}
		size := int64(int32(binary.BigEndian.Uint32(src[at:])))
		if size < 0 || size > int64(len(src)-at-4) {
			return src
		}
		at += 4 + int(size)
	}
	if from == 0 {
		return src
	}
	return append(out, src[from:]...)
}
