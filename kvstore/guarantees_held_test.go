package kvstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

// Brokers below their minimum of replicas: it is in the error of who waits or
// gives up, in Status, and in the log, until it is over.
func TestClientThatCannotWriteSaysWhy(t *testing.T) {
	opts := slow(3, kvstoretest.WithTopicConfig(map[string]string{"min.insync.replicas": "2"}))
	inWorld(t, opts, func(t *testing.T, w *world) {
		// Both deadlines end in a pause: what is under way then may be appended yet.
		c := w.open("c", kvstore.WithKafkaOptions(kgo.RetryBackoffFn(func(int) time.Duration { return 400 * time.Millisecond })))
		w.put(c, "a", "1")
		if p := c.Status().Writing; p != (kvstore.Problem{}) {
			t.Errorf("Status.Writing = %+v, want nothing", p)
		}
		var out []*kvstoretest.Effect
		for b := range 3 {
			out = append(out, w.OutOfSync(b))
		}
		began := time.Now()
		first := c.Put(w.within(10*time.Second), []byte("k"), nil)
		queued := c.Put(w.within(10*time.Second), []byte("l"), nil)
		wantOutcome(t, "Put on its way", first, kvstore.ErrNotWritten) // the brokers refused it before they appended it
		wantOutcome(t, "Put that queued", queued, kvstore.ErrNotWritten)
		for _, err := range []error{first, queued} {
			for _, want := range []string{"NOT_ENOUGH_REPLICAS", "times since", "produce at broker"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Put = %v, want it to say %q", err, want)
				}
			}
			if !errors.Is(err, kerr.NotEnoughReplicas) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Put = %v, want NOT_ENOUGH_REPLICAS and its deadline", err)
			}
		}
		p := c.Status().Writing
		if !errors.Is(p.Err, kerr.NotEnoughReplicas) || p.Count < 10 || p.Since.Before(began) || p.Since.After(began.Add(time.Second)) {
			t.Errorf("Status.Writing = %+v, want NOT_ENOUGH_REPLICAS since %v", p, began)
		}
		if n := w.logged("writing to the log failed", "NOT_ENOUGH_REPLICAS"); n < 10 || n > 21 {
			t.Errorf("it was logged %d times in 20 s, want about once a second", n)
		}
		if s := c.Status(); s.State != kvstore.StateLive || s.Reading.Err != nil {
			t.Errorf("Status = %+v: reading is not held up", s)
		}
		for _, f := range out {
			f.Undo()
		}
		w.put(c, "b", "1")
		if p := c.Status().Writing; p != (kvstore.Problem{}) {
			t.Errorf("Status.Writing = %+v after it is over", p)
		}
	})
}

// Nothing has failed yet, because nobody answers at all.
func TestWriteThatWaitsForAnAnswerSaysForWhich(t *testing.T) {
	for what, tc := range map[string]struct {
		key  kmsg.Key
		says string
	}{
		"producer id": {kmsg.InitProducerID, "broker 0 to give a producer id"},
		"produce":     {kmsg.Produce, "broker 0 to acknowledge a write"},
	} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				c := w.open("c")
				w.On(kvstoretest.Traffic{Clients: []string{"c"}, APIs: []kmsg.Key{tc.key}}).BlackHole()
				first := c.Put(w.within(2*time.Second), []byte("k"), nil)
				queued := c.Put(w.within(2*time.Second), []byte("l"), nil)
				for _, err := range []error{first, queued} {
					if err == nil || !strings.Contains(err.Error(), tc.says) {
						t.Errorf("Put = %v, want it to say %q", err, tc.says)
					}
				}
			})
		})
	}
}

// A password that was changed shows on the writer's connection, too.
func TestWrongPasswordIsInTheErrorOfAWrite(t *testing.T) {
	inWorld(t, secured(nil), func(t *testing.T, w *world) {
		w.Allow("ann")
		c := w.open("c", w.As("ann"))
		w.put(c, "a", "1")
		w.SetPassword("ann", "another")
		w.DropConnections()
		err := c.Put(w.within(10*time.Second), []byte("k"), nil)
		if !errors.Is(err, kerr.SaslAuthenticationFailed) {
			t.Errorf("Put = %v, want SASL_AUTHENTICATION_FAILED in it", err)
		}
		if p := c.Status().Writing; !errors.Is(p.Err, kerr.SaslAuthenticationFailed) {
			t.Errorf("Status.Writing = %+v", p)
		}
		w.SetPassword("ann", "secret")
		w.put(c, "b", "1")
	})
}

// A broker calls the missing right to write to any topic the cluster's.
func TestMissingRightToWriteIsCalledTheTopics(t *testing.T) {
	inWorld(t, secured(nil), func(t *testing.T, w *world) {
		w.Allow("ann", kmsg.ACLOperationRead, kmsg.ACLOperationDescribe, kmsg.ACLOperationDescribeConfigs)
		c := w.open("c", w.As("ann"))
		err := c.Put(w.within(time.Minute), []byte("k"), nil)
		wantOutcome(t, "Put", err, kvstore.ErrRefused)
		for _, want := range []string{"TOPIC_AUTHORIZATION_FAILED", `"` + topic + `"`, "IDEMPOTENT_WRITE", "2.8", "CLUSTER_AUTHORIZATION_FAILED"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("Put = %v, want it to say %q", err, want)
			}
		}
		if !errors.Is(err, kerr.TopicAuthorizationFailed) {
			t.Errorf("Put = %v, want TOPIC_AUTHORIZATION_FAILED", err)
		}
		if p := c.Status().Writing; !errors.Is(p.Err, kerr.TopicAuthorizationFailed) {
			t.Errorf("Status.Writing = %+v", p)
		}
		w.Allow("ann", kmsg.ACLOperationWrite)
		w.put(c, "k", "v")
		if p := c.Status().Writing; p != (kvstore.Problem{}) {
			t.Errorf("Status.Writing = %+v with the right", p)
		}
	})
}

// The writes of others delay nobody: a write that is too large, or was given up, is no
// problem of the client.
func TestRefusalForSizeIsNoTroubleOfTheClient(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		c := w.open("c")
		w.FailProduces(1, kerr.MessageTooLarge)
		err := c.Put(w.within(time.Minute), []byte("k"), nil)
		wantOutcome(t, "Put", err, kvstore.ErrRefused)
		var size *kvstore.SizeError
		if !errors.As(err, &size) || size.Limit != 0 {
			t.Errorf("Put = %v, want a SizeError without a limit: the one that is known is not the broker's", err)
		}
		if p := c.Status().Writing; p != (kvstore.Problem{}) {
			t.Errorf("Status.Writing = %+v", p)
		}
	})
}
