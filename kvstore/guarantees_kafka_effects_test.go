package kvstore_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
)

// brokerHooks counts what franz-go tells of brokers, and of records.
type brokerHooks struct {
	mu                     sync.Mutex
	connects, e2e, records int
	clients                map[*kgo.Client]bool
}

func (h *brokerHooks) count(n *int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*n++
}

func (h *brokerHooks) OnNewClient(cl *kgo.Client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clients[cl] = true
}

func (h *brokerHooks) OnBrokerConnect(kgo.BrokerMetadata, time.Duration, net.Conn, error) {
	h.count(&h.connects)
}
func (h *brokerHooks) OnBrokerE2E(kgo.BrokerMetadata, int16, kgo.BrokerE2E) { h.count(&h.e2e) }
func (h *brokerHooks) OnProduceRecordBuffered(*kgo.Record)                  { h.count(&h.records) }
func (h *brokerHooks) OnFetchRecordBuffered(*kgo.Record)                    { h.count(&h.records) }

func TestHooksOfBrokersAreCalledAndThoseOfRecordsAreNot(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		h := &brokerHooks{clients: map[*kgo.Client]bool{}}
		c := w.open("c", kvstore.WithKafkaOptions(kgo.WithHooks(h)))
		w.put(c, "k", "v")
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(h.clients) != 2 || h.connects < 2 || h.e2e < 5 || h.records != 0 {
			t.Errorf("hooks saw %d clients, %d connects, %d requests, %d records; want 2 clients, their connects and requests, and no records",
				len(h.clients), h.connects, h.e2e, h.records)
		}
	})
}

// press is a compressor and decompressor that counts, and panics when told to.
type press struct {
	kgo.Compressor
	kgo.Decompressor
	mu          sync.Mutex
	short, long int
	panics      bool
}

func newPress() *press {
	return &press{Compressor: gzipCompressor(), Decompressor: kgo.DefaultDecompressor()}
}

func (p *press) set(panics bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.panics = panics
}

func (p *press) note(n *int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*n++
	if p.panics {
		panic("press")
	}
}

func (p *press) Compress(dst *bytes.Buffer, src []byte, flags ...kgo.CompressFlag) ([]byte, kgo.CompressionCodecType) {
	p.note(&p.short)
	return p.Compressor.Compress(dst, src, flags...)
}

func (p *press) Decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	p.note(&p.long)
	return p.Decompressor.Decompress(src, codec)
}

func TestCompressorsAreUsedAndTheirPanicsEndNoProcess(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		p := newPress()
		value := strings.Repeat("v", 10000)
		c := w.open("c", kvstore.WithKafkaOptions(kgo.WithCompressor(p), kgo.WithDecompressor(p)))
		w.put(c, "a", value)
		w.want(c, "a", value)
		if size := w.largestBatch(); size > 1000 || p.short == 0 || p.long == 0 {
			t.Errorf("the largest record batch has %d bytes, after %d calls to compress and %d to decompress; want it compressed", size, p.short, p.long)
		}
		// A batch that can't be compressed goes as it is; a panic at reading ends
		// the client, as that of a storage does.
		p.set(true)
		w.put(c, "b", value)
		w.want(c, "b", value)
		if size := w.largestBatch(); size < 10000 {
			t.Errorf("the largest record batch has %d bytes, want that of the second to be uncompressed", size)
		}
		if !slices.ContainsFunc(w.logs.all(), func(m string) bool {
			return strings.Contains(m, "goes uncompressed") && strings.Contains(m, "kgo.WithCompressor")
		}) {
			t.Errorf("log = %q, want the compressor's panic in it", w.logs.all())
		}
		other := w.open("other")
		rev := w.put(other, "c", value)
		err := c.WaitRevision(w.within(5*time.Second), rev)
		var panicked *kvstore.PanicError
		if !errors.As(err, &panicked) || panicked.In != "kgo.WithDecompressor" {
			t.Errorf("WaitRevision = %v, want the panic of the decompressor", err)
		}
		if s := c.Status(); s.State != kvstore.StateFailed {
			t.Errorf("Status = %v, want failed", s.State)
		}
	})
}

func TestBatchThatDecompressesToTooMuchIsNotPassedOver(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c := w.open("c", kvstore.WithKafkaOptions(kgo.MaxDecompressBatchBytes(5000), kgo.WithDecompressor(kgo.DefaultDecompressor())))
		w.put(w.open("other"), "k", strings.Repeat("v", 10000))
		err := c.Sync(w.within(5 * time.Second))
		wantError(t, "Sync", err, context.DeadlineExceeded, "position 0", "decompress")
		var large *kvstore.DecompressError
		if !errors.As(err, &large) || large.Offset != 0 || large.Limit != 5000 {
			t.Errorf("Sync = %v, want a DecompressError at offset 0 with a limit of 5000 bytes", err)
		}
		if s := c.Status(); s.State != kvstore.StateStalled {
			t.Errorf("Status = %v, want stalled", s.State)
		}
	})
}

func TestClientEndsWithTheContextGivenToFranzGo(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		why := errors.New("the program stops")
		ctx, cancel := context.WithCancelCause(t.Context())
		c := w.open("c", kvstore.WithKafkaOptions(kgo.WithContext(ctx)))
		other := w.open("other", kvstore.WithKafkaOptions(kgo.WithContext(ctx)))
		w.put(c, "k", "v")
		_ = other.Close() // which ends the watch
		cancel(why)
		time.Sleep(time.Second)
		for name, op := range w.operations(c) {
			var err error
			if d := took(func() { err = w.promptly(time.Minute, op) }); d > grace {
				t.Errorf("%s took %v", name, d)
			}
			wantError(t, name, err, why, "kgo.WithContext")
		}
		if s := c.Status(); s.State != kvstore.StateFailed {
			t.Errorf("Status = %v, want failed", s.State)
		}
		if s := other.Status(); s.State != kvstore.StateClosed {
			t.Errorf("Status of the closed client = %v", s.State)
		}
		w.put(w.open("third"), "k", "v")
	})
}

// The backoff of franz-go is that of the store too.
func TestBackoffOfFranzGoIsTheStores(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		s := newFlaky()
		var mu sync.Mutex
		var asked []int
		c := w.openOn("c", s, kvstore.WithKafkaOptions(kgo.RetryBackoffFn(func(failures int) time.Duration {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, failures)
			return 3 * time.Second
		})))
		s.fail(errors.New("disk full"))
		time.AfterFunc(8*time.Second, func() { s.fail(nil) })
		if d := took(func() { w.put(c, "k", "v") }); d < 9*time.Second || d > 10*time.Second {
			t.Errorf("a write took %v, want three pauses of 3 s", d)
		}
		mu.Lock()
		defer mu.Unlock()
		if !slices.Contains(asked, 3) {
			t.Errorf("the backoff was asked for %v, want failures counted up to 3", asked)
		}
	})
}
