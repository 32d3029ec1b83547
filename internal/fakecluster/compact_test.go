package fakecluster

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

func tombstone(key string) Record { return Record{Key: []byte(key)} }

// TestCompactionStopsAtTheLastStableOffset checks a record that kfake's own compaction
// would lose.
func TestCompactionStopsAtTheLastStableOffset(t *testing.T) {
	c := start(t, Options{})
	must(c.Append(topic, 0, kv("k", "v0")))(t)
	must(c.Append(topic, 0, kv("k", "v1")))(t)
	txn := must(c.Begin("t"))(t)
	must(txn.Append(topic, 0, kv("k", "v2")))(t)
	must(c.Append(topic, 0, kv("k", "v3")))(t)
	check(t, c.Compact())
	wantLog(t, c, "1:k=v1 2:k=v2 3:k=v3 4:abort")
	check(t, txn.Abort())
	check(t, c.Compact())
	wantLog(t, c, "3:k=v3 5:abort 6:abort")
}

func TestAbortedRecordsSupersedeNothing(t *testing.T) {
	for _, commit := range []bool{true, false} {
		t.Run(fmt.Sprint("commit=", commit), func(t *testing.T) {
			c := start(t, Options{})
			must(c.Append(topic, 0, kv("k", "v1")))(t)
			txn := must(c.Begin("t"))(t)
			must(txn.Append(topic, 0, tombstone("k")))(t)
			end, want := txn.Abort, "0:k=v1 2:abort 3:abort"
			if commit {
				end, want = txn.Commit, "1:k 2:commit 3:abort"
			}
			check(t, end())
			check(t, c.Compact())
			wantLog(t, c, want)
			cl := client(t, c, "r", kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
			if r := consume(t, cl, 1)[0]; commit != (r.Value == nil) {
				t.Errorf("a reader reads %q at %d", r.Value, r.Offset)
			}
		})
	}
}

// TestAbortedBehindTheEnd aborts a transaction whose records lie below the last
// stable offset and whose marker lies above it.
func TestAbortedBehindTheEnd(t *testing.T) {
	c := start(t, Options{})
	must(c.Append(topic, 0, kv("k", "v0")))(t)
	first := must(c.Begin("first"))(t)
	must(first.Append(topic, 0, kv("k", "v1")))(t)
	second := must(c.Begin("second"))(t)
	must(second.Append(topic, 0, kv("k", "v2")))(t)
	check(t, first.Abort())
	check(t, c.Compact())
	wantLog(t, c, "0:k=v0 2:k=v2 3:abort 4:abort")
}

// TestTheLastBatchOfAProducerStays checks what compaction leaves of a batch
// without records: its offsets, epoch and sequence numbers.
func TestTheLastBatchOfAProducerStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Options{})
		for seq := range int32(3) {
			must(produceTo(t, c, 0, batchHeader{producer: 7, sequence: 2 * seq}, kv("k", fmt.Sprint(seq)), kv("l", "1")))(t)
		}
		must(c.Append(topic, 0, kv("k", "new"), kv("l", "new")))(t)
		was := must(c.ReadLog(topic, 0, 0))(t)[2]
		check(t, c.Compact())
		log := must(c.ReadLog(topic, 0, 0))(t)
		b := log[0]
		if b.FirstOffset != 4 || b.LastOffset != 5 || len(b.Records) != 0 || b.Control {
			t.Fatalf("the first batch is %+v, want an empty one of offsets 4 and 5", b)
		}
		if b.ProducerID != 7 || b.FirstSequence != 4 || b.LeaderEpoch != was.LeaderEpoch {
			t.Errorf("it is %+v, was %+v", b, was)
		}
		if dup := must(produceTo(t, c, 0, batchHeader{producer: 7, sequence: 4}, kv("k", "2"), kv("l", "1")))(t); dup != 4 {
			t.Errorf("a duplicate of it was appended at %d", dup)
		}
		cl := client(t, c, "r", kgo.ConsumeTopics(topic))
		if r := consume(t, cl, 2)[0]; string(r.Value) != "new" {
			t.Errorf("a reader reads %q first", r.Value)
		}
		// After a day the producer is forgotten, and its batch may go.
		time.Sleep(25 * time.Hour)
		check(t, c.Compact())
		if b := must(c.ReadLog(topic, 0, 0))(t)[0]; b.FirstOffset != 6 {
			t.Errorf("the first batch is at %d, want 6", b.FirstOffset)
		}
	})
}

func TestTheLastBatchOfAForgottenProducerGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Options{})
		must(produceTo(t, c, 0, batchHeader{producer: 7}, kv("k", "1")))(t)
		must(produceTo(t, c, 0, batchHeader{producer: 8}, kv("k", "2")))(t)
		must(c.ForgetProducers(Forget{}))(t)
		must(produceTo(t, c, 0, batchHeader{producer: 8, sequence: 1}, kv("l", "1")))(t) // it is known again
		must(c.Append(topic, 0, kv("k", "new"), kv("l", "new")))(t)
		check(t, c.Compact())
		b := must(c.ReadLog(topic, 0, 0))(t)[0]
		if b.FirstOffset != 2 || b.ProducerID != 8 || len(b.Records) != 0 {
			t.Errorf("the first batch is %+v, want an empty one of producer 8 at offset 2", b)
		}
	})
}

func TestCompactionKeepsWhatIsYoung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		configs := CompactConfigs()
		configs["min.compaction.lag.ms"] = "3600000"
		c := start(t, Options{Topics: []Topic{{Name: topic, Configs: configs}}})
		must(c.Append(topic, 0, kv("k", "1")))(t)
		must(c.Append(topic, 0, kv("k", "2")))(t)
		time.Sleep(time.Hour - time.Second)
		must(c.Append(topic, 0, kv("k", "3")))(t)
		check(t, c.Compact())
		wantLog(t, c, "0:k=1 1:k=2 2:k=3 3:abort")
		time.Sleep(2 * time.Second)
		check(t, c.CompactClosed())
		wantLog(t, c, "1:k=2 2:k=3 3:abort")
	})
}

// TestTombstonesAgeInTheLog checks that the timestamp that a writer gives a tombstone does
// not shorten the time that readers have to see it.
func TestTombstonesAgeInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Options{})
		old := tombstone("a")
		old.Timestamp = time.Now().Add(-48 * time.Hour)
		future := tombstone("b")
		future.Timestamp = time.Now().Add(48 * time.Hour)
		must(c.Append(topic, 0, old))(t)
		must(c.Append(topic, 0, future))(t)
		time.Sleep(23 * time.Hour)
		check(t, c.Compact())
		wantLog(t, c, "0:a 1:b 2:abort")
		check(t, c.Crash())
		time.Sleep(time.Hour)
		check(t, c.AlterTopic(topic, map[string]*string{"delete.retention.ms": new("90000000")}))
		check(t, c.Compact())
		wantLog(t, c, "0:a 1:b 3:abort")
		check(t, c.AlterTopic(topic, map[string]*string{"delete.retention.ms": nil}))
		check(t, c.Compact())
		wantLog(t, c, "4:abort")
	})
}

// TestTombstonesStayForThoseWhoReadWhatTheySupersede checks that no pass removes a record
// together with its tombstone, and that a transaction which blocks the passes does not
// shorten the time that readers have.
func TestTombstonesStayForThoseWhoReadWhatTheySupersede(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		configs := CompactConfigs()
		configs["delete.retention.ms"] = "24000"
		c := start(t, Options{Horizons: true, Topics: []Topic{{Name: topic, Configs: configs}}})
		must(c.Append(topic, 0, kv("a", "1")))(t)
		txn := must(c.Begin("t"))(t)
		must(txn.Append(topic, 0, tombstone("a")))(t)
		time.Sleep(25 * time.Second)
		check(t, c.Compact())
		wantLog(t, c, "0:a=1 1:a 2:abort")
		check(t, txn.Commit())
		check(t, c.Compact())
		wantLog(t, c, "1:a 3:commit 4:abort")
		time.Sleep(23 * time.Second)
		check(t, c.Compact())
		wantLog(t, c, "1:a 3:commit 5:abort")
		check(t, c.Crash())
		time.Sleep(time.Second)
		check(t, c.Compact())
		wantLog(t, c, "3:commit 6:abort") // of the last batch of a producer, which is empty now
	})
}

func TestCompactionIsOfCompactedTopicsOnly(t *testing.T) {
	c := start(t, Options{})
	must(c.Append(topic, 0, kv("k", "1")))(t)
	must(c.Append(topic, 0, kv("k", "2")))(t)
	check(t, c.AlterTopic(topic, map[string]*string{"cleanup.policy": new("delete")}))
	check(t, c.Compact())
	wantLog(t, c, "0:k=1 1:k=2")
	check(t, c.AlterTopic(topic, map[string]*string{"cleanup.policy": new("compact,delete")}))
	check(t, c.Compact())
	wantLog(t, c, "1:k=2 2:abort")
}

