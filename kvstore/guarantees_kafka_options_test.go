package kvstore_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

func TestKafkaOptionsThatBreakAPromiseAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		opts []kgo.Opt
		says []string // what the error has to say
	}{
		"no acks":                {[]kgo.Opt{kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite()}, []string{"kgo.RequiredAcks", "lost"}},
		"leader acks":            {[]kgo.Opt{kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite()}, []string{"kgo.RequiredAcks", "lost"}},
		"no acks but idempotent": {[]kgo.Opt{kgo.RequiredAcks(kgo.NoAck())}, []string{"acks"}},
		"idempotence off":        {[]kgo.Opt{kgo.DisableIdempotentWrite()}, []string{"kgo.DisableIdempotentWrite", "twice"}},
		"old brokers' protocol":  {[]kgo.Opt{kgo.MaxVersions(kversion.V0_10_2())}, []string{"kgo.MaxVersions", "0.11"}},
		"produce cancellation":   {[]kgo.Opt{kgo.AllowIdempotentProduceCancellation()}, []string{"kgo.AllowIdempotentProduceCancellation", "twice"}},
		"sticky partitioner":     {[]kgo.Opt{kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil))}, []string{"kgo.RecordPartitioner", "split"}},
		"round robin":            {[]kgo.Opt{kgo.RecordPartitioner(kgo.RoundRobinPartitioner())}, []string{"kgo.RecordPartitioner", "split"}},
		"read uncommitted":       {[]kgo.Opt{kgo.FetchIsolationLevel(kgo.ReadUncommitted())}, []string{"kgo.FetchIsolationLevel", "aborted"}},
		"reset to the end":       {[]kgo.Opt{kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd())}, []string{"kgo.ConsumeResetOffset", "rebuilding"}},
		"reset to the start":     {[]kgo.Opt{kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}, []string{"kgo.ConsumeResetOffset", "rebuilding"}},
		"auto topic creation":    {[]kgo.Opt{kgo.AllowAutoTopicCreation()}, []string{"kgo.AllowAutoTopicCreation", "compaction"}},
		"transactions":           {[]kgo.Opt{kgo.TransactionalID("t")}, []string{"kgo.TransactionalID", "transactions"}},
		"group":                  {[]kgo.Opt{kgo.ConsumerGroup("g"), kgo.ConsumeTopics("x")}, []string{"kgo.ConsumerGroup"}},
		"topics":                 {[]kgo.Opt{kgo.ConsumeTopics(topic)}, []string{"kgo.ConsumeTopics"}},
		"partitions": {
			[]kgo.Opt{kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {1: kgo.NewOffset()}})},
			[]string{"kgo.ConsumePartitions"},
		},
		"regex": {[]kgo.Opt{kgo.ConsumeRegex()}, []string{"kgo.ConsumeRegex"}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, noTopic(), func(t *testing.T, w *world) {
				c, err := kvstore.NewClient(w.within(time.Minute), topic, memory.New(), w.options("c", kvstore.WithKafkaOptions(tc.opts...))...)
				if err == nil {
					_ = c.Close()
					t.Fatal("NewClient accepted it")
				}
				for _, s := range tc.says {
					if !strings.Contains(err.Error(), s) {
						t.Errorf("NewClient = %q, want it to say %q", err, s)
					}
				}
				if w.topicExists() {
					t.Error("the topic was created all the same")
				}
			})
		})
	}
}

func TestKafkaOptionsThatBreakNoPromiseAreAccepted(t *testing.T) {
	for name, opts := range map[string][]kgo.Opt{
		"client id":             {kgo.ClientID("me")},
		"linger":                {kgo.ProducerLinger(time.Second)},
		"no linger":             {kgo.ProducerLinger(0)},
		"small buffer":          {kgo.MaxBufferedRecords(1), kgo.MaxBufferedBytes(100)},
		"small batches":         {kgo.ProducerBatchMaxBytes(600)},
		"compression":           {kgo.ProducerBatchCompression(kgo.ZstdCompression())},
		"few retries":           {kgo.RecordRetries(5), kgo.RequestRetries(5)},
		"short fetches":         {kgo.FetchMaxWait(10 * time.Millisecond), kgo.FetchMaxPartitionBytes(100)},
		"one request at a time": {kgo.MaxProduceRequestsInflightPerBroker(1)},
		"new versions":          {kgo.MaxVersions(kversion.V3_0_0())},
		"topic of its own":      {kgo.DefaultProduceTopic("elsewhere")},
		"same as default":       {kgo.RequiredAcks(kgo.AllISRAcks()), kgo.FetchIsolationLevel(kgo.ReadCommitted())},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				c := w.open("c", kvstore.WithKafkaOptions(opts...))
				if d := took(func() { w.put(c, "a", "1") }); d > 200*time.Millisecond {
					t.Errorf("a write took %v", d)
				}
				if err := c.Batch().Put([]byte("b"), []byte("1")).Put([]byte("c"), []byte("1")).Execute(w.within(time.Minute)); err != nil {
					t.Fatal(err)
				}
				if bs := w.batches(); len(bs) != 2 || len(bs[1].Records) != 2 {
					t.Errorf("the log has %d record batches, want 2", len(bs))
				}
				w.want(c, "c", "1")
			})
		})
	}
}

func TestPartitionsAddedLaterNeverSplitTheData(t *testing.T) {
	inWorld(t, withTopic(3), func(t *testing.T, w *world) {
		writer, reader := w.open("writer"), w.open("reader")
		w.put(writer, "before", "1")
		adm := kadm.NewClient(w.kafka("admin"))
		resp, err := adm.CreatePartitions(t.Context(), 5, topic)
		if err == nil {
			err = resp.Error()
		}
		if err != nil {
			t.Fatal(err)
		}
		check := func(round string) {
			for i := range 30 {
				rev := w.put(writer, fmt.Sprint(round, i), round)
				if err := reader.WaitRevision(w.within(time.Minute), rev); err != nil {
					t.Fatal(err)
				}
				w.want(reader, fmt.Sprint(round, i), round)
			}
		}
		check("at once")
		time.Sleep(10 * time.Minute) // all metadata is renewed
		check("later")
		w.MoveLeader(2)
		check("moved")
		if end := w.End(); end != 91 {
			t.Errorf("partition 0 ends at %d, want all 91 records", end)
		}
		for p := int32(1); p < 6; p++ {
			if end, err := w.cluster.EndOffset(topic, p); err != nil || end != 0 {
				t.Errorf("partition %d ends at %d, %v; want nothing in it", p, end, err)
			}
		}
		// A client that is opened after it, and told to go on, sees the same.
		late := w.open("late", kvstore.WithTopicValidation(kvstore.TopicValidationWarn))
		w.put(late, "late", "1")
		if err := reader.Sync(w.within(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if a, b := w.contents(late), w.contents(reader); a != b {
			t.Errorf("a late client shows %q, the others %q", a, b)
		}
		if !slices.ContainsFunc(w.logs.all(), func(m string) bool { return strings.Contains(m, "6 partitions") }) {
			t.Errorf("no warning about the partitions in the log: %q", w.logs.all())
		}
	})
}
