package fakecluster

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

// produceTo sends one batch of a client to a broker and returns its offset.
func produceTo(tb testing.TB, c *Cluster, broker int32, h batchHeader, rs ...Record) (int64, error) {
	tb.Helper()
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = 11, -1, 1000
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Records = encodeBatch(rs, h)
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	p := must(c.request(broker, req))(tb).(*kmsg.ProduceResponse).Topics[0].Partitions[0]
	return p.BaseOffset, kerr.ErrorForCode(p.ErrorCode)
}

var anonymous = batchHeader{producer: -1, epoch: -1, sequence: -1}

func wantErr(tb testing.TB, what string, got, want error) {
	tb.Helper()
	if !errors.Is(got, want) {
		tb.Errorf("%s = %v, want %v", what, got, want)
	}
}

func TestFewerReplicasThanTheTopicWantsRefuseWrites(t *testing.T) {
	configs := map[string]string{"min.insync.replicas": "2"}
	c := start(t, Options{Brokers: 3, Topics: []Topic{{Name: topic, Configs: configs}}})
	write := func() error { _, err := produceTo(t, c, 0, anonymous, kv("k", "v")); return err }
	check(t, write())

	lag := must(c.OutOfSync(2))(t)
	check(t, write())
	check(t, c.StopBroker(1))
	wantErr(t, "write with one replica in sync", write(), kerr.NotEnoughReplicas)
	if n := must(c.InSync(topic, 0))(t); n != 1 || lag.Hits() != 1 {
		t.Errorf("%d replicas are in sync, %d hits, want 1 and 1", n, lag.Hits())
	}
	lag.Undo()
	check(t, write())

	// A broker that is not the leader says so, whatever else is wrong.
	check(t, c.StartBroker(1))
	lags := []Effect{must(c.OutOfSync(0))(t), must(c.OutOfSync(1))(t)}
	_, err := produceTo(t, c, 2, anonymous, kv("k", "v"))
	wantErr(t, "write to a broker that does not lead", err, kerr.NotLeaderForPartition)
	wantErr(t, "write with one replica in sync", write(), kerr.NotEnoughReplicas)

	check(t, c.AlterTopic(topic, map[string]*string{"min.insync.replicas": new("1")}))
	check(t, write())
	check(t, c.AlterTopic(topic, map[string]*string{"min.insync.replicas": new("4")}))
	wantErr(t, "write with all replicas wanted and two out of sync", write(), kerr.NotEnoughReplicas)
	for _, r := range lags {
		r.Undo()
	}
	check(t, write()) // as many as there are will do
	check(t, c.AlterTopic(topic, map[string]*string{"min.insync.replicas": nil}))
	check(t, write())
}

func TestTopicsAreAlteredWhileInUse(t *testing.T) {
	c := start(t, Options{})
	cl := client(t, c, "a")
	for _, want := range []string{"2000", "100", "1048588"} {
		check(t, c.AlterTopic(topic, map[string]*string{"max.message.bytes": &want}))
		rc := must(must(kadm.NewClient(cl).DescribeTopicConfigs(t.Context(), topic))(t).On(topic, nil))(t)
		for _, cfg := range rc.Configs {
			if cfg.Key == "max.message.bytes" && cfg.MaybeValue() != want {
				t.Errorf("max.message.bytes is described as %s, want %s", cfg.MaybeValue(), want)
			}
		}
		_, err := produceTo(t, c, 0, anonymous, kv("k", string(make([]byte, 1000))))
		if tooLarge := want == "100"; errors.Is(err, kerr.MessageTooLarge) != tooLarge {
			t.Errorf("with max.message.bytes=%s: write of 1000 bytes = %v", want, err)
		}
	}
	if err := c.AlterTopic("none", map[string]*string{"max.message.bytes": new("1")}); err == nil {
		t.Error("a topic that does not exist was altered")
	}
}

