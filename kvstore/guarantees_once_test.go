package kvstore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/kvsim/kvsim/internal/recordlog"
	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

// lostIdentities are the answers of a broker that knows another state of a
// producer than the client, or none.
var lostIdentities = []*kerr.Error{
	kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID, kerr.InvalidProducerEpoch,
	kerr.InvalidProducerIDMapping, kerr.ProducerFenced,
}

// doubts are the ways in which a write is appended and its client does not know.
// Each works on the next write.
var doubts = map[string]func(w *world) *kvstoretest.Effect{
	"answer lost":                      func(w *world) *kvstoretest.Effect { return w.LoseAnswers(1, "c") },
	"REQUEST_TIMED_OUT":                appendedBut(kerr.RequestTimedOut),
	"NOT_ENOUGH_REPLICAS_AFTER_APPEND": appendedBut(kerr.NotEnoughReplicasAfterAppend),
}

func appendedBut(err *kerr.Error) func(w *world) *kvstoretest.Effect {
	return func(w *world) *kvstoretest.Effect { return w.FailProducesAfterAppend(1, err) }
}

// A write was appended and nobody told its client. The broker then denies to know
// its producer, so that it would take the write once more under another id.
func TestWriteInDoubtIsNeverSentUnderAnotherIdentity(t *testing.T) {
	for what, doubt := range doubts {
		for _, answer := range lostIdentities {
			for _, hidden := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/log hidden %v", what, answer.Message, hidden), func(t *testing.T) {
					inWorld(t, slow(1), func(t *testing.T, w *world) {
						c, other := w.open("c"), w.open("other")
						w.put(c, "warm", "up")
						undo := func() {}
						if hidden {
							undo = w.hideLog("c").Undo
						}
						happened := doubt(w)
						result := make(chan error, 1)
						go func() { result <- c.Put(w.within(time.Minute), []byte("k"), []byte("old")) }()
						happened.Wait(1)
						w.FailProduces(1, answer)
						err := <-result
						if hidden { // nothing is sent again
							wantOutcome(t, "Put in doubt", err, kvstore.ErrOutcomeUnknown)
							if !strings.Contains(err.Error(), "look whether the write is in the log") {
								t.Errorf("Put in doubt = %v, want that the log could not be looked into", err)
							}
						} else if err != nil {
							t.Errorf("Put = %v, although the log has it", err)
						}
						undo()
						w.put(other, "k", "new")
						w.put(c, "after", "1") // the client writes on
						if n := w.countKeys()["k"]; n != 2 {
							t.Errorf("the log has k %d times, want the write in doubt and the newer one", n)
						}
						w.want(other, "k", "new")
					})
				})
			}
		}
	}
}

// Nothing is in doubt: a broker that does not know the producer appended nothing.
func TestWriteOfAForgottenProducerGoesUnderANewIdentity(t *testing.T) {
	for _, answer := range lostIdentities {
		t.Run(answer.Message, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				c := w.open("c")
				w.put(c, "a", "1")
				w.FailProduces(1, kerr.NotLeaderForPartition)
				w.put(c, "b", "1")
				w.FailProduces(2, answer)
				w.put(c, "c", "1")
				w.put(c, "d", "1")
				for _, key := range []string{"a", "b", "c", "d"} {
					if n := w.countKeys()[key]; n != 1 {
						t.Errorf("%s is in the log %d times, want once", key, n)
					}
				}
				log := w.Log()
				if first, last := log[0].Producer, log[len(log)-1].Producer; first == last {
					t.Errorf("all records are of producer %d, want a new one", last)
				}
			})
		})
	}
}

// A broker that forgets its producers and takes any sequence would append the
// write once more, without an error. The client looks into the log first.
func TestWriteInDoubtIsLookedForInTheLogBeforeItIsSentAgain(t *testing.T) {
	for what, doubt := range doubts {
		for _, mode := range []kvstoretest.Forgetting{kvstoretest.AcceptForgotten, kvstoretest.RefuseForgotten, kvstoretest.DenyForgotten} {
			t.Run(fmt.Sprintf("%s/%v", what, mode), func(t *testing.T) {
				inWorld(t, slow(1), func(t *testing.T, w *world) {
					c := w.open("c")
					w.put(c, "warm", "up")
					happened := doubt(w)
					result := make(chan int64, 1)
					go func() { result <- w.put(c, "k", "v") }()
					happened.Wait(1)
					w.ForgetProducers(mode)
					if rev := <-result; rev != 1 {
						t.Errorf("the write has revision %d, want 1", rev)
					}
					if n := w.countKeys()["k"]; n != 1 {
						t.Errorf("the write is in the log %d times, want once", n)
					}
					w.put(c, "after", "1")
				})
			})
		}
	}
}

