package realkafka_test

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	saslplain "github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest/realkafka"
)

const (
	read     = kmsg.ACLOperationRead
	write    = kmsg.ACLOperationWrite
	describe = kmsg.ACLOperationDescribe
	configs  = kmsg.ACLOperationDescribeConfigs
)

// TestRights is what the store promises about rights, on brokers with
// SASL/PLAIN and the StandardAuthorizer. They are the test's own, because other
// tests do not log in. They create topics for whoever may and asks for one.
func TestRights(t *testing.T) {
	k := realkafka.Start(t, realkafka.Own(), realkafka.WithUsers(map[string]string{"ann": "secret"}),
		realkafka.WithBrokerConfig(map[string]string{"auto.create.topics.enable": "true"}))
	for name, test := range map[string]func(*testing.T, *world){
		"existing topic needs no right to create":   existingTopicNeedsNoRightToCreate,
		"missing permission is reported at once":    missingPermissionIsReportedAtOnce,
		"write without the right is refused":        writeWithoutTheRightIsRefused,
		"revoked authorisation shows and recovers":  revokedAuthorisationShowsAndRecovers,
		"wrong password is reported":                wrongPasswordIsReported,
		"reader without the right to write reads":   readerWithoutTheRightToWriteReads,
		"topic that may not be created is reported": topicThatMayNotBeCreatedIsReported,
		"read-only client makes nobody create":      readOnlyClientMakesNobodyCreate,
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{t: t, k: k, topic: k.Topic(maps.Clone(keepAll))}
			test(t, w)
		})
	}
}

func (w *world) asAnn() kvstore.ClientOption { return kvstore.WithKafkaOptions(w.k.Login("ann")) }

func existingTopicNeedsNoRightToCreate(t *testing.T, w *world) {
	w.k.Allow("ann", w.topic, read, write, describe)
	c := w.open(w.asAnn())
	w.put(c, "a", "1")
	w.wantContents(c, "a=1")
}

func missingPermissionIsReportedAtOnce(t *testing.T, w *world) {
	w.k.Allow("ann", w.topic, describe)
	start := time.Now()
	_, err := kvstore.NewClient(w.within(patience), w.topic, memory.New(), w.options(w.asAnn())...)
	if !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("NewClient without the right to read = %v, want TOPIC_AUTHORIZATION_FAILED", err)
	}
	if d := time.Since(start); d > patience/2 {
		t.Errorf("NewClient took %v to say so", d)
	}
}

func writeWithoutTheRightIsRefused(t *testing.T, w *world) {
	w.k.Allow("ann", w.topic, read, describe, configs)
	c := w.open(w.asAnn())
	refused := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, kvstore.ErrRefused) || errors.Is(err, kvstore.ErrOutcomeUnknown) ||
			!errors.Is(err, kerr.ClusterAuthorizationFailed) && !errors.Is(err, kerr.TopicAuthorizationFailed) {
			t.Errorf("%s = %v, want ErrRefused with the broker's authorisation error", what, err)
		}
	}
	refused("Put", c.Put(w.within(patience), []byte("k"), []byte("v")))
	refused("Delete", c.Delete(w.within(patience), []byte("k")))
	// A right that is given later is used without another client.
	w.k.Allow("ann", w.topic, write)
	w.put(c, "k", "v")
	w.wantContents(c, "k=v")
	w.k.Revoke("ann", w.topic, write)
	refused("Put after the right was revoked", c.Put(w.within(patience), []byte("k"), []byte("w")))
	if _, end := w.k.Offsets(w.topic); end != 1 {
		t.Errorf("the log ends at %d, want 1", end)
	}
}

func revokedAuthorisationShowsAndRecovers(t *testing.T, w *world) {
	all := []kmsg.ACLOperation{read, write, describe, configs}
	w.k.Allow("ann", w.topic, all...)
	c := w.open(w.asAnn())
	w.put(c, "a", "1")
	w.k.Revoke("ann", w.topic, all...)
	w.eventually("stalled", func() bool {
		s := c.Status()
		return s.State == kvstore.StateStalled && errors.Is(s.Err, kerr.TopicAuthorizationFailed)
	})
	w.wantContents(c, "a=1") // stale, and Status says so
	err := c.Put(w.within(patience), []byte("b"), nil)
	if !errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kvstore.ErrOutcomeUnknown) {
		t.Errorf("Put without the right to write = %v, want a definite TOPIC_AUTHORIZATION_FAILED", err)
	}
	if err := c.Sync(w.within(3 * time.Second)); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("Sync without the right to read = %v, want TOPIC_AUTHORIZATION_FAILED as its cause", err)
	}
	w.k.Allow("ann", w.topic, all...)
	w.put(c, "b", "1")
	w.eventually("live", func() bool { return c.Status().State == kvstore.StateLive })
}

func wrongPasswordIsReported(t *testing.T, w *world) {
	w.k.Allow("ann", w.topic, read, write, describe)
	login := kvstore.WithKafkaOptions(kgo.SASL(saslplain.Auth{User: "ann", Pass: "guess"}.AsMechanism()))
	_, err := kvstore.NewClient(w.within(20*time.Second), w.topic, memory.New(), w.options(login)...)
	if !errors.Is(err, kerr.SaslAuthenticationFailed) {
		t.Errorf("NewClient with a wrong password = %v, want SASL_AUTHENTICATION_FAILED", err)
	}
}

func readerWithoutTheRightToWriteReads(t *testing.T, w *world) {
	w.k.Allow("ann", w.topic, read, describe)
	cl := plain(t, w.k, w.topic, w.k.Login("kvsim"))
	if err := cl.ProduceSync(t.Context(), record("a", "1")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	reader := w.open(w.asAnn(), kvstore.WithReadOnly())
	w.wantContents(reader, "a=1")
	if err := reader.Sync(w.within(patience)); err != nil {
		t.Errorf("Sync of a read-only client = %v", err)
	}
}

func topicThatMayNotBeCreatedIsReported(t *testing.T, w *world) {
	_, err := kvstore.NewClient(w.within(patience), w.k.Name(), memory.New(), w.options(w.asAnn())...)
	if !errors.Is(err, kerr.TopicAuthorizationFailed) && !errors.Is(err, kerr.ClusterAuthorizationFailed) {
		t.Errorf("NewClient of a topic that it may not create = %v, want the broker's authorisation error", err)
	}
}

// readOnlyClientMakesNobodyCreate: the client may create topics, and brokers
// would for a metadata request that lets them.
func readOnlyClientMakesNobodyCreate(t *testing.T, w *world) {
	name := w.k.Name()
	c, err := kvstore.NewClient(w.within(3*time.Second), name, memory.New(),
		w.options(kvstore.WithKafkaOptions(w.k.Login("kvsim")), kvstore.WithReadOnly())...)
	if err == nil {
		_ = c.Close()
		t.Errorf("NewClient of a topic that is not there = nil")
	}
	topics, err := w.k.Admin().ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if topics.Has(name) {
		t.Errorf("there is a topic %s now (NewClient said %v)", name, err)
	}
}
