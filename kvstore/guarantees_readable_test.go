package kvstore_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

const (
	mostAnswered = 3 << 20
	mostReadable = mostAnswered - 512 - len(topic) // of a record batch
)

// littleReader makes a client that reads answers up to mostAnswered.
func littleReader() kvstore.ClientOption {
	return kvstore.WithKafkaOptions(kgo.BrokerMaxReadBytes(mostAnswered), kgo.ProducerBatchCompression(kgo.NoCompression()))
}

// A client that was opened before the topic's limit was raised beyond what it can read says so, and
// writes nothing that it could not read back.
func TestLimitRaisedBeyondWhatAClientReadsIsSaid(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c, reader, other := w.open("c", littleReader()), w.open("reader", littleReader(), kvstore.WithReadOnly()), w.open("other")
		skips := w.open("skips", littleReader(), kvstore.WithTopicValidation(kvstore.TopicValidationSkip))
		w.alter("max.message.bytes", "20000000")
		time.Sleep(time.Minute)
		for name, c := range map[string]*kvstore.Client{"c": c, "reader": reader} {
			wantError(t, name+": Status.Topic.Err", c.Status().Topic.Err, nil, "kgo.BrokerMaxReadBytes", fmt.Sprint(mostAnswered), "max.message.bytes", "20000000")
		}
		for name, c := range map[string]*kvstore.Client{"other": other, "skips": skips} {
			if got := c.Status().Topic; got.Err != nil {
				t.Errorf("%s: Status.Topic = %+v, want nothing", name, got)
			}
		}
		if n := w.logged("does not fit any more", "kgo.BrokerMaxReadBytes"); n != 2 {
			t.Errorf("it was logged %d times, want once for each of two clients", n)
		}
		w.checkLimit(c, mostReadable, "kgo.BrokerMaxReadBytes, above which this client could not read it back")
		w.put(c, "small", "1")
		must(t, reader.Sync(w.within(time.Minute)))
		w.want(reader, "small", "1")
		w.alter("max.message.bytes", "2000000")
		time.Sleep(time.Minute)
		if got := c.Status().Topic; got.Err != nil {
			t.Errorf("Status.Topic = %+v after the limit was lowered again, want nothing", got)
		}
	})
}

// A record batch of others that is too large for a client stops it there: it skips nothing, says
// why, and asks seldom. A client that can read it goes on.
func TestBatchTooLargeForAClientIsNotPassedOver(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c := w.open("c", littleReader())
		other := w.open("other", kvstore.WithKafkaOptions(kgo.ProducerBatchCompression(kgo.NoCompression())))
		w.put(other, "a", "1")
		w.alter("max.message.bytes", "20000000")
		time.Sleep(time.Minute)
		large := noise(mostAnswered)
		must(t, other.Put(w.within(time.Minute), []byte("large"), large))
		w.put(other, "a", "2")
		w.eventually("the client says why it stands still", func() bool { return c.Status().State == kvstore.StateStalled })
		wantError(t, "Status.Reading.Err", c.Status().Reading.Err, nil, "BrokerMaxReadBytes", fmt.Sprint(mostAnswered))
		w.want(c, "a", "1")
		before := c.Status().Reading.Count
		err := c.Put(w.within(time.Minute), []byte("small"), []byte("1"))
		wantOutcome(t, "Put", err, kvstore.ErrOutcomeUnknown)
		wantError(t, "Put", err, kvstore.ErrNotVisible, "BrokerMaxReadBytes")
		if n := c.Status().Reading.Count - before; n > 100 {
			t.Errorf("the client tried %d times in a minute", n)
		}
		must(t, c.Close())
		again := w.open("again")
		if got, err := again.Get(w.within(time.Minute), []byte("large")); err != nil || !bytes.Equal(got, large) {
			t.Errorf("Get = %d bytes, %v; want the large value", len(got), err)
		}
		w.want(again, "small", "1")
	})
}

// A client asks for no more than it reads, whatever the options say, with what is around it.
func TestFetchesLeaveRoomForWhatIsAroundTheRecords(t *testing.T) {
	inWorld(t, withTopic(1, kvstoretest.WithTopicConfig(map[string]string{"max.message.bytes": "1000"})), func(t *testing.T, w *world) {
		other := w.open("other")
		for i := range 100 {
			w.put(other, fmt.Sprintf("k%02d", i), "1")
		}
		c := w.open("c", kvstore.WithKafkaOptions(kgo.BrokerMaxReadBytes(2000), kgo.FetchMaxBytes(2000), kgo.FetchMaxPartitionBytes(2000)))
		w.want(c, "k99", "1")
	})
}

// noise returns bytes that can't be compressed.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b)
	return b
}
