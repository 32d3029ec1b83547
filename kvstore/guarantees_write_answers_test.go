package kvstore_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
)

func onProduce(fn func(*kmsg.ProduceResponse)) func(kmsg.Response) {
	return func(r kmsg.Response) { fn(r.(*kmsg.ProduceResponse)) }
}

func onProducePart(fn func(*kmsg.ProduceResponseTopicPartition)) func(kmsg.Response) {
	return onProduce(func(r *kmsg.ProduceResponse) { fn(&r.Topics[0].Partitions[0]) })
}

func onProducerID(fn func(*kmsg.InitProducerIDResponse)) func(kmsg.Response) {
	return func(r kmsg.Response) { fn(r.(*kmsg.InitProducerIDResponse)) }
}

// What brokers may answer to a write that they appended. unknown says that the answer is a
// lie by which nobody can tell the outcome.
var writeShapes = []struct {
	name    string
	key     kmsg.Key
	make    func(kmsg.Response)
	unknown bool
}{
	{"no topics", kmsg.Produce, onProduce(func(r *kmsg.ProduceResponse) { r.Topics = nil }), false},
	{"no partitions", kmsg.Produce, onProduce(func(r *kmsg.ProduceResponse) { r.Topics[0].Partitions = nil }), false},
	{"another topic", kmsg.Produce, onProduce(func(r *kmsg.ProduceResponse) { r.Topics[0].TopicID[3]++ }), false},
	{"another partition", kmsg.Produce, onProducePart(func(p *kmsg.ProduceResponseTopicPartition) { p.Partition = 5 }), false},
	{"twice", kmsg.Produce, onProduce(func(r *kmsg.ProduceResponse) { r.Topics = append(r.Topics, r.Topics[0]) }), false},
	{"no offset", kmsg.Produce, onProducePart(func(p *kmsg.ProduceResponseTopicPartition) { p.BaseOffset = -1 }), false},
	{"a code of the future", kmsg.Produce, onProducePart(func(p *kmsg.ProduceResponseTopicPartition) { p.ErrorCode = 999 }), false},
	{"not the leader any more", kmsg.Produce, onProducePart(func(p *kmsg.ProduceResponseTopicPartition) { p.ErrorCode = kerr.NotLeaderForPartition.Code }), false},
	{"KAFKA_STORAGE_ERROR", kmsg.Produce, onProducePart(func(p *kmsg.ProduceResponseTopicPartition) { p.ErrorCode = kerr.KafkaStorageError.Code }), false},
	{"UNKNOWN_SERVER_ERROR", kmsg.Produce, onProducePart(func(p *kmsg.ProduceResponseTopicPartition) { p.ErrorCode = kerr.UnknownServerError.Code }), false},
	{"throttled", kmsg.Produce, onProduce(func(r *kmsg.ProduceResponse) { r.ThrottleMillis = 300 }), false},
	{"unknown tags", kmsg.Produce, onProduce(func(r *kmsg.ProduceResponse) {
		r.UnknownTags.Set(50, []byte("x"))
		r.Topics[0].UnknownTags.Set(51, nil)
		r.Topics[0].Partitions[0].UnknownTags.Set(52, []byte("y"))
	}), false},
	{"an offset far beyond the end", kmsg.Produce, onProducePart(func(p *kmsg.ProduceResponseTopicPartition) { p.BaseOffset = 1 << 40 }), true},
	{"the next offset", kmsg.Produce, onProducePart(func(p *kmsg.ProduceResponseTopicPartition) { p.BaseOffset++ }), true},
	{"the first offset", kmsg.Produce, onProducePart(func(p *kmsg.ProduceResponseTopicPartition) { p.BaseOffset = 0 }), true},
	{"no producer id", kmsg.InitProducerID, onProducerID(func(r *kmsg.InitProducerIDResponse) { r.ProducerID = -1 }), false},
	{"a producer id, throttled", kmsg.InitProducerID, onProducerID(func(r *kmsg.InitProducerIDResponse) { r.ThrottleMillis = 300 }), false},
}

