package kvstore_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest"
)

func versionsWithoutTopicIDs() *kversion.Versions { return kversion.V2_7_0() }

func onlyFetches(client string) kvstoretest.Traffic {
	return kvstoretest.Traffic{Clients: []string{client}, APIs: []kmsg.Key{kmsg.Fetch}}
}

func TestExistingTopicNeedsNoRightToCreate(t *testing.T) {
	opts := withTopic(1, kvstoretest.WithUsers(map[string]string{"u": "p"}))
	inWorld(t, opts, func(t *testing.T, w *world) {
		w.Allow("u", kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe)
		c := w.open("c", w.As("u"))
		w.put(c, "a", "1")
		w.want(c, "a", "1")
	})
}

func TestMissingPermissionIsReportedAtOnce(t *testing.T) {
	opts := withTopic(1, kvstoretest.WithUsers(map[string]string{"u": "p"}))
	inWorld(t, opts, func(t *testing.T, w *world) {
		w.Allow("u", kmsg.ACLOperationDescribe)
		var err error
		d := took(func() {
			_, err = kvstore.NewClient(w.within(time.Minute), topic, memory.New(),
				w.options("c", w.As("u"))...)
		})
		if !errors.Is(err, kerr.TopicAuthorizationFailed) {
			t.Errorf("NewClient without the right to read = %v, want TOPIC_AUTHORIZATION_FAILED", err)
		}
		if d > time.Second {
			t.Errorf("NewClient took %v to say so", d)
		}
	})
}

func TestRetriableMetadataErrorsAreRetried(t *testing.T) {
	inWorld(t, withTopic(3), func(t *testing.T, w *world) {
		for b := range 3 {
			w.StopBroker(b)
		}
		opened := w.opening("c")
		time.Sleep(10 * time.Second)
		for b := range 3 {
			w.StartBroker(b)
		}
		d := took(func() { w.put(opened(), "a", "1") })
		if d > 3*time.Second {
			t.Errorf("the client opened %v after the brokers were back", d)
		}
	})
}

func TestOnlyOurTopicsMetadataIsAskedFor(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		_, err := kadm.NewClient(w.kafka("admin")).CreateTopic(t.Context(), 1, 1, nil, "theirs")
		must(t, err)
		see := func(m *kmsg.MetadataRequest) {
			mu.Lock()
			defer mu.Unlock()
			if m.Topics == nil {
				asked = append(asked, "all topics")
			}
			for _, mt := range m.Topics {
				if mt.Topic == nil {
					asked = append(asked, "a topic by its id")
				} else {
					asked = append(asked, *mt.Topic)
				}
			}
		}
		dial := w.Dialer("c")
		spy := kgo.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			return metadataSpy{conn, see}, err
		})
		c := w.open("c", kvstore.WithKafkaOptions(spy))
		w.put(c, "a", "1")
		time.Sleep(20 * time.Minute) // several refreshes
		w.put(c, "a", "2")
		mu.Lock()
		defer mu.Unlock()
		if len(asked) == 0 {
			t.Fatal("no metadata request was seen: the test watches nothing")
		}
		for _, a := range asked {
			if a != topic {
				t.Errorf("metadata was asked for %s", a)
			}
		}
	})
}

func TestTwoClientsMayRaceToCreate(t *testing.T) {
	inWorld(t, noTopic(kvstoretest.WithBrokers(3)), func(t *testing.T, w *world) {
		var wg sync.WaitGroup
		clients := make([]*kvstore.Client, 5)
		for i := range clients {
			wg.Go(func() { clients[i] = w.open(string(rune('a' + i))) })
		}
		wg.Wait()
		rev := w.put(clients[0], "k", "v")
		for _, c := range clients {
			if err := c.WaitRevision(w.within(time.Minute), rev); err != nil {
				t.Fatal(err)
			}
			w.want(c, "k", "v")
		}
	})
}

