package kvstore_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
)

// largerThan says which produce requests have record batches of more than so many bytes.
func largerThan(most int) func(kmsg.Request) bool {
	return func(r kmsg.Request) bool {
		p, ok := r.(*kmsg.ProduceRequest)
		return ok && len(p.Topics) > 0 && len(p.Topics[0].Partitions[0].Records) > most
	}
}

// A broker closes the connection on a request that is too large for it, or a proxy does.
func TestWriteOnWhichBrokersHangUpBlocksNoOther(t *testing.T) {
	inWorld(t, withTopic(3), func(t *testing.T, w *world) {
		a := w.answers("c")
		c := w.open("c", a.option(), kvstore.WithKafkaOptions(kgo.ProducerBatchCompression(kgo.NoCompression())))
		w.put(c, "first", "1")
		a.hangUpOn(largerThan(200_000))
		var calls sync.WaitGroup
		calls.Go(func() {
			var err error
			d := took(func() { err = c.Put(w.within(5*time.Minute), []byte("large"), random(500_000)) })
			if !errors.Is(err, kvstore.ErrOutcomeUnknown) || errors.Is(err, kvstore.ErrNotWritten) || errors.Is(err, kvstore.ErrRefused) {
				t.Errorf("the large Put = %v, want it unknown", err)
			}
			text := fmt.Sprint(err)
			for _, want := range []string{"500", "bytes", "socket.request.max.bytes", "proxy", "went through"} {
				if !strings.Contains(text, want) {
					t.Errorf("the large Put = %q, want %q in it", text, want)
				}
			}
			if strings.Contains(text, "SASL") {
				t.Errorf("the large Put = %q, though requests get through", text)
			}
			if d < 5*time.Second || d > 10*time.Second {
				t.Errorf("the large Put took %v", d)
			}
		})
		time.Sleep(10 * time.Millisecond)
		calls.Go(func() {
			if d := took(func() { w.put(c, "small", "1") }); d > 10*time.Second {
				t.Errorf("a small Put behind the large one took %v", d)
			}
		})
		time.Sleep(2 * time.Second)
		if p := c.Status().Writing; p.Err == nil || !strings.Contains(p.Err.Error(), "socket.request.max.bytes") {
			t.Errorf("Status().Writing = %+v", p)
		}
		calls.Wait()
		if got := w.contents(c); got != "first=1 small=1 " {
			t.Errorf("contents = %q", got)
		}
	})
}

// Groups of writes are too large then, although none of the writes is: they become smaller.
func TestGroupsOnWhichBrokersHangUpGetSmaller(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		a := w.answers("c")
		c := w.open("c", a.option(), kvstore.WithKafkaOptions(kgo.ProducerBatchCompression(kgo.NoCompression())))
		a.hangUpOn(largerThan(150_000))
		for round := range 4 {
			var calls sync.WaitGroup
			for i := range 30 {
				calls.Go(func() {
					err := c.Put(w.within(5*time.Minute), fmt.Append(nil, i), random(30_000))
					if err != nil && (round == 3 || !errors.Is(err, kvstore.ErrOutcomeUnknown)) {
						t.Errorf("round %d: Put of 30,000 bytes = %v", round, err)
					}
				})
			}
			calls.Wait()
		}
	})
}

// A broker that is away, or hangs up on everything, is waited for as long as a write lives.
func TestLargeWriteOutlastsABrokerThatIsAway(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		a := w.answers("c")
		c := w.open("c", a.option())
		w.put(c, "first", "1")
		a.hangUpOn(func(r kmsg.Request) bool { return r.Key() == int16(kmsg.Produce) || r.Key() == int16(kmsg.Fetch) })
		var calls sync.WaitGroup
		calls.Go(func() {
			if err := c.Put(w.within(5*time.Minute), []byte("large"), random(500_000)); err != nil {
				t.Errorf("Put = %v", err)
			}
		})
		time.Sleep(30 * time.Second)
		w.StopBroker(0)
		time.Sleep(30 * time.Second)
		w.StartBroker(0)
		a.hangUpOn(nil)
		calls.Wait()
		if n := len(w.Log()); n != 2 {
			t.Errorf("the log has %d records, want 2", n)
		}
	})
}
