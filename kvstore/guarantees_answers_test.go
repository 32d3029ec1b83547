package kvstore_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest"
)

// shape is an answer that the protocol allows, or that a broker could give nevertheless, to
// one kind of request.
type shape struct {
	name string
	key  kmsg.Key
	make func(kmsg.Response)

	// names is in the cause while the answer is given. Empty: the answer says nothing
	// wrong, and delays nobody.
	names string
}

// patience is for how long the answer is given. No records where there are some is
// believed after half a minute: compaction can leave a log like that.
func (s shape) patience() time.Duration {
	if s.name == "null records" || s.name == "no records" {
		return 25 * time.Second
	}
	return 8 * time.Second
}

func onFetch(fn func(*kmsg.FetchResponse)) func(kmsg.Response) {
	return func(r kmsg.Response) { fn(r.(*kmsg.FetchResponse)) }
}

func onFetchPart(fn func(*kmsg.FetchResponseTopicPartition)) func(kmsg.Response) {
	return onFetch(func(r *kmsg.FetchResponse) {
		for i := range r.Topics {
			for j := range r.Topics[i].Partitions {
				fn(&r.Topics[i].Partitions[j])
			}
		}
	})
}

func onOffsets(fn func(*kmsg.ListOffsetsResponse)) func(kmsg.Response) {
	return func(r kmsg.Response) { fn(r.(*kmsg.ListOffsetsResponse)) }
}

func onEpochs(fn func(*kmsg.OffsetForLeaderEpochResponse)) func(kmsg.Response) {
	return func(r kmsg.Response) { fn(r.(*kmsg.OffsetForLeaderEpochResponse)) }
}

func onMetadata(fn func(*kmsg.MetadataResponse)) func(kmsg.Response) {
	return func(r kmsg.Response) {
		if m := r.(*kmsg.MetadataResponse); len(m.Topics) > 0 {
			fn(m)
		}
	}
}

func onVersions(fn func(*kmsg.ApiVersionsResponse)) func(kmsg.Response) {
	return func(r kmsg.Response) { fn(r.(*kmsg.ApiVersionsResponse)) }
}

func onCreate(fn func(*kmsg.CreateTopicsResponse)) func(kmsg.Response) {
	return func(r kmsg.Response) { fn(r.(*kmsg.CreateTopicsResponse)) }
}

func onConfigs(fn func(*kmsg.DescribeConfigsResponse)) func(kmsg.Response) {
	return func(r kmsg.Response) { fn(r.(*kmsg.DescribeConfigsResponse)) }
}

const without = "without"

// shapes are the answers of the table. They come beside every error code at every
// level, which errorShapes has.
func shapes() []shape {
	all := append(fetchShapes(), positionShapes()...)
	return append(append(all, topicShapes()...), errorShapes()...)
}

