package inflate

import (
	"bytes"
	"errors"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kgo"
)

// unzstd decompresses frames of zstd. The decoder takes memory for what it has decoded, and for
// a size of the content that a frame names, but not for a window that it names.
func (d *Decompressor) unzstd(src []byte) ([]byte, error) {
	d.once.Do(func() {
		// Without a reader it runs no goroutine, and needs not be closed.
		d.zstd, d.err = zstd.NewReader(nil,
			zstd.WithDecoderLowmem(true),
			zstd.WithDecoderConcurrency(2), // a client decodes one fetch while another one is under way
			zstd.WithDecoderMaxMemory(d.window),
			zstd.WithDecoderMaxWindow(d.window),
		)
	})
	if d.err != nil {
		return nil, d.err
	}
	out, err := d.zstd.DecodeAll(src, nil)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) {
		out, err = d.zstd.DecodeAll(narrowed(src, d.window, d.descriptor), nil)
	}
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || len(out) > d.most {
		return nil, kgo.ErrMaxDecompress
	}
	return out, err
}

// mostBlock is what a block of zstd decompresses to at most.
const mostBlock = 128 << 10

// windowFor returns a window that is large enough for all content of so many bytes, and its
// descriptor in the header of a frame. It is larger by two blocks: a decoder that leaves the
// window in the middle of a block has decoded more than the content may be.
//
// The descriptor has five bits of exponent and three of mantissa (RFC 8878, 3.1.1.1.2).
func windowFor(most int) (window uint64, descriptor byte) {
	for {
		base := uint64(1) << (10 + descriptor>>3)
		window = base + base/8*uint64(descriptor&7)
		if window >= uint64(most)+2*mostBlock || descriptor == 1<<8-1 {
			return window, descriptor
		}
		descriptor++
	}
}

// Places in a frame, and kinds of its blocks.
const (
	frameWindow   = 5 // behind the magic number and the descriptor of the header
	frameChecksum = 4
	blockHeader   = 3
	blockRLE      = 1
)

// narrowed returns src with frames that claim a larger window than the given one changed to that
// one. This changes nothing for content that fits into it: no match can be further away. What is
// malformed it leaves to the decoder.
func narrowed(src []byte, window uint64, descriptor byte) []byte {
	out := bytes.Clone(src)
	for rest := out; len(rest) > 0; {
		var h zstd.Header
		if h.Decode(rest) != nil {
			return out
		}
		if !h.Skippable && !h.SingleSegment && h.WindowSize > window {
			rest[frameWindow] = descriptor
		}
		size := frameSize(rest, h)
		if size <= 0 || size > len(rest) {
			return out
		}
		rest = rest[size:]
	}
	return out
}

// frameSize returns how many bytes a frame takes, more than there are if it is not whole.
func frameSize(frame []byte, h zstd.Header) int {
	if h.Skippable {
		return h.HeaderSize + int(h.SkippableSize)
	}
	size := h.HeaderSize
	for size+blockHeader <= len(frame) {
		header := uint32(frame[size]) | uint32(frame[size+1])<<8 | uint32(frame[size+2])<<16
		last, kind, content := header&1 != 0, header>>1&3, int(header>>3)
		if kind == blockRLE {
			content = 1
		}
		size += blockHeader + content
		if last {
			if h.HasCheckSum {
				size += frameChecksum
			}
			return size
		}
	}
	return len(frame) + 1
}