// A fault at a broker that does not exist would never take effect, and nobody would see it.
func TestFaultsAtUnknownBrokersAreRefused(t *testing.T) {
	c := start(t, Options{Brokers: 3})
	none := []int32{0, 3}
	for name, begin := range map[string]func() (Effect, error){
		"SlowBroker":      func() (Effect, error) { return c.SlowBroker(Slow{Brokers: none, Delay: time.Second}) },
		"ThrottleFetches": func() (Effect, error) { return c.ThrottleFetches(Throttle{Brokers: none, Delay: time.Second}) },
		"FailFetches":     func() (Effect, error) { return c.FailFetches(FetchFault{Brokers: none, Err: kerr.UnknownTopicID}) },
		"WithholdRecords": func() (Effect, error) { return c.WithholdRecords(Withhold{Brokers: none, Topic: topic}) },
		"AnswerAtOnce":    func() (Effect, error) { return c.AnswerAtOnce(Haste{Brokers: none, Topic: topic}) },
		"StaleMetadata":   func() (Effect, error) { return c.StaleMetadata(Stale{Brokers: none, Topic: topic, Unknown: true}) },
	} {
		if f, err := begin(); err == nil {
			f.Undo()
			t.Errorf("%s was taken for broker 3 of brokers 0 to 2", name)
		}
	}
}

func TestFetchesAreThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Options{})
		must(c.Append(topic, 0, kv("k", "v")))(t)
		f := must(c.ThrottleFetches(Throttle{Delay: time.Second, Count: 3}))(t)
		begin := time.Now()
		consume(t, client(t, c, "a", kgo.ConsumeTopics(topic)), 1)
		if took := time.Since(begin); took < 3*time.Second || f.Hits() != 3 {
			t.Errorf("the record was there after %v and %d throttled fetches, want 3s and 3", took, f.Hits())
		}
		if _, err := c.ThrottleFetches(Throttle{}); err == nil {
			t.Error("a throttle time of nothing was taken")
		}
	})
}

func TestFetchesFail(t *testing.T) {
	c := start(t, Options{})
	must(c.Append(topic, 0, kv("k", "v")))(t)
	f := must(c.FailFetches(FetchFault{Topic: topic, Err: kerr.UnknownTopicID, Count: 2}))(t)
	consume(t, client(t, c, "a", kgo.ConsumeTopics(topic)), 1)
	if f.Hits() != 2 {
		t.Errorf("%d hits, want 2", f.Hits())
	}
}

// TestRecordsAreWithheld checks that only fetches that would get records count as hits.
func TestRecordsAreWithheld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Options{})
		f := must(c.WithholdRecords(Withhold{Topic: topic, Count: 3}))(t)
		early := client(t, c, "a", kgo.ConsumeTopics(topic), kgo.FetchMaxWait(time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		early.PollFetches(ctx)
		if f.Hits() != 0 {
			t.Errorf("%d fetches of an empty log were hit", f.Hits())
		}
		early.Close() // a fetch of it that waits at the broker would get the record
		must(c.Append(topic, 0, kv("k", "v")))(t)
		cl := client(t, c, "b", kgo.ConsumeTopics(topic), kgo.FetchMaxWait(time.Second))
		consume(t, cl, 1)
		if f.Hits() != 3 {
			t.Errorf("%d hits, want 3", f.Hits())
		}
		must(c.Append(topic, 0, kv("k", "w")))(t)
		consume(t, cl, 1)
		if _, err := c.WithholdRecords(Withhold{}); err == nil {
			t.Error("a fault on no topic was taken")
		}
	})
}

func metadataOf(tb testing.TB, c *Cluster, broker int32) kmsg.MetadataResponseTopic {
	tb.Helper()
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 12
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = new(topic)
	req.Topics = append(req.Topics, rt)
	resp := must(c.request(broker, req))(tb).(*kmsg.MetadataResponse)
	if len(resp.Topics) != 1 || len(resp.Brokers) != c.Brokers() {
		tb.Fatalf("metadata of %d brokers and %d topics", len(resp.Brokers), len(resp.Topics))
	}
	return resp.Topics[0]
}