func fetchShapes() []shape {
	return []shape{
		{"no topics", kmsg.Fetch, onFetch(func(r *kmsg.FetchResponse) { r.Topics = nil }), without},
		{"throttled, no topics", kmsg.Fetch, onFetch(func(r *kmsg.FetchResponse) { r.Topics, r.ThrottleMillis = nil, 200 }), "throttled"},
		{"throttled, with data", kmsg.Fetch, onFetch(func(r *kmsg.FetchResponse) { r.ThrottleMillis = 50 }), ""},
		{"a throttle time below zero", kmsg.Fetch, onFetch(func(r *kmsg.FetchResponse) { r.ThrottleMillis = -1 }), ""},
		{"no partitions", kmsg.Fetch, onFetch(func(r *kmsg.FetchResponse) { r.Topics[0].Partitions = nil }), without},
		{"another partition", kmsg.Fetch, onFetchPart(func(p *kmsg.FetchResponseTopicPartition) { p.Partition = 9 }), without},
		{"another topic", kmsg.Fetch, onFetch(func(r *kmsg.FetchResponse) { r.Topics[0].TopicID[0]++; r.Topics[0].Topic = "x" }), without},
		{"another topic first", kmsg.Fetch, onFetch(func(r *kmsg.FetchResponse) {
			theirs := kmsg.NewFetchResponseTopic()
			theirs.TopicID[5] = 7
			theirs.Topic = "theirs"
			theirs.Partitions = append(theirs.Partitions, kmsg.NewFetchResponseTopicPartition())
			r.Topics = append([]kmsg.FetchResponseTopic{theirs}, r.Topics...)
		}), ""},
		{"another partition first", kmsg.Fetch, onFetch(func(r *kmsg.FetchResponse) {
			other := kmsg.NewFetchResponseTopicPartition()
			other.Partition, other.HighWatermark, other.LastStableOffset = 3, 999, 999
			r.Topics[0].Partitions = append([]kmsg.FetchResponseTopicPartition{other}, r.Topics[0].Partitions...)
		}), ""},
		{"unknown tagged fields", kmsg.Fetch, onFetch(func(r *kmsg.FetchResponse) {
			r.UnknownTags.Set(77, []byte("new"))
			r.Topics[0].UnknownTags.Set(99, nil)
			r.Topics[0].Partitions[0].UnknownTags.Set(120, []byte{1, 2})
		}), ""},
		{"no list of aborted transactions", kmsg.Fetch, onFetchPart(func(p *kmsg.FetchResponseTopicPartition) { p.AbortedTransactions = nil }), ""},
		{"an empty list of aborted transactions", kmsg.Fetch, onFetchPart(func(p *kmsg.FetchResponseTopicPartition) {
			p.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{}
		}), ""},
		{"null records", kmsg.Fetch, onFetchPart(func(p *kmsg.FetchResponseTopicPartition) { p.RecordBatches = nil }), "answered without records"},
		{"no records", kmsg.Fetch, onFetchPart(func(p *kmsg.FetchResponseTopicPartition) { p.RecordBatches = []byte{} }), "answered without records"},
		{"half a batch", kmsg.Fetch, onFetchPart(func(p *kmsg.FetchResponseTopicPartition) {
			p.RecordBatches = p.RecordBatches[:min(30, len(p.RecordBatches))]
		}), "a part of a record batch"},
		{"a high watermark from before the records", kmsg.Fetch, onFetchPart(func(p *kmsg.FetchResponseTopicPartition) {
			if raw := p.RecordBatches; len(raw) > 8 { // a batch begins with its offset
				first := int64(binary.BigEndian.Uint64(raw))
				p.HighWatermark, p.LastStableOffset = first, first
			}
		}), ""},
		{"a replica that is nearer", kmsg.Fetch, onFetchPart(func(p *kmsg.FetchResponseTopicPartition) { p.PreferredReadReplica = 2 }), ""},
		{"a replica that is nearer, and no records", kmsg.Fetch, onFetchPart(func(p *kmsg.FetchResponseTopicPartition) { p.PreferredReadReplica, p.RecordBatches = 2, nil }), "answered without records"},
		{"high watermark -1", kmsg.Fetch, onFetchPart(func(p *kmsg.FetchResponseTopicPartition) { p.HighWatermark = -1 }), "high watermark -1"},
		{"last stable offset -1", kmsg.Fetch, onFetchPart(func(p *kmsg.FetchResponseTopicPartition) { p.LastStableOffset = -1 }), ""},
		{"last stable offset -2", kmsg.Fetch, onFetchPart(func(p *kmsg.FetchResponseTopicPartition) { p.LastStableOffset = -2 }), "last stable offset -2"},
		{"both -1, no records", kmsg.Fetch, onFetchPart(func(p *kmsg.FetchResponseTopicPartition) {
			p.HighWatermark, p.LastStableOffset, p.RecordBatches = -1, -1, nil
		}), "-1"},
		{"log start -1", kmsg.Fetch, onFetchPart(func(p *kmsg.FetchResponseTopicPartition) { p.LogStartOffset = -1 }), ""},
		{"a session", kmsg.Fetch, onFetch(func(r *kmsg.FetchResponse) { r.SessionID = 4711 }), ""},
		{"a hint to another leader", kmsg.Fetch, onFetchPart(func(p *kmsg.FetchResponseTopicPartition) {
			p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = 2, 50
		}), ""},
		{"out of range", kmsg.Fetch, onFetchPart(func(p *kmsg.FetchResponseTopicPartition) {
			p.ErrorCode, p.RecordBatches, p.HighWatermark, p.LastStableOffset = kerr.OffsetOutOfRange.Code, nil, -1, -1
		}), "OFFSET_OUT_OF_RANGE"},
	}
}

