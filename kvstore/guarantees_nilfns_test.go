package kvstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

// An option of franz-go that it would call although it is nil is refused by its name.
func TestNilFunctionsOfOptionsAreRefused(t *testing.T) {
	for name, opt := range map[string]kgo.Opt{
		"ProducerBatchMaxBytesFn": kgo.ProducerBatchMaxBytesFn(nil),
		"RetryBackoffFn":          kgo.RetryBackoffFn(nil),
	} {
		inWorld(t, withTopic(1), func(t *testing.T, w *world) {
			_, err := kvstore.NewClient(w.within(time.Second), topic, memory.New(), w.options("c", kvstore.WithKafkaOptions(kgo.ClientID("x"), opt))...)
			if err == nil || !strings.Contains(err.Error(), "kgo."+name) {
				t.Errorf("%s: NewClient = %v, want it refused by name", name, err)
			}
		})
	}
}