// Each shape is answered twice to a client that goes on to write.
func TestNoAnswerHarmsAWrite(t *testing.T) {
	for _, shape := range writeShapes {
		t.Run(shape.key.Name()+"/"+shape.name, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				answers := w.answers("c")
				c := w.open("c", answers.option())
				if shape.key != kmsg.InitProducerID {
					w.put(c, "warm", "up")
					w.put(c, "warm", "up")
				}
				left := 2
				answers.set(func(r *reply) {
					if r.req.Key() == int16(shape.key) && left > 0 {
						left--
						shape.make(r.resp)
					}
				})
				first, err := c.PutRevision(w.within(time.Minute), []byte("k"), []byte("1"))
				if err != nil && (!shape.unknown || !errors.Is(err, kvstore.ErrOutcomeUnknown)) {
					t.Errorf("Put = %v", err)
				}
				answers.set(nil)
				for _, key := range []string{"l", "m"} {
					w.put(c, key, "1")
					w.want(c, key, "1")
				}
				w.want(c, "k", "1")
				if n := w.countKeys()["k"]; n != 1 {
					t.Errorf("k is in the log %d times, want once", n)
				}
				if err == nil {
					w.wantAt("k", first)
				}
			})
		})
	}
}

// wantAt checks the revision that a write was said to have, unless it is not known.
func (w *world) wantAt(key string, revision int64) {
	w.t.Helper()
	for _, r := range w.Log() {
		if string(r.Key) == key && revision >= 0 && r.Offset != revision {
			w.t.Errorf("%s lies at offset %d, the client was told %d", key, r.Offset, revision)
		}
	}
}

// Every error code there is, twice, before anything was appended, to both requests of a
// write.
func TestNoErrorCodeHarmsAWrite(t *testing.T) {
	refused := []*kerr.Error{
		kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord, kerr.InvalidTimestamp, kerr.InvalidTopicException, kerr.InvalidRequiredAcks,
		kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.PolicyViolation, kerr.UnsupportedForMessageFormat, kerr.UnsupportedCompressionType,
	}
	contains := func(list []*kerr.Error, e *kerr.Error) bool {
		return slices.Contains(list, e)
	}
	for code := int16(-1); code < 137; code++ {
		e := kerr.TypedErrorForCode(code)
		if code == 0 || e == nil || e.Code != code {
			continue
		}
		t.Run(e.Message, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				answers := w.answers("c")
				c := w.open("c", answers.option())
				left := 2
				answers.set(func(r *reply) {
					if id, ok := r.resp.(*kmsg.InitProducerIDResponse); ok && left > 0 {
						left--
						id.ErrorCode, id.ProducerID = code, -1
					}
				})
				denied := contains([]*kerr.Error{kerr.ClusterAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed, kerr.TopicAuthorizationFailed}, e)
				err := c.Put(w.within(time.Minute), []byte("a"), nil)
				if denied != errors.Is(err, kvstore.ErrRefused) || !denied && err != nil {
					t.Errorf("Put whose producer id was answered %s = %v", e.Message, err)
				}
				answers.set(nil)

				w.FailProduces(2, e)
				err = c.Put(w.within(time.Minute), []byte("k"), nil)
				n := w.countKeys()["k"]
				switch {
				case contains(refused, e):
					wantOutcome(t, "Put", err, kvstore.ErrRefused)
					if n != 0 {
						t.Errorf("the refused write is in the log %d times", n)
					}
				case e == kerr.DuplicateSequenceNumber:
					wantOutcome(t, "Put", err, kvstore.ErrOutcomeUnknown)
				case err != nil || n != 1:
					t.Errorf("Put = %v, in the log %d times; want it written once", err, n)
				}
				for range 2 { // the second fault may still wait
					err = c.Put(w.within(time.Minute), []byte("l"), nil)
				}
				if err != nil {
					t.Errorf("Put after it = %v", err)
				}
			})
		})
	}
}