func positionShapes() []shape {
	return []shape{
		{"no topics", kmsg.ListOffsets, onOffsets(func(r *kmsg.ListOffsetsResponse) { r.Topics = nil }), without},
		{"no partitions", kmsg.ListOffsets, onOffsets(func(r *kmsg.ListOffsetsResponse) { r.Topics[0].Partitions = nil }), without},
		{"another partition", kmsg.ListOffsets, onOffsets(func(r *kmsg.ListOffsetsResponse) { r.Topics[0].Partitions[0].Partition = 5 }), without},
		{"another topic", kmsg.ListOffsets, onOffsets(func(r *kmsg.ListOffsetsResponse) { r.Topics[0].Topic = "x" }), without},
		{"another topic first", kmsg.ListOffsets, onOffsets(func(r *kmsg.ListOffsetsResponse) {
			theirs := kmsg.NewListOffsetsResponseTopic()
			theirs.Topic = "theirs"
			p := kmsg.NewListOffsetsResponseTopicPartition()
			p.Offset = 0
			theirs.Partitions = append(theirs.Partitions, p)
			r.Topics = append([]kmsg.ListOffsetsResponseTopic{theirs}, r.Topics...)
		}), ""},
		{"offset -1", kmsg.ListOffsets, onOffsets(func(r *kmsg.ListOffsetsResponse) { r.Topics[0].Partitions[0].Offset = -1 }), "offset -1"},
		{"unknown tagged fields", kmsg.ListOffsets, onOffsets(func(r *kmsg.ListOffsetsResponse) { r.UnknownTags.Set(40, []byte("x")) }), ""},
		{"throttled", kmsg.ListOffsets, onOffsets(func(r *kmsg.ListOffsetsResponse) { r.ThrottleMillis = 20 }), ""},

		{"no topics", kmsg.OffsetForLeaderEpoch, onEpochs(func(r *kmsg.OffsetForLeaderEpochResponse) { r.Topics = nil }), without},
		{"no partitions", kmsg.OffsetForLeaderEpoch, onEpochs(func(r *kmsg.OffsetForLeaderEpochResponse) { r.Topics[0].Partitions = nil }), without},
		{"another partition", kmsg.OffsetForLeaderEpoch, onEpochs(func(r *kmsg.OffsetForLeaderEpochResponse) { r.Topics[0].Partitions[0].Partition = 5 }), without},
		{"nothing known", kmsg.OffsetForLeaderEpoch, onEpochs(func(r *kmsg.OffsetForLeaderEpochResponse) {
			r.Topics[0].Partitions[0].LeaderEpoch, r.Topics[0].Partitions[0].EndOffset = -1, -1
		}), ""},
		{"an epoch without an end", kmsg.OffsetForLeaderEpoch, onEpochs(func(r *kmsg.OffsetForLeaderEpochResponse) { r.Topics[0].Partitions[0].EndOffset = -1 }), "offset -1"},
		{"an epoch to come", kmsg.OffsetForLeaderEpoch, onEpochs(func(r *kmsg.OffsetForLeaderEpochResponse) { r.Topics[0].Partitions[0].LeaderEpoch = 1000 }), "epoch 1000"},
		{"unknown tagged fields", kmsg.OffsetForLeaderEpoch, onEpochs(func(r *kmsg.OffsetForLeaderEpochResponse) { r.UnknownTags.Set(40, []byte("x")) }), ""},
		{"throttled", kmsg.OffsetForLeaderEpoch, onEpochs(func(r *kmsg.OffsetForLeaderEpochResponse) { r.ThrottleMillis = 20 }), ""},
		{"unsupported", kmsg.OffsetForLeaderEpoch, onEpochs(func(r *kmsg.OffsetForLeaderEpochResponse) {
			r.Topics[0].Partitions[0].ErrorCode = kerr.UnsupportedVersion.Code
		}), ""},
	}
}

