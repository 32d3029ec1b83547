package recordlog

import (
	"bytes"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestDecompressorOutlivesABubble decompresses with every codec in a bubble, and then lets
// finalizers run. franz-go's own zstd decoders would end the process there.
func TestDecompressorOutlivesABubble(t *testing.T) {
	plain := bytes.Repeat([]byte("kvsim "), 1000)
	synctest.Test(t, func(t *testing.T) {
		for _, codec := range []kgo.CompressionCodec{
			kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression(),
		} {
			packed, used := plain, kgo.CodecNone
			c, err := kgo.DefaultCompressor(codec)
			if err != nil {
				t.Fatal(err)
			}
			if c != nil {
				packed, used = c.Compress(new(bytes.Buffer), plain)
			}
			if got, err := Decompressor().Decompress(packed, used); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("codec %d: %d bytes, %v, want %d bytes", used, len(got), err, len(plain))
			}
			if len(packed) > 0 && used != kgo.CodecNone {
				if _, err := Decompressor().Decompress(packed[:len(packed)/2], used); err == nil {
					t.Errorf("codec %d: half of the bytes decompress", used)
				}
			}
		}
	})
	for range 3 { // a sync.Pool keeps its contents for two collections
		ran := make(chan struct{})
		runtime.SetFinalizer(new([64]byte), func(*[64]byte) { close(ran) })
		runtime.GC()
		<-ran
	}
}
