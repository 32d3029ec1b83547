package fakecluster

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestClientsReadForgottenProducersByTheirOwnIDs lets the brokers forget a producer again
// and again. Readers check the checksums of its batches.
func TestClientsReadForgottenProducersByTheirOwnIDs(t *testing.T) {
	for _, tcp := range []bool{false, true} {
		c := start(t, Options{TCP: tcp})
		const n = 5
		for range n {
			must(produceTo(t, c, 0, batchHeader{producer: 77}, kv("k", "v"), kv("l", "w")))(t)
			must(c.ForgetProducers(Forget{Mode: ForgetAndAccept}))(t)
		}
		cl := client(t, c, "a", kgo.ConsumeTopics(topic))
		for read := 0; read < 2*n; {
			fs := cl.PollFetches(t.Context())
			check(t, fs.Err())
			fs.EachRecord(func(r *kgo.Record) {
				read++
				if r.ProducerID != 77 {
					t.Errorf("record at %d is of producer %d, want 77", r.Offset, r.ProducerID)
				}
			})
		}
	}
}