func TestWhatWasCompactedStaysSo(t *testing.T) {
	c := start(t, Options{Brokers: 2})
	for i := range 6 {
		must(c.Append(topic, 0, kv(fmt.Sprint("k", i%2), fmt.Sprint(i))))(t)
	}
	check(t, c.Compact())
	const want = "4:k0=4 5:k1=5 6:abort"
	wantLog(t, c, want)
	check(t, c.Crash())
	wantLog(t, c, want)
	check(t, c.MoveLeader(topic, 0, 1))
	wantLog(t, c, want)
	if p := must(c.Partition(topic, 0))(t); p.LogStartOffset != 0 {
		t.Errorf("the log starts at %d, want 0", p.LogStartOffset)
	}
	// If compaction left nothing at the offset, the tail starts at the next batch.
	lost := must(c.LoseTail(topic, 0, 2))(t)
	if got := showBatches(lost); got != want {
		t.Errorf("lost %s, want %s", got, want)
	}
	if end := must(c.EndOffset(topic, 0))(t); end != 4 {
		t.Errorf("the log ends at %d, want 4", end)
	}
	must(c.Append(topic, 0, kv("k0", "new")))(t)
	wantLog(t, c, "4:k0=new")
	check(t, c.RecreateTopic(topic))
	must(c.Append(topic, 0, kv("k0", "newest")))(t)
	wantLog(t, c, "0:k0=newest")
}

// TestATopicThatComesAgainIsCompacted uses a topic that is deleted and created again with
// other configurations.
func TestATopicThatComesAgainIsCompacted(t *testing.T) {
	c := start(t, Options{Topics: []Topic{{Name: topic}}})
	must(produceTo(t, c, 0, anonymous, kv("k", "1")))(t)
	check(t, c.DeleteTopic(topic))
	_, err := produceTo(t, c, 0, anonymous, kv("k", "1"))
	wantErr(t, "write to a topic that is gone", err, kerr.UnknownTopicOrPartition)
	check(t, c.CreateTopic(Topic{Name: topic, Configs: CompactConfigs()}))
	must(produceTo(t, c, 0, anonymous, kv("k", "2")))(t)
	must(produceTo(t, c, 0, anonymous, kv("k", "3")))(t)
	check(t, c.Compact())
	wantLog(t, c, "1:k=3 2:abort")
}

// TestCompactedLogIsReadInSmallPieces reads with a limit below the size of a
// batch, from offsets that are gone, committed and not.
func TestCompactedLogIsReadInSmallPieces(t *testing.T) {
	c := start(t, Options{})
	for i := range 30 {
		must(c.Append(topic, 0, kv(fmt.Sprint("k", i%10), strings.Repeat("v", 100))))(t)
	}
	check(t, c.Compact())
	must(c.Append(topic, 0, kv("last", "v")))(t)
	for _, level := range []kgo.IsolationLevel{kgo.ReadCommitted(), kgo.ReadUncommitted()} {
		cl := client(t, c, "r", kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(level), kgo.FetchMaxBytes(10), kgo.FetchMaxPartitionBytes(10))
		for i, r := range consume(t, cl, 11) {
			if want := int64(20 + i + i/10); r.Offset != want {
				t.Errorf("record %d is at offset %d, want %d", i, r.Offset, want)
			}
		}
	}
}

func TestCompactionGivesNobodyRights(t *testing.T) {
	c := start(t, Options{Users: map[string]string{"may": "x", "not": "x"}})
	check(t, c.Allow("may", topic, kmsg.ACLOperationRead, kmsg.ACLOperationDescribe))
	check(t, c.Allow("not", topic, kmsg.ACLOperationDescribe))
	must(c.Append(topic, 0, kv("k", "1")))(t)
	must(c.Append(topic, 0, kv("k", "2")))(t)
	check(t, c.Compact())
	wantLog(t, c, "1:k=2 2:abort")
	as := func(user string) *kgo.Client {
		return client(t, c, user, kgo.SASL(plain.Auth{User: user, Pass: "x"}.AsMechanism()), kgo.ConsumeTopics(topic))
	}
	consume(t, as("may"), 1)
	if err := as("not").PollFetches(t.Context()).Err(); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("a user without the right reads: %v", err)
	}
	check(t, c.Allow("not", topic, kmsg.ACLOperationRead))
	if r := consume(t, as("not"), 1)[0]; r.Offset != 1 {
		t.Errorf("the first record that is left is at %d, want 1", r.Offset)
	}
}

func TestKfakesOwnCleanerStaysOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Options{BrokerConfigs: map[string]string{"log.cleaner.backoff.ms": "1000"}})
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		req.Version = 1
		res := kmsg.NewIncrementalAlterConfigsRequestResource()
		res.ResourceType = kmsg.ConfigResourceTypeBroker
		rc := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		rc.Name, rc.Value = "log.cleaner.backoff.ms", new("1000")
		res.Configs = append(res.Configs, rc)
		req.Resources = append(req.Resources, res)
		must(c.request(0, req))(t)
		must(c.Append(topic, 0, kv("k", "1")))(t)
		txn := must(c.Begin("t"))(t)
		must(txn.Append(topic, 0, kv("k", "2")))(t)
		must(c.Append(topic, 0, kv("k", "3")))(t)
		time.Sleep(10 * time.Second)
		if got := must(c.readLog(partition{topic, 0}, 0, true))(t); showBatches(got) != "0:k=1 1:k=2 2:k=3" {
			t.Errorf("log %s", showBatches(got))
		}
	})
}
