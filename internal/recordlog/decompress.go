package recordlog

import (
	"math"
	"runtime"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Decompressor returns what franz-go's own decompressor does, and can be used in a bubble
// of testing/synctest, as an option of a client by kgo.WithDecompressor. Like all of them
// it is safe for concurrent use.
//
// franz-go makes decoders for zstd when it needs them, with a finalizer that closes a
// channel. Of a decoder that was made in a bubble that channel belongs to the bubble, and
// the finalizer, which runs outside of it at some later garbage collection, ends the
// process with a fatal error.
func Decompressor() kgo.Decompressor { return decompressor{kgo.DefaultDecompressor()} }

type decompressor struct{ others kgo.Decompressor }

// zstdDecoder is made when the program starts, so outside of all bubbles. It lives as long
// as the program, runs no goroutines, and decodes for so many at once as there are cores.
var zstdDecoder, errZstd = zstd.NewReader(nil,
	zstd.WithDecoderLowmem(true),
	zstd.WithDecoderConcurrency(runtime.GOMAXPROCS(0)),
	zstd.WithDecoderMaxMemory(math.MaxInt32),
)

// Decompress implements kgo.Decompressor. The caller owns what it returns, which is src
// itself for what is not compressed.
func (d decompressor) Decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	if codec != kgo.CodecZstd {
		return d.others.Decompress(src, codec)
	}
	if errZstd != nil {
		return nil, errZstd
	}
	return zstdDecoder.DecodeAll(src, nil)
}