func topicShapes() (all []shape) {
	for name, stale := range staleMetadata {
		s := shape{name, kmsg.Metadata, onMetadata(stale), "etadata"}
		switch name {
		case "more partitions", "no id", "no brokers", "other brokers", "no controller":
			s.names = ""
		case "unknown leader", "unknown leader, an epoch far ahead":
			s.names = "broker 77"
		case "another leader, an epoch far ahead":
			s.names = "at broker"
		case "an older epoch", "one epoch ahead", "an epoch far ahead":
			s.names = "EPOCH"
		case "another id":
			s.names = ""
			continue // before anything was read it may as well be true
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b shape) int { return strings.Compare(a.name, b.name) })
	return append(all,
		shape{"throttled", kmsg.Metadata, onMetadata(func(r *kmsg.MetadataResponse) { r.ThrottleMillis = 20 }), ""},
		shape{"unknown tagged fields", kmsg.Metadata, onMetadata(func(r *kmsg.MetadataResponse) { r.UnknownTags.Set(40, []byte("x")) }), ""},
		shape{"the topic twice", kmsg.Metadata, onMetadata(func(r *kmsg.MetadataResponse) { r.Topics = append(r.Topics, r.Topics[0]) }), ""},
		shape{"other topics too", kmsg.Metadata, onMetadata(func(r *kmsg.MetadataResponse) {
			other := r.Topics[0]
			other.Topic = new("other")
			r.Topics = append([]kmsg.MetadataResponseTopic{other}, r.Topics...)
		}), ""},

		shape{"no resources", kmsg.DescribeConfigs, onConfigs(func(r *kmsg.DescribeConfigsResponse) { r.Resources = nil }), without},
		shape{"another resource", kmsg.DescribeConfigs, onConfigs(func(r *kmsg.DescribeConfigsResponse) { r.Resources[0].ResourceName = "x" }), without},
		shape{"no configs", kmsg.DescribeConfigs, onConfigs(func(r *kmsg.DescribeConfigsResponse) { r.Resources[0].Configs = nil }), ""},
		shape{"null values", kmsg.DescribeConfigs, onConfigs(func(r *kmsg.DescribeConfigsResponse) {
			for i := range r.Resources[0].Configs {
				r.Resources[0].Configs[i].Value = nil
			}
		}), ""},
		shape{"unknown tagged fields", kmsg.DescribeConfigs, onConfigs(func(r *kmsg.DescribeConfigsResponse) { r.UnknownTags.Set(40, []byte("x")) }), ""},
		shape{"throttled", kmsg.DescribeConfigs, onConfigs(func(r *kmsg.DescribeConfigsResponse) { r.ThrottleMillis = 20 }), ""},
	)
}

// Errors with a meaning of their own have shapes of their own.
var specialErrors = map[kmsg.Key][]*kerr.Error{
	kmsg.Fetch:                {kerr.OffsetOutOfRange},
	kmsg.OffsetForLeaderEpoch: {kerr.UnsupportedVersion, kerr.ClusterAuthorizationFailed},
	kmsg.DescribeConfigs:      {kerr.UnsupportedVersion, kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed},
	kmsg.Metadata:             {kerr.LeaderNotAvailable},
}