func TestMetadataIsStale(t *testing.T) {
	c := start(t, Options{Brokers: 3})
	now := metadataOf(t, c, 0)
	check(t, c.MoveLeader(topic, 0, 2))
	for name, tc := range map[string]struct {
		stale Stale
		same  func(kmsg.MetadataResponseTopic) bool
	}{
		"unknown": {Stale{Unknown: true}, func(m kmsg.MetadataResponseTopic) bool {
			return m.ErrorCode == kerr.UnknownTopicOrPartition.Code && len(m.Partitions) == 0
		}},
		"another id": {Stale{OtherID: [16]byte{7}}, func(m kmsg.MetadataResponseTopic) bool {
			return m.TopicID == [16]byte{7} && m.Partitions[0].Leader == 2
		}},
		"more partitions": {Stale{Partitions: 3}, func(m kmsg.MetadataResponseTopic) bool {
			return len(m.Partitions) == 3 && m.Partitions[0].Leader == 2 && m.Partitions[2].Leader == -1
		}},
		"an old epoch": {Stale{Elections: 1}, func(m kmsg.MetadataResponseTopic) bool {
			return m.Partitions[0].Leader == 0 && m.Partitions[0].LeaderEpoch == now.Partitions[0].LeaderEpoch
		}},
		"the first epoch": {Stale{Elections: 9}, func(m kmsg.MetadataResponseTopic) bool {
			return m.Partitions[0].Leader == 0 && m.TopicID == now.TopicID
		}},
	} {
		tc.stale.Topic, tc.stale.Brokers, tc.stale.Count = topic, []int32{1}, 1
		f := must(c.StaleMetadata(tc.stale))(t)
		if m := metadataOf(t, c, 0); m.Partitions[0].Leader != 2 || f.Hits() != 0 {
			t.Errorf("%s: a broker that is not stale says that broker %d leads; %d hits", name, m.Partitions[0].Leader, f.Hits())
		}
		if m := metadataOf(t, c, 1); !tc.same(m) || f.Hits() != 1 {
			t.Errorf("%s: %+v, %d hits", name, m, f.Hits())
		}
		if m := metadataOf(t, c, 1); m.Partitions[0].Leader != 2 {
			t.Errorf("%s: it is stale once too often", name)
		}
	}
	for _, s := range []Stale{{}, {Topic: topic}, {Topic: topic, Unknown: true, Partitions: 2}, {Topic: topic, Elections: -1}} {
		if _, err := c.StaleMetadata(s); err == nil {
			t.Errorf("StaleMetadata(%+v) succeeded", s)
		}
	}
}

// TestStaleMetadataNamesTheSameBrokers compares how stale and other answers describe the
// brokers. If a description changed, a franz-go client would take the broker for a new one
// and drop its connections.
func TestStaleMetadataNamesTheSameBrokers(t *testing.T) {
	c := start(t, Options{Brokers: 3})
	about := func() *kmsg.MetadataResponse {
		req := kmsg.NewPtrMetadataRequest()
		req.Version = 12
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = new(topic)
		req.Topics = append(req.Topics, rt)
		resp := must(c.request(1, req))(t).(*kmsg.MetadataResponse)
		resp.Topics = nil
		return resp
	}
	want := about()
	f := must(c.StaleMetadata(Stale{Topic: topic, Elections: 1}))(t)
	if got := about(); !reflect.DeepEqual(got, want) || f.Hits() != 1 {
		t.Errorf("a stale broker says %+v, others say %+v; %d stale answers", got, want, f.Hits())
	}
}