// A look into the log that failed says nothing, and a broker that has forgotten the producer
// would append the write once more: the client looks again before it sends anything.
func TestWriteInDoubtIsNotSentAgainUntilALookWasAnswered(t *testing.T) {
	for name, hide := range map[string]func(w *world) *kvstoretest.Effect{
		"an error":  func(w *world) *kvstoretest.Effect { return w.FailFetches(0, kerr.KafkaStorageError) },
		"a quota":   func(w *world) *kvstoretest.Effect { return w.ThrottleFetches(0, 500*time.Millisecond) },
		"no answer": func(w *world) *kvstoretest.Effect { return w.hideLog("c") },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				c := w.open("c")
				w.put(c, "warm", "up")
				hidden := hide(w)
				lost := w.LoseAnswers(1, "c")
				result := make(chan int64, 1)
				go func() { result <- w.put(c, "k", "v") }()
				lost.Wait(1)
				sent := w.On(produceOf("c")).Latency(time.Nanosecond) // counts
				w.forgetProducers()
				time.Sleep(20 * time.Second)
				if n := sent.Hits(); n > 0 {
					t.Errorf("%d requests to produce came before a look was answered", n)
				}
				sent.Undo()
				hidden.Undo()
				if rev := <-result; rev != 1 {
					t.Errorf("the write has revision %d, want 1", rev)
				}
				if n := w.countKeys()["k"]; n != 1 {
					t.Errorf("the write is in the log %d times, want once", n)
				}
				w.put(c, "after", "1")
			})
		})
	}
}

// arriveLate has the first try of c's second write arrive after c looked for it and sent it
// again, and has that one answered with an error.
func (w *world) arriveLate(key, value string, answer *kerr.Error) {
	w.t.Helper()
	far := w.On(produceOf("c")).Latency(time.Second)
	far.Wait(1)
	far.Undo()
	warm := w.batches()[0]
	record := kmsg.Record{Key: []byte(key), Value: []byte(value)}
	record.Length = int32(len(record.AppendTo(nil)) - 1) // a length of 0 is one byte
	batch := kmsg.RecordBatch{
		Magic: 2, PartitionLeaderEpoch: -1, NumRecords: 1, Records: record.AppendTo(nil),
		ProducerID: warm.ProducerID, ProducerEpoch: warm.ProducerEpoch, FirstSequence: warm.FirstSequence + 1,
		FirstTimestamp: time.Now().UnixMilli(), MaxTimestamp: time.Now().UnixMilli(),
	}
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 1000
	part := kmsg.NewProduceRequestTopicPartition()
	part.Records = recordlog.Seal(batch.AppendTo(nil))
	reqTopic := kmsg.NewProduceRequestTopic()
	reqTopic.Topic, reqTopic.Partitions = topic, []kmsg.ProduceRequestTopicPartition{part}
	req.Topics = append(req.Topics, reqTopic)
	resp, err := w.kafka("late", kgo.MaxVersions(kversion.V3_0_0())).Broker(0).Request(w.t.Context(), req)
	must(w.t, err)
	must(w.t, kerr.ErrorForCode(resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0].ErrorCode))
	w.FailProduces(1, answer).Wait(1)
}

// The write was not in the log when the client looked before it sent it again, and is there
// when the answer to that leaves it in doubt.
func TestLogDecidesWhatTheLastAnswerLeavesOpen(t *testing.T) {
	for _, answer := range append([]*kerr.Error{kerr.DuplicateSequenceNumber, kerr.TopicAuthorizationFailed}, lostIdentities...) {
		t.Run(answer.Message, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				c := w.open("c")
				w.put(c, "warm", "up")
				lost := w.LoseRequests(1, "c")
				result := make(chan int64, 1)
				go func() { result <- w.put(c, "k", "v") }()
				lost.Wait(1)
				w.arriveLate("k", "v", answer)
				if rev := <-result; rev != 1 {
					t.Errorf("the write has revision %d, want 1", rev)
				}
				w.put(c, "after", "1")
				if n := w.countKeys()["k"]; n != 1 {
					t.Errorf("the write is in the log %d times, want once", n)
				}
			})
		})
	}
}