// knownErrors are the errors that kerr knows.
func knownErrors() (all []*kerr.Error) {
	for code := int16(-1); code < 200; code++ {
		var e *kerr.Error
		if err := kerr.ErrorForCode(code); code != 0 && errors.As(err, &e) && (e != kerr.UnknownServerError || code == -1) {
			all = append(all, e)
		}
	}
	return all
}

// errorShapes are all errors that kerr knows, and one that it does not, at each level
// of each answer that has one.
func errorShapes() (all []shape) {
	for _, e := range knownErrors() {
		code := e.Code
		for _, s := range []shape{
			{"top: ", kmsg.Fetch, onFetch(func(r *kmsg.FetchResponse) { r.ErrorCode, r.Topics = code, nil }), ""},
			{"partition: ", kmsg.Fetch, onFetchPart(func(p *kmsg.FetchResponseTopicPartition) { p.ErrorCode, p.RecordBatches = code, nil }), ""},
			{"partition: ", kmsg.ListOffsets, onOffsets(func(r *kmsg.ListOffsetsResponse) {
				r.Topics[0].Partitions[0].ErrorCode, r.Topics[0].Partitions[0].Offset = code, -1
			}), ""},
			{"partition: ", kmsg.OffsetForLeaderEpoch, onEpochs(func(r *kmsg.OffsetForLeaderEpochResponse) { r.Topics[0].Partitions[0].ErrorCode = code }), ""},
			{"topic: ", kmsg.Metadata, onMetadata(func(r *kmsg.MetadataResponse) { r.Topics[0].ErrorCode, r.Topics[0].Partitions = code, nil }), ""},
			{"resource: ", kmsg.DescribeConfigs, onConfigs(func(r *kmsg.DescribeConfigsResponse) { r.Resources[0].ErrorCode, r.Resources[0].Configs = code, nil }), ""},
		} {
			if slices.Contains(specialErrors[s.key], e) {
				continue
			}
			s.name, s.names = s.name+e.Message, e.Message
			all = append(all, s)
		}
	}
	return all
}

// versionShapes are what a broker says of the requests that it takes. Each is one
// that the client can live with.
func versionShapes() (all []shape) {
	all = []shape{
		{"a request of the future", kmsg.ApiVersions, onVersions(func(r *kmsg.ApiVersionsResponse) {
			r.ApiKeys = append(r.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: 999, MaxVersion: 7})
		}), ""},
		{"throttled", kmsg.ApiVersions, onVersions(func(r *kmsg.ApiVersionsResponse) { r.ThrottleMillis = 10 }), ""},
		{"no epochs", kmsg.ApiVersions, onVersions(lacking(kmsg.OffsetForLeaderEpoch)), ""},
		{"no configs", kmsg.ApiVersions, onVersions(lacking(kmsg.DescribeConfigs)), ""},
		{"fetches by name", kmsg.ApiVersions, onVersions(atMost(kmsg.Fetch, 12)), ""},
		{"fetches before epochs", kmsg.ApiVersions, onVersions(atMost(kmsg.Fetch, 8)), ""},
		{"the first committed fetches", kmsg.ApiVersions, onVersions(atMost(kmsg.Fetch, 4)), ""},
		{"metadata before topic ids", kmsg.ApiVersions, onVersions(atMost(kmsg.Metadata, 9)), ""},
		{"metadata before epochs", kmsg.ApiVersions, onVersions(atMost(kmsg.Metadata, 6)), ""},
		{"offsets before epochs", kmsg.ApiVersions, onVersions(atMost(kmsg.ListOffsets, 3)), ""},
		{"epochs without epochs", kmsg.ApiVersions, onVersions(atMost(kmsg.OffsetForLeaderEpoch, 0)), ""},
		{"no keys", kmsg.ApiVersions, onVersions(func(r *kmsg.ApiVersionsResponse) { r.ApiKeys = nil }), "no ApiKeys"},
		{"no fetches", kmsg.ApiVersions, onVersions(lacking(kmsg.Fetch)), "UNSUPPORTED_VERSION"},
		{"no offsets", kmsg.ApiVersions, onVersions(lacking(kmsg.ListOffsets)), "UNSUPPORTED_VERSION"},
		{"no metadata", kmsg.ApiVersions, onVersions(lacking(kmsg.Metadata)), "too old"},
	}
	return all
}