func TestPasswordsChange(t *testing.T) {
	c := start(t, Options{Users: map[string]string{"u": "old"}})
	check(t, c.Allow("u", topic, kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe))
	try := func(password string) error {
		cl := client(t, c, "a", kgo.SASL(plain.Auth{User: "u", Pass: password}.AsMechanism()))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		return cl.Ping(ctx)
	}
	check(t, try("old"))
	check(t, c.SetPassword("u", "new"))
	wantErr(t, "login with the old password", try("old"), kerr.SaslAuthenticationFailed)
	check(t, try("new"))
	check(t, c.Crash())
	wantErr(t, "login with the old password after a crash", try("old"), kerr.SaslAuthenticationFailed)
	check(t, try("new"))
	if err := c.SetPassword("nobody", "x"); err == nil {
		t.Error("nobody got a password")
	}
}

func TestProducersAreForgotten(t *testing.T) {
	p := func(seq int32) batchHeader { return batchHeader{producer: 77, sequence: seq} }
	for _, tc := range []struct {
		mode ForgetMode
		want error
	}{{ForgetAndAccept, nil}, {ForgetAndRefuse, kerr.OutOfOrderSequenceNumber}, {ForgetAndDeny, kerr.UnknownProducerID}} {
		t.Run(tc.mode.String(), func(t *testing.T) {
			c := start(t, Options{})
			write := func(seq int32, value string) (int64, error) {
				return produceTo(t, c, 0, p(seq), kv("k", value))
			}
			must(write(0, "a"))(t)
			must(write(1, "b"))(t)
			if off := must(write(1, "b"))(t); off != 1 {
				t.Fatalf("a duplicate was appended at %d", off)
			}
			f := must(c.ForgetProducers(Forget{Mode: tc.mode}))(t)
			off, err := write(1, "b")
			wantErr(t, "duplicate", err, tc.want)
			if tc.want == nil && off != 2 {
				t.Errorf("the duplicate is at %d, want 2", off)
			}
			if tc.want != nil {
				_, err = write(2, "c")
				wantErr(t, "next batch", err, tc.want)
			} else if again := must(write(1, "b"))(t); again != 2 {
				t.Errorf("what was appended after it is at %d, want 2: the producer is known again", again)
			}
			if f.Hits() == 0 {
				t.Error("no hits")
			}
			f.Undo()
			// A new sequence is welcome.
			h := p(0)
			h.epoch = 1
			must(produceTo(t, c, 0, h, kv("k", "d")))(t)
			for _, b := range must(c.ReadLog(topic, 0, 0))(t) {
				if b.ProducerID != 77 {
					t.Errorf("batch at %d is of producer %d, want 77", b.FirstOffset, b.ProducerID)
				}
			}
		})
	}
}

func TestProducersAreForgottenAtElectionsAndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Options{Brokers: 2})
		write := func() int64 {
			return must(produceTo(t, c, must(c.Partition(topic, 0))(t).Leader, batchHeader{producer: 77}, kv("k", "v")))(t)
		}
		write()
		f := must(c.ForgetProducers(Forget{Topic: topic, AtElections: true}))(t)
		if off := write(); off != 0 {
			t.Errorf("forgotten before there was an election: %d", off)
		}
		check(t, c.MoveLeader(topic, 0, 1))
		if f.Hits() != 1 {
			t.Errorf("%d hits after an election that made a broker forget, want 1", f.Hits())
		}
		check(t, c.MoveLeader(topic, 0, 0))
		if f.Hits() != 1 {
			t.Errorf("%d hits after an election with nobody to forget, want 1", f.Hits())
		}
		if off := write(); off != 1 || f.Hits() != 2 {
			t.Errorf("duplicate after an election at %d, %d hits, want 1 and 2", off, f.Hits())
		}
		f.Undo()
		check(t, c.MoveLeader(topic, 0, 1))
		time.Sleep(23 * time.Hour)
		if off := write(); off != 1 {
			t.Errorf("duplicate within a day at %d, want 1", off)
		}
		time.Sleep(25 * time.Hour)
		if off := write(); off != 2 {
			t.Errorf("duplicate after a day at %d, want 2", off)
		}
	})
}