func TestTopicConfigIsSetAtCreation(t *testing.T) {
	inWorld(t, noTopic(), func(t *testing.T, w *world) {
		w.open("c", kvstore.WithTopicConfig(map[string]string{"segment.bytes": "12345678", "cleanup.policy": "delete"}))
		rcs, err := kadm.NewClient(w.kafka("admin")).DescribeTopicConfigs(t.Context(), topic)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, c := range rcs[0].Configs {
			got[c.Key] = c.MaybeValue()
		}
		if got["segment.bytes"] != "12345678" || got["cleanup.policy"] != "compact" {
			t.Errorf("segment.bytes=%s cleanup.policy=%s, want 12345678 and compact", got["segment.bytes"], got["cleanup.policy"])
		}
	})
}

func withPolicy(policy string) []kvstoretest.Option {
	return []kvstoretest.Option{kvstoretest.WithTopicConfig(map[string]string{"cleanup.policy": policy})}
}

func TestTopicIsValidated(t *testing.T) {
	for name, tc := range map[string]struct {
		opts  []kvstoretest.Option
		begin func(w *world)
		want  []string
	}{
		"partitions": {nil, func(w *world) { w.GrowPartitions(3) }, []string{"3 partitions", "copy the data"}},
		"policy":     {withPolicy("compact,delete"), nil, []string{`"compact,delete"`, "kafka-configs.sh"}},
		"empty":      {withPolicy(""), nil, []string{`cleanup.policy is ""`, "grows forever"}},
		"no policy":  {nil, func(w *world) { w.alter("cleanup.policy", "") }, []string{`"delete"`, "kafka-configs.sh"}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, withTopic(1, tc.opts...), func(t *testing.T, w *world) {
				if tc.begin != nil {
					tc.begin(w)
				}
				_, err := kvstore.NewClient(w.within(time.Minute), topic, memory.New(), w.options("c")...)
				if !errors.Is(err, kvstore.ErrTopicConfig) {
					t.Fatalf("NewClient = %v, want ErrTopicConfig", err)
				}
				for _, want := range tc.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("error %q does not say %q", err, want)
					}
				}
				before := len(w.logs.all())
				c := w.open("warn", kvstore.WithTopicValidation(kvstore.TopicValidationWarn))
				w.put(c, "a", "1")
				if got := w.logs.all()[before:]; len(got) != 1 || !strings.Contains(got[0], tc.want[0]) {
					t.Errorf("logged %q, want one warning that says %q", got, tc.want[0])
				}
				before = len(w.logs.all())
				c = w.open("skip", kvstore.WithTopicValidation(kvstore.TopicValidationSkip))
				w.want(c, "a", "1")
				if got := w.logs.all()[before:]; len(got) != 0 {
					t.Errorf("logged %q, want nothing", got)
				}
			})
		})
	}
}

func TestBadArgumentsAreExplained(t *testing.T) {
	for name, tc := range map[string]struct {
		topic   string
		storage kvstore.Storage
		opts    []kvstore.ClientOption
		want    string
	}{
		"topic":   {"", memory.New(), []kvstore.ClientOption{kvstore.WithBrokers("b:1")}, "topic is empty"},
		"storage": {"t", nil, []kvstore.ClientOption{kvstore.WithBrokers("b:1")}, "memory.New()"},
		"brokers": {"t", memory.New(), nil, "use WithBrokers"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := kvstore.NewClient(t.Context(), tc.topic, tc.storage, tc.opts...)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("NewClient = %v, want an error that says %q", err, tc.want)
			}
		})
	}
}

// metadataSpy shows the metadata requests that a client writes.
type metadataSpy struct {
	net.Conn
	see func(*kmsg.MetadataRequest)
}

func (s metadataSpy) Write(b []byte) (int, error) {
	r := kbin.Reader{Src: b}
	r.Int32() // size
	key, version := r.Int16(), r.Int16()
	r.Int32() // correlation id
	r.NullableString()
	req := kmsg.NewPtrMetadataRequest()
	if key == req.Key() {
		req.SetVersion(version)
		if req.IsFlexible() {
			r.Uvarint() // tags
		}
		if err := req.ReadFrom(r.Src); err != nil {
			return 0, err
		}
		s.see(req)
	}
	return s.Conn.Write(b)
}