func lacking(key kmsg.Key) func(*kmsg.ApiVersionsResponse) {
	return func(r *kmsg.ApiVersionsResponse) {
		r.ApiKeys = slices.DeleteFunc(r.ApiKeys, func(k kmsg.ApiVersionsResponseApiKey) bool { return k.ApiKey == int16(key) })
	}
}

func atMost(key kmsg.Key, version int16) func(*kmsg.ApiVersionsResponse) {
	return func(r *kmsg.ApiVersionsResponse) {
		for i := range r.ApiKeys {
			if r.ApiKeys[i].ApiKey == int16(key) {
				r.ApiKeys[i].MaxVersion = version
			}
		}
	}
}

func createShapes() []shape {
	all := []shape{
		{"no topics", kmsg.CreateTopics, onCreate(func(r *kmsg.CreateTopicsResponse) { r.Topics = nil }), "create"},
		{"another topic", kmsg.CreateTopics, onCreate(func(r *kmsg.CreateTopicsResponse) { r.Topics[0].Topic = "x" }), "create"},
		{"no configs", kmsg.CreateTopics, onCreate(func(r *kmsg.CreateTopicsResponse) { r.Topics[0].Configs = nil }), ""},
		{"throttled", kmsg.CreateTopics, onCreate(func(r *kmsg.CreateTopicsResponse) { r.ThrottleMillis = 20 }), ""},
		{"no id", kmsg.CreateTopics, onCreate(func(r *kmsg.CreateTopicsResponse) { r.Topics[0].TopicID = [16]byte{} }), ""},
	}
	for _, e := range knownErrors() {
		all = append(all, shape{e.Message, kmsg.CreateTopics, onCreate(func(r *kmsg.CreateTopicsResponse) {
			r.Topics[0].ErrorCode, r.Topics[0].ErrorMessage = e.Code, new("because")
		}), e.Message})
	}
	return all
}

// refusals are the errors that would end an opening if they were repeated.
func refusals() []shape {
	return slices.DeleteFunc(errorShapes(), func(s shape) bool {
		return s.names != kerr.TopicAuthorizationFailed.Message && s.names != kerr.ClusterAuthorizationFailed.Message && s.names != kerr.InvalidTopicException.Message
	})
}

// tells makes the brokers answer in the shape as long as while says, and returns how
// often they did.
func (a *tampered) tells(s shape, while func() bool) *atomic.Int64 {
	n := &atomic.Int64{}
	a.set(func(r *reply) {
		if r.req.Key() == int16(s.key) && while() {
			s.make(r.resp)
			n.Add(1)
		}
	})
	return n
}

func always() bool { return true }