// A write that was sent once can't be a duplicate of itself: the broker takes it for
// another one, and does not have it.
func TestDuplicateOfAWriteThatWasSentOnceIsNotWritten(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c := w.open("c")
		w.put(c, "warm", "up")
		w.FailProduces(1, kerr.DuplicateSequenceNumber)
		err := c.Put(w.within(time.Minute), []byte("k"), []byte("v"))
		wantOutcome(t, "Put", err, kvstore.ErrOutcomeUnknown)
		if n := w.countKeys()["k"]; n != 0 {
			t.Errorf("the write is in the log %d times, want never", n)
		}
		w.put(c, "k", "w") // under another id
		w.want(c, "k", "w")
	})
}

// A duplicate that can't be found in the log, because it can't be read or because the record is
// not below the high watermark yet, is neither done nor unknown: the client tries on.
func TestDuplicateAtAnUnknownPlaceIsFoundLater(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c := w.open("c")
		w.put(c, "warm", "up")
		lost := w.LoseRequests(1, "c")
		result := make(chan int64, 1)
		go func() { result <- w.put(c, "k", "v") }()
		lost.Wait(1)
		w.arriveLate("k", "v", kerr.DuplicateSequenceNumber)
		hidden := w.hideLog("c")
		time.Sleep(10 * time.Second)
		hidden.Undo()
		if rev := <-result; rev != 1 {
			t.Errorf("the write has revision %d, want 1", rev)
		}
		w.want(c, "k", "v")
		w.put(c, "after", "1")
		if n := w.countKeys()["k"]; n != 1 {
			t.Errorf("the write is in the log %d times, want once", n)
		}
	})
}

// A write was sent and never appended, and its broker calls it a duplicate: it has to be in the
// log before it is done.
func TestDuplicateThatIsNotInTheLogIsNotDone(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c := w.open("c", kvstore.WithDeliveryTimeout(10*time.Second))
		w.put(c, "warm", "up")
		lost := w.LoseRequests(1, "c")
		duplicate := w.FailProduces(0, kerr.DuplicateSequenceNumber)
		result := make(chan error, 1)
		go func() { result <- c.Put(t.Context(), []byte("k"), []byte("v")) }()
		lost.Wait(1)
		wantOutcome(t, "Put", <-result, kvstore.ErrOutcomeUnknown)
		duplicate.Undo()
		w.put(c, "k", "w")
		if n := w.countKeys()["k"]; n != 1 {
			t.Errorf("k is in the log %d times, want once", n)
		}
	})
}

// The record is above the last stable offset, where no read committed comes to.
func TestWriteInDoubtIsFoundBehindAnOpenTransaction(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c := w.open("c")
		w.put(c, "warm", "up")
		txn := w.Begin()
		txn.Append(kvstoretest.Tombstone("x"))
		lost := w.LoseAnswers(1, "c")
		result := make(chan error, 1)
		go func() { result <- c.Put(w.within(10*time.Second), []byte("k"), []byte("v")) }()
		lost.Wait(1)
		w.FailProduces(1, kerr.OutOfOrderSequenceNumber)
		var we *kvstore.WriteError
		if err := <-result; !errors.Is(err, kvstore.ErrNotVisible) || !errors.As(err, &we) || we.Revision != 2 {
			t.Errorf("Put = %v, want it written at revision 2 and not visible", err)
		}
		txn.Abort()
		if err := c.WaitRevision(w.within(time.Minute), 2); err != nil {
			t.Error(err)
		}
		w.want(c, "k", "v")
	})
}

// One write that the broker refuses fails none of those that share its record batch.
func TestInvalidRecordFailsNoOther(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c := w.open("c")
		hold := w.holdProduces()
		results := make(chan error, 10)
		for i := range 10 {
			go func() { results <- c.Put(w.within(time.Minute), fmt.Append(nil, "k", i), nil) }()
			time.Sleep(time.Millisecond)
		}
		hold.Wait(1)
		// The broker refuses the first, which is by itself, then the group of
		// nine, then the first of the nine one by one.
		refuse := w.FailProduces(3, kerr.InvalidRecord)
		hold.Undo()
		refused := 0
		for range 10 {
			if err := <-results; err != nil {
				wantOutcome(t, "Put", err, kvstore.ErrRefused)
				refused++
			}
		}
		refuse.Undo()
		if refused != 2 {
			t.Errorf("%d writes were refused, want 2", refused)
		}
		if n := len(w.countKeys()); n != 8 {
			t.Errorf("%d keys are in the log, want 8", n)
		}
	})
}
