package inflate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kgo"
)

const limit = 1 << 20

func decompressor(most int) *Decompressor { return New(kgo.DefaultDecompressor(), most) }

// noise is content that does not compress.
func noise(n int) []byte {
	out := make([]byte, n)
	x := uint32(1)
	for i := range out {
		x = x*1664525 + 1013904223
		out[i] = byte(x >> 24)
	}
	return out
}

// streamed is a frame of a producer that streams: it does not say how much it holds, and claims a
// window.
func streamed(t *testing.T, window int, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, zstd.WithWindowSize(window))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range [][]byte{content[:len(content)/2], content[len(content)/2:]} {
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// claiming is a frame of one block of plain bytes, under a window of 2^log bytes.
func claiming(log byte, content []byte) []byte {
	out := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3}
	header := uint32(len(content))<<3 | 1
	out = append(out, byte(header), byte(header>>8), byte(header>>16))
	return append(out, content...)
}

func TestEveryCodecIsReadBack(t *testing.T) {
	content := bytes.Repeat([]byte("kvsim "), 1000)
	for _, codec := range []kgo.CompressionCodec{
		kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression(),
	} {
		packed, used := content, kgo.CodecNone
		if c, err := kgo.DefaultCompressor(codec); err != nil {
			t.Fatal(err)
		} else if c != nil {
			packed, used = c.Compress(new(bytes.Buffer), content)
		}
		if got, err := decompressor(limit).Decompress(packed, used); err != nil || !bytes.Equal(got, content) {
			t.Errorf("codec %d: %d bytes, %v, want %d bytes", used, len(got), err, len(content))
		}
		if used == kgo.CodecNone {
			continue
		}
		if _, err := decompressor(limit).Decompress(packed[:len(packed)/2], used); err == nil || errors.Is(err, kgo.ErrMaxDecompress) {
			t.Errorf("codec %d: half of the bytes: %v, want them damaged", used, err)
		}
	}
}

// What counts is what a frame holds, whatever window it claims.
func TestZstdIsReadWhateverWindowItClaims(t *testing.T) {
	skippable := []byte{0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3}
	for _, most := range []int{64 << 10, limit, 3 << 20} {
		content := append(noise(most/4), bytes.Repeat([]byte("kvsim "), most/12)...)
		content = append(content, content[:most-len(content)]...) // matches that are as far away as they can be
		frames := map[string][]byte{}
		for _, log := range []byte{21, 23, 27, 31, 41} {
			frames[fmt.Sprint("a few bytes, window 2^", log)] = claiming(log, []byte("few"))
		}
		for _, window := range []int{1 << 20, 2 << 20, 8 << 20, 128 << 20} {
			frames[fmt.Sprint("as much as may be, window ", window)] = streamed(t, window, content)
		}
		frames["three frames"] = bytes.Join([][]byte{claiming(27, []byte("a")), skippable, streamed(t, 8<<20, content[:most/2]), claiming(23, nil)}, nil)
		for name, frame := range frames {
			want := content
			switch {
			case strings.HasPrefix(name, "a few"):
				want = []byte("few")
			case name == "three frames":
				want = append([]byte("a"), content[:most/2]...)
			}
			got, err := decompressor(most).Decompress(bytes.Clone(frame), kgo.CodecZstd)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("limit %d, %s: %d bytes, %v; want %d", most, name, len(got), err, len(want))
			}
			if _, err := decompressor(most).Decompress(frame[:len(frame)-1], kgo.CodecZstd); name != "three frames" && (err == nil || errors.Is(err, kgo.ErrMaxDecompress)) {
				t.Errorf("limit %d, %s without the last byte: %v, want it damaged", most, name, err)
			}
		}
		more := append(bytes.Clone(content), noise(most)...)
		if _, err := decompressor(most).Decompress(streamed(t, 8<<20, append(more, content...)), kgo.CodecZstd); !errors.Is(err, kgo.ErrMaxDecompress) {
			t.Errorf("limit %d, three times as much: %v, want kgo.ErrMaxDecompress", most, err)
		}
	}
}

// A frame of some kilobytes that holds a gigabyte, in blocks that repeat a byte.
func TestMemoryIsThatOfTheLimit(t *testing.T) {
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, (30 - 10) << 3}
	const block = uint32(mostBlock)<<3 | blockRLE<<1
	for range 1 << 13 {
		header := block
		frame = append(frame, byte(header), byte(header>>8&0xff), byte(header>>16), 'x')
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := decompressor(limit).Decompress(frame, kgo.CodecZstd)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, kgo.ErrMaxDecompress) {
		t.Errorf("a frame of a gigabyte: %v, want kgo.ErrMaxDecompress", err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 16*limit {
		t.Errorf("%d bytes allocated under a limit of %d", n, limit)
	}
}

func TestWindowHoldsAllContent(t *testing.T) {
	for _, most := range []int{1, 1000, 64 << 10, limit, 128 << 20, 1<<31 - 1} {
		window, descriptor := windowFor(most)
		var h zstd.Header
		if err := h.Decode([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, descriptor, 1, 0, 0}); err != nil || h.WindowSize != window {
			t.Errorf("windowFor(%d) = %d, %d, which stands for %d (%v)", most, window, descriptor, h.WindowSize, err)
		}
		if least := uint64(most) + 2*mostBlock; window < least || window > least+least/8+1<<10 {
			t.Errorf("windowFor(%d) = %d", most, window)
		}
	}
}

func snappyStream(blocks ...string) []byte {
	out := append(bytes.Clone(xerial), 0, 0, 0, 1, 0, 0, 0, 1)
	for _, b := range blocks {
		packed := s2.EncodeSnappy(nil, []byte(b))
		out = binary.BigEndian.AppendUint32(out, uint32(len(packed)))
		out = append(out, packed...)
	}
	return out
}

func TestSnappyStreamsInARowAreRead(t *testing.T) {
	for _, tc := range []struct {
		want string
		src  []byte
	}{
		{"ab", snappyStream("a", "b")},
		{"abc", slicesOf(snappyStream("a", "b"), snappyStream("c"))},
		{"abc", slicesOf(snappyStream("a"), snappyStream("b"), snappyStream(), snappyStream("c"))},
		{"plain", s2.EncodeSnappy(nil, []byte("plain"))},
	} {
		if got, err := decompressor(limit).Decompress(tc.src, kgo.CodecSnappy); err != nil || string(got) != tc.want {
			t.Errorf("%q, %v; want %q", got, err, tc.want)
		}
	}
	two := slicesOf(snappyStream("a"), snappyStream("b"))
	for n := xerialHeader + 1; n < len(two); n++ {
		if n == xerialHeader+4+len(s2.EncodeSnappy(nil, []byte("a"))) || n == len(two)-4-len(s2.EncodeSnappy(nil, []byte("b"))) {
			continue // at the end of a stream or of its header
		}
		if got, err := decompressor(limit).Decompress(two[:n], kgo.CodecSnappy); err == nil {
			t.Errorf("%d of %d bytes give %q", n, len(two), got)
		}
	}
}

func slicesOf(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestFranzGosIsTold(t *testing.T) {
	if !IsFranzGos(kgo.DefaultDecompressor()) || IsFranzGos(decompressor(limit)) || IsFranzGos(nil) {
		t.Error("IsFranzGos does not tell franz-go's decompressor")
	}
}
