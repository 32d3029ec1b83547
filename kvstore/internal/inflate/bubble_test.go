package inflate

import (
	"bytes"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kgo"
)

// unzstdInABubble decompresses in a bubble, ends it, and lets finalizers run.
func unzstdInABubble(t *testing.T, d func() kgo.Decompressor) {
	synctest.Test(t, func(t *testing.T) {
		packed := claiming(10, []byte("few"))
		if got, err := d().Decompress(packed, kgo.CodecZstd); err != nil || !bytes.Equal(got, []byte("few")) {
			t.Errorf("%q, %v", got, err)
		}
	})
	for range 3 { // a sync.Pool keeps its contents for two collections
		ran := make(chan struct{})
		runtime.SetFinalizer(new([64]byte), func(*[64]byte) { close(ran) })
		runtime.GC()
		<-ran
	}
}

func TestZstdOutlivesABubble(t *testing.T) {
	unzstdInABubble(t, func() kgo.Decompressor { return decompressor(limit) })
}

// This package has a decoder of zstd because those of franz-go end the process. If this fails,
// they don't any more.
func TestFranzGosZstdEndsTheProcess(t *testing.T) {
	const asked = "KVSIM_TEST_FRANZ_GO_IN_A_BUBBLE"
	if os.Getenv(asked) != "" {
		unzstdInABubble(t, func() kgo.Decompressor { return kgo.DefaultDecompressor() })
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), asked+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("synctest channel from outside bubble")) {
		t.Errorf("franz-go's decoder of zstd outlives a bubble now: %v\n%s\nThe reason to have one here, and internal/recordlog.Decompressor, is gone.", err, out)
	}
}
