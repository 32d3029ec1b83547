package recordlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
)

// MostDecompressed is how many bytes a batch may decompress to: kvstore's default.
const MostDecompressed = 128 << 20

// Decompressor returns a decompressor for kgo.WithDecompressor that does the same as
// franz-go's own, but can be used in a testing/synctest bubble, and makes no more than
// MostDecompressed bytes of a batch. Beyond that its error matches kgo.ErrMaxDecompress. It
// is safe for concurrent use.
//
// franz-go makes zstd decoders as it needs them, each with a finalizer that closes a
// channel. If a decoder was made in a bubble, the channel belongs to that bubble. The
// finalizer runs outside it, at some later garbage collection, and closing the channel
// there ends the process with a fatal error.
func Decompressor() kgo.Decompressor { return decompressor{} }

type decompressor struct{}

// errTooLarge is what a batch beyond the limit gets.
var errTooLarge = fmt.Errorf("more than %d bytes: %w", MostDecompressed, kgo.ErrMaxDecompress)

// snappyDecoder reads both framings of snappy. It is given no more than it may decode.
var snappyDecoder = kgo.DefaultDecompressor()

// zstdDecoder is made when the program starts, and so outside any bubble. It lives as long
// as the program, runs no goroutines, and decodes for as many callers at the same time as there are
// cores.
var zstdDecoder, errZstd = zstd.NewReader(nil,
	zstd.WithDecoderLowmem(true),
	zstd.WithDecoderConcurrency(runtime.GOMAXPROCS(0)),
	zstd.WithDecoderMaxMemory(MostDecompressed),
)

// Decompress implements kgo.Decompressor. The caller owns the result. If src is not
// compressed, the result is src itself.
func (d decompressor) Decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	switch codec {
	case kgo.CodecNone:
		return src, nil
	case kgo.CodecSnappy:
		if claim := snappyClaim(src); claim > MostDecompressed {
			return nil, errTooLarge
		}
		return snappyDecoder.Decompress(src, codec)
	case kgo.CodecGzip:
		r, err := gzip.NewReader(bytes.NewReader(src))
		if err != nil {
			return nil, err
		}
		return readAll(r)
	case kgo.CodecLz4:
		return readAll(lz4.NewReader(bytes.NewReader(src)))
	case kgo.CodecZstd:
		if errZstd != nil {
			return nil, errZstd
		}
		out, err := zstdDecoder.DecodeAll(src, nil)
		if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
			return nil, errTooLarge
		}
		return out, err
	}
	return nil, fmt.Errorf("compression codec %d is unknown", codec)
}

// readAll reads all that a decoder makes, up to the limit.
func readAll(r io.Reader) ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(r, MostDecompressed+1))
	switch {
	case err != nil:
		return nil, err
	case len(out) > MostDecompressed:
		return nil, errTooLarge
	}
	return out, nil
}

// xerialMagic begins the framing of snappy that the Java clients use: 16 bytes, and then
// blocks, each behind its length.
const (
	xerialMagic  = "\x82SNAPPY\x00"
	xerialHeader = 16
)

// snappyClaim returns how many bytes src claims to decompress to. A claim of more than there
// can be is an error for the decoder to find.
func snappyClaim(src []byte) (sum uint64) {
	if len(src) <= xerialHeader || string(src[:len(xerialMagic)]) != xerialMagic {
		claim, _ := binary.Uvarint(src)
		return claim
	}
	for rest := src[xerialHeader:]; len(rest) >= 4; {
		size := uint64(binary.BigEndian.Uint32(rest))
		rest = rest[4:]
		claim, _ := binary.Uvarint(rest)
		if sum += claim; size > uint64(len(rest)) {
			break
		}
		rest = rest[size:]
	}
	return sum
}
