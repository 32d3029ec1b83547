package fakecluster

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/simnet"
)

// A batch that inflates is small, right in every other way, and goes like any other.
func TestBatchThatInflatesIsSmallAndCanBeRead(t *testing.T) {
	c := start(t, Options{})
	must(c.Append(topic, 0, kv("a", "1")))(t)
	const size = 1 << 20
	h := must(c.AppendHostile(topic, 0, Inflates, []byte("k"), size))(t)
	log := must(c.ReadLog(topic, 0, 0))(t)
	if len(log) != 2 || !h.Is(&log[1]) || h.Is(&log[0]) || h.First != 1 || h.Last != 1 {
		t.Fatalf("the log is %v, and the batch %d to %d", log, h.First, h.Last)
	}
	if n := len(log[1].Raw); n > 900 {
		t.Errorf("it takes %d bytes, which a topic of small messages would refuse", n)
	}
	if r := log[1].Records; log[1].Unreadable != nil || len(r) != 1 || len(r[0].Value) != size || string(r[0].Key) != "k" {
		t.Errorf("it has %d records, %v", len(r), log[1].Unreadable)
	}
	cl := client(t, c, "a", kgo.ConsumeTopics(topic))
	if rs := consume(t, cl, 2); len(rs[1].Value) != size {
		t.Errorf("franz-go reads a value of %d bytes, want %d", len(rs[1].Value), size)
	}
	must(c.Append(topic, 0, kv("k", "2")))(t)
	if err := c.Compact(); err != nil {
		t.Fatal(err)
	}
	for _, b := range must(c.ReadLog(topic, 0, 0))(t) {
		if h.Is(&b) {
			t.Error("it is there although compaction had a later record of its key")
		}
	}
}

func TestBatchThatClaimsRecordsTakesTheirOffsets(t *testing.T) {
	c := start(t, Options{})
	h := must(c.AppendHostile(topic, 0, Claims, []byte("k"), 1000))(t)
	log := must(c.ReadLog(topic, 0, 0))(t)
	if len(log) != 1 || !h.Is(&log[0]) || log[0].Unreadable == nil || h.Last != 999 || must(c.EndOffset(topic, 0))(t) != 1000 {
		t.Errorf("the log is %v, and the batch %d to %d", log, h.First, h.Last)
	}
	if err := c.DeleteRecords(topic, 0, h.Last+1); err != nil {
		t.Fatal(err)
	}
	if log := must(c.ReadLog(topic, 0, 0))(t); len(log) != 0 {
		t.Errorf("the log is %v after it was deleted", log)
	}
	if _, err := c.AppendHostile(topic, 0, Claims, nil, 1); err == nil {
		t.Error("a batch that claims what it holds was taken for a hostile one")
	}
}

// byName is a fetch that names its topic.
type byName struct{ *kmsg.FetchRequest }

func (byName) MaxVersion() int16 { return 12 }

// ask sends one fetch to the leader and returns the answer for the partition.
func ask(t *testing.T, cl *kgo.Client, c *Cluster, from int64) kmsg.FetchResponseTopicPartition {
	t.Helper()
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 1000, 1, 1<<20
	rt := kmsg.NewFetchRequestTopic()
	info := must(c.Partition(topic, 0))(t)
	rt.Topic = topic
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.FetchOffset, rp.PartitionMaxBytes = from, 1<<20
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp := must(cl.Broker(int(info.Leader)).Request(t.Context(), byName{req}))(t).(*kmsg.FetchResponse)
	if len(resp.Topics) != 1 {
		t.Fatalf("the answer has %d topics", len(resp.Topics))
	}
	return resp.Topics[0].Partitions[0]
}

func TestLeadersAnswerAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Options{Network: simnet.Config{Latency: simnet.Latency{Min: time.Millisecond}}})
		for range 10 {
			must(c.Append(topic, 0, kv("k", "v")))(t)
		}
		cl := client(t, c, "a")
		wait := func(from int64) (time.Duration, kmsg.FetchResponseTopicPartition) {
			begin := time.Now()
			p := ask(t, cl, c, from)
			return time.Since(begin), p
		}
		wait(0) // connects
		if d, _ := wait(10); d < time.Second {
			t.Fatalf("a fetch waited for %v only without a fault", d)
		}
		f := must(c.AnswerAtOnce(Haste{Topic: topic}))(t)
		if d, p := wait(10); d > 10*time.Millisecond || p.HighWatermark != 10 || len(p.RecordBatches) != 0 {
			t.Errorf("a fetch waited for %v, and was told of an end at %d", d, p.HighWatermark)
		}
		f.Undo()
		older := must(c.AnswerAtOnce(Haste{Topic: topic, Back: 3}))(t)
		for from, want := range map[int64]int64{0: 10, 6: 10, 7: 7, 9: 7, 10: 7} {
			if d, p := wait(from); d > 10*time.Millisecond || p.HighWatermark != want || p.LastStableOffset != want || (len(p.RecordBatches) > 0) != (want == 10) {
				t.Errorf("a fetch from %d waited for %v, and was told of an end at %d with %d bytes, want %d", from, d, p.HighWatermark, len(p.RecordBatches), want)
			}
		}
		if f.Hits() != 1 || older.Hits() != 3 {
			t.Errorf("%d and %d hits, want 1 and 3", f.Hits(), older.Hits())
		}
	})
}

// Every answer that can have a throttle time is changed in nothing else, in each version.
func TestAnswersOfEveryVersionAreThrottled(t *testing.T) {
	for key := range int16(kmsg.MaxKey) {
		resp := kmsg.ResponseForKey(key)
		if resp == nil {
			continue
		}
		for version := range resp.MaxVersion() + 1 {
			resp := kmsg.ResponseForKey(key)
			resp.SetVersion(version)
			header := make([]byte, 8, 9)
			if resp.IsFlexible() && key != int16(kmsg.ApiVersions) {
				header = header[:9] // no tags
			}
			out := Throttled(2*time.Second)(key, version, resp.AppendTo(header))
			back := kmsg.ResponseForKey(key)
			back.SetVersion(version)
			if err := back.ReadFrom(out[len(header):]); err != nil {
				t.Errorf("%s v%d can't be read: %v", kmsg.NameForKey(key), version, err)
				continue
			}
			// A version from before throttle times drops what is set.
			plain := kmsg.ResponseForKey(key)
			plain.SetVersion(version)
			if set, ok := plain.(kmsg.SetThrottleResponse); ok {
				set.SetThrottle(2000)
			}
			if got, want := out[len(header):], plain.AppendTo(nil); !bytes.Equal(got, want) {
				t.Errorf("%s v%d is % x, want % x", kmsg.NameForKey(key), version, got, want)
			}
		}
	}
}