// Whatever the brokers answer to what a running client asks: it never shows a wrong
// value, never panics, asks within bounds, names the cause, and recovers once the
// answers are right again.
func TestNoAnswerHarmsARunningClient(t *testing.T) {
	for _, s := range shapes() {
		if s.key == kmsg.DescribeConfigs {
			continue // the settings' follower logs
		}
		t.Run(s.key.Name()+"/"+s.name, func(t *testing.T) {
			inWorld(t, withTopic(3), func(t *testing.T, w *world) {
				a := w.answers("c")
				c := w.open("c", a.option())
				other := w.kafka("other")
				w.put(c, "a", "1")
				applied := a.tells(s, always)
				w.MoveLeader((w.Leader() + 1) % 3)
				a.requests(kmsg.Fetch, kmsg.ListOffsets, kmsg.OffsetForLeaderEpoch, kmsg.Metadata)
				w.produce(other, record("a", "2"), record("b", "2"))
				err := c.Sync(w.within(s.patience()))
				problem := c.Status().Reading
				state := c.Status().State
				if got := w.contents(c); got != "a=1 " && got != "a=2 b=2 " || err == nil && got != "a=2 b=2 " {
					t.Errorf("contents = %q after Sync = %v", got, err)
				}
				if state == kvstore.StateFailed || c.Status().Rebuilds != 0 {
					t.Errorf("status = %+v", c.Status())
				}
				if s.names == "" && err != nil {
					t.Errorf("Sync = %v, want no harm done", err)
				}
				if s.names != "" && err != nil && (!strings.Contains(err.Error(), s.names) || problem.Err == nil || !strings.Contains(problem.Err.Error(), s.names)) {
					t.Errorf("Sync = %v, Status().Reading = %v; want %q named", err, problem.Err, s.names)
				}
				if n := a.requests(kmsg.Fetch, kmsg.ListOffsets, kmsg.OffsetForLeaderEpoch, kmsg.Metadata); n > 400 {
					t.Errorf("%d requests in 8 s", n)
				}
				if applied.Load() == 0 {
					t.Error("nothing was answered so: the row shows nothing")
				}
				a.set(nil)
				if err := c.Sync(w.within(10 * time.Second)); err != nil {
					t.Fatalf("Sync once the answers are right = %v", err)
				}
				if got := w.contents(c); got != "a=2 b=2 " {
					t.Errorf("contents = %q, want a=2 b=2", got)
				}
				w.eventually("nothing holds it up", func() bool { return c.Status().Reading.Count == 0 && c.Status().State == kvstore.StateLive })
			})
		})
	}
}

// The nearest replica may be the one that was asked.
func TestNearestReplicaMayBeTheLeader(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		a := w.answers("c")
		c := w.open("c", a.option())
		a.set(func(r *reply) {
			if f, ok := r.resp.(*kmsg.FetchResponse); ok {
				onFetchPart(func(p *kmsg.FetchResponseTopicPartition) { p.PreferredReadReplica = int32(w.Leader()) })(f)
			}
		})
		other := w.open("other")
		for range 20 {
			w.put(other, "k", "1")
			time.Sleep(700 * time.Millisecond)
			if s := c.Status(); s.State != kvstore.StateLive || s.Reading.Count != 0 || w.contents(c) != "k=1 " {
				t.Fatalf("contents %q, status %+v", w.contents(c), s)
			}
		}
		if n := a.requests(kmsg.Metadata); n > 3 {
			t.Errorf("%d requests for the leader in 14 s", n)
		}
	})
}

// A leader that does not name the last stable offset, as one without transactions need not: what is
// undecided is not shown.
func TestOnlyCommittedDataIsVisibleWithoutALastStableOffset(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		a := w.answers("c")
		c := w.open("c", a.option())
		w.put(c, "a", "1")
		a.set(func(r *reply) {
			if f, ok := r.resp.(*kmsg.FetchResponse); ok {
				onFetchPart(func(p *kmsg.FetchResponseTopicPartition) { p.LastStableOffset = -1 })(f)
			}
		})
		a.setRequests(func(r kmsg.Request) {
			if f, ok := r.(*kmsg.FetchRequest); ok {
				f.IsolationLevel = 0 // the leader does not leave out what is undecided
			}
		})
		w.produce(w.kafka("plain"), record("a", "2"))
		w.eventually("the record before the transaction is shown", func() bool { return w.contents(c) == "a=2 " })
		end := w.transaction("t", record("a", "undecided"))
		for range 10 {
			time.Sleep(3 * time.Second)
			if got := w.contents(c); got != "a=2 " {
				t.Fatalf("contents = %q", got)
			}
		}
		if p := c.Status().Reading; p.Err == nil || !strings.Contains(p.Err.Error(), "last stable offset -1") {
			t.Errorf("Status().Reading = %+v", p)
		}
		end(false)
		a.set(nil)
		a.setRequests(nil)
		if err := c.Sync(w.within(time.Minute)); err != nil || w.contents(c) != "a=2 " {
			t.Errorf("Sync = %v, contents = %q", err, w.contents(c))
		}
	})
}

