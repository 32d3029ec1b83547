package recordlog

import (
	"math"
	"runtime"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Decompressor returns a decompressor for kgo.WithDecompressor that does the same as
// franz-go's own, but can be used in a testing/synctest bubble. It is safe for concurrent
// use.
//
// franz-go makes zstd decoders as it needs them, each with a finalizer that closes a
// channel. If a decoder was made in a bubble, the channel belongs to that bubble. The
// finalizer runs outside it, at some later garbage collection, and closing the channel
// there ends the process with a fatal error.
func Decompressor() kgo.Decompressor { return decompressor{kgo.DefaultDecompressor()} }

type decompressor struct{ others kgo.Decompressor }

// zstdDecoder is made when the program starts, and so outside any bubble. It lives as long
// as the program, runs no goroutines, and decodes for as many callers at once as there are
// cores.
var zstdDecoder, errZstd = zstd.NewReader(nil,
	zstd.WithDecoderLowmem(true),
	zstd.WithDecoderConcurrency(runtime.GOMAXPROCS(0)),
	zstd.WithDecoderMaxMemory(math.MaxInt32),
)

// Decompress implements kgo.Decompressor. The caller owns the result. If src is not
// compressed, the result is src itself.
func (d decompressor) Decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	if codec != kgo.CodecZstd {
		return d.others.Decompress(src, codec)
	}
	if errZstd != nil {
		return nil, errZstd
	}
	return zstdDecoder.DecodeAll(src, nil)
}
