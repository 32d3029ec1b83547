package kvstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest"
)

// BenchmarkDigest compares what a client does before it rereads a log that lost nothing, to know
// what it has shown, with reading the log. The brokers are part of the process: real ones
// take none of its time, so their reading is less.
func BenchmarkDigest(b *testing.B) {
	for _, keys := range []int{10_000, 200_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			kit := kvstoretest.New(b)
			const batch = 1000
			for at := 0; at < keys; at += batch {
				records := make([]kvstoretest.Record, batch)
				for i := range records {
					n := (at + i) * 7919 % keys // not in the order of the keys
					records[i] = kvstoretest.Record{Key: fmt.Appendf(nil, "key-%012d", n), Value: make([]byte, 100)}
				}
				kit.Append(records...)
			}
			var reading, digesting time.Duration
			for b.Loop() {
				s, began := memory.New(), time.Now()
				c, err := kvstore.NewClient(b.Context(), kit.Topic(), s, kit.ClientOptions("a")...)
				if err != nil {
					b.Fatal(err)
				}
				reading += time.Since(began)
				if err := c.Close(); err != nil {
					b.Fatal(err)
				}
				began = time.Now()
				if _, err := kvstore.DigestAfter(b.Context(), s, nil); err != nil {
					b.Fatal(err)
				}
				digesting += time.Since(began)
			}
			per := float64(b.N * keys)
			b.ReportMetric(float64(reading)/per, "read-ns/key")
			b.ReportMetric(float64(digesting)/per, "digest-ns/key")
			b.ReportMetric(float64(digesting)/float64(reading), "digest/read")
		})
	}
}