// The same for a client that opens: it opens anyway, waits with the cause, or ends with it,
// and never shows anything wrong.
func TestNoAnswerHarmsAnOpening(t *testing.T) {
	for _, s := range append(shapes(), versionShapes()...) {
		t.Run(s.key.Name()+"/"+s.name, func(t *testing.T) {
			inWorld(t, withTopic(1), func(t *testing.T, w *world) {
				w.produce(w.kafka("other"), record("a", "1"), record("b", "2"), record("a", "3"))
				a := w.answers("c")
				applied := a.tells(s, always)
				c, err := kvstore.NewClient(w.within(s.patience()), topic, memory.New(), w.options("c", a.option(), kvstore.WithReadOnly())...)
				switch {
				case err == nil:
					if got := w.contents(c); got != "a=3 b=2 " {
						t.Errorf("contents = %q, want a=3 b=2", got)
					}
					_ = c.Close()
				case s.name == "more partitions" && errors.Is(err, kvstore.ErrTopicConfig):
				case s.names == "":
					t.Errorf("NewClient = %v, want it open", err)
				case !strings.Contains(err.Error(), s.names):
					t.Errorf("NewClient = %v, want %q named", err, s.names)
				}
				if n := a.requests(kmsg.Fetch, kmsg.ListOffsets, kmsg.OffsetForLeaderEpoch, kmsg.Metadata, kmsg.DescribeConfigs, kmsg.ApiVersions); n > 400 {
					t.Errorf("%d requests in 8 s", n)
				}
				if applied.Load() == 0 && s.key != kmsg.OffsetForLeaderEpoch { // an opening has no epoch yet
					t.Error("nothing was answered so: the row shows nothing")
				}
			})
		})
	}
}

// What goes wrong at first only is overcome.
func TestOpeningRecoversFromEveryAnswer(t *testing.T) {
	for _, s := range slices.Concat(fetchShapes(), positionShapes(), topicShapes(), refusals()) {
		t.Run(s.key.Name()+"/"+s.name, func(t *testing.T) {
			inWorld(t, withTopic(1), func(t *testing.T, w *world) {
				w.produce(w.kafka("other"), record("a", "1"), record("a", "3"))
				a := w.answers("c")
				began := time.Now()
				a.tells(s, func() bool { return time.Since(began) < 100*time.Millisecond })
				c := w.open("c", a.option())
				if got := w.contents(c); got != "a=3 " {
					t.Errorf("contents = %q, want a=3", got)
				}
				if d := time.Since(began); d > 5*time.Second {
					t.Errorf("it opened after %v", d)
				}
			})
		})
	}
}

// A topic that has to be created first: what the brokers answer to that is in the
// error, or is got over.
func TestNoAnswerHarmsACreation(t *testing.T) {
	for _, s := range createShapes() {
		t.Run(s.name, func(t *testing.T) {
			inWorld(t, noTopic(kvstoretest.WithBrokers(3)), func(t *testing.T, w *world) {
				a := w.answers("c")
				n := a.tells(s, always)
				c, err := kvstore.NewClient(w.within(5*time.Second), topic, memory.New(), w.options("c", a.option())...)
				switch {
				case n.Load() == 0:
					t.Error("nothing was answered so: the row shows nothing")
				case err == nil:
					w.put(c, "a", "1")
					_ = c.Close()
				case s.names == "" || !strings.Contains(err.Error(), s.names):
					t.Errorf("NewClient = %v, want %q named", err, s.names)
				}
				if n.Load() > 20 {
					t.Errorf("it tried to create the topic %d times in 5 s", n.Load())
				}
			})
		})
	}
}
