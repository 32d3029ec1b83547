package kvstore_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

// A topic that is not there any more does not tell the outcome of a try before.
func TestWriteWhoseTopicWentAfterALostAnswerIsUnknown(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c := w.open("c")
		w.put(c, "a", "1")
		hole := w.On(kvstoretest.Traffic{Clients: []string{"c"}, APIs: []kmsg.Key{kmsg.Produce}, Dir: kvstoretest.ToClient}).BlackHole()
		result := make(chan error, 1)
		go func() { result <- c.Put(w.within(time.Minute), []byte("b"), nil) }()
		w.eventually("the write is in the log", func() bool { return w.End() == 2 })
		w.RecreateTopic()
		hole.Undo()
		if err := <-result; !errors.Is(err, kvstore.ErrOutcomeUnknown) {
			t.Errorf("Put whose answer was lost and whose topic went = %v, want ErrOutcomeUnknown", err)
		}
	})
}

// A port forwarder takes connections while the broker behind it restarts.
func TestWriteOutlastsABrokerThatHangsUp(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		var away atomic.Bool
		dial := w.Dialer("c")
		c := w.open("c", kvstore.WithKafkaOptions(kgo.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
			if away.Load() {
				near, far := net.Pipe()
				go func() { // take the first bytes and hang up
					_, _ = far.Read(make([]byte, 1024))
					_ = far.Close()
				}()
				return near, nil
			}
			return dial(ctx, network, addr)
		})))
		w.put(c, "a", "1")
		away.Store(true)
		w.DropConnections("c")
		err := c.Put(w.within(2*time.Second), []byte("b"), []byte("too soon"))
		if !errors.Is(err, kvstore.ErrNotWritten) && !errors.Is(err, kvstore.ErrOutcomeUnknown) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Put while the broker hangs up = %v, want its deadline", err)
		}
		tooSoon := err
		result := make(chan error, 1)
		go func() { result <- c.Put(w.within(time.Minute), []byte("c"), []byte("1")) }()
		time.Sleep(3 * time.Second)
		away.Store(false)
		if err := <-result; err != nil {
			t.Errorf("Put that began while the broker hung up = %v, want it done once the broker is back", err)
		}
		w.want(c, "c", "1")
		if _, getErr := c.Get(t.Context(), []byte("b")); errors.Is(tooSoon, kvstore.ErrNotWritten) && getErr == nil {
			t.Error("the write that was not written is in the log")
		}
	})
}

// The first write needs a producer id, the brokers' addresses and connections.
func TestFirstWriteOfAClientIsSent(t *testing.T) {
	for range 100 {
		inWorld(t, withTopic(1), func(t *testing.T, w *world) {
			c := w.open("c")
			err := c.Batch().Put([]byte("x"), nil).Put([]byte("y"), nil).Execute(w.within(20 * time.Second))
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}
