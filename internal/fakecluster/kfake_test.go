package fakecluster

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The tests in this file pin down how kfake differs from Kafka. Each one fails when kfake
// changes, and names the code that can then be removed.

const gone = "kfake has changed: this can go: "

// bare returns a cluster without the code that makes up for the differences.
func bare(tb testing.TB, brokers int, configs map[string]string) *Cluster {
	tb.Helper()
	n := new(kfake.VirtualNetwork)
	var ports []int
	for i := range brokers {
		ports = append(ports, 9092+i)
	}
	k, err := kfake.NewCluster(kfake.Ports(ports...), kfake.ListenFn(n.Listen))
	check(tb, err)
	tb.Cleanup(k.Close)
	check(tb, k.CreateTopic(topic, 1, configs))
	// Borrow the requests of Cluster over kfake's own network.
	c := &Cluster{kfake: k, ports: ports, dialDirect: n.DialContext, op: make(opLock, 1)}
	c.opts.Brokers = brokers
	return c
}

func TestKfakeMovesLogStartWithCompaction(t *testing.T) {
	c := bare(t, 1, CompactConfigs())
	for range 5 {
		must(c.Append(topic, 0, kv("a", "1")))(t)
	}
	c.kfake.Compact()
	if _, err := c.fetch(0, partition{topic, 0}, 1, rawRack); !errors.Is(err, kerr.OffsetOutOfRange) {
		t.Errorf("fetch from an offset compacted away: %v; "+gone+"a reason for kfake_compact.go", err)
	}
}

func TestKfakeForgetsEpochsWithoutRecords(t *testing.T) {
	c := bare(t, 1, nil)
	must(c.Append(topic, 0, kv("a", "1")))(t)
	check(t, c.kfake.MoveTopicPartition(topic, 0, 0))
	if epoch, end := askEpoch(t, c, 0); epoch != -1 || end != -1 {
		t.Errorf("epoch 0 ended at %d in epoch %d; "+gone+"kfake_epoch.go", end, epoch)
	}
	own := start(t, Options{})
	must(own.Append(topic, 0, kv("a", "1")))(t)
	check(t, own.MoveLeader(topic, 0, 0))
	if epoch, end := askEpoch(t, own, 0); epoch != 0 || end != 1 {
		t.Errorf("OffsetForLeaderEpoch(0) = %d, %d, want 0, 1 as in Kafka", epoch, end)
	}
}

// TestEpochsWithoutRecordsEndWhereClientsAuthenticate checks that clients learn where an
// epoch ended that ended in a loss. Without that, a client would take the records that came
// afterwards for those that it knows.
func TestEpochsWithoutRecordsEndWhereClientsAuthenticate(t *testing.T) {
	c := start(t, Options{Users: map[string]string{"may": "x", "not": "x"}})
	check(t, c.Allow("may", topic, kmsg.ACLOperationRead))
	check(t, c.Allow("not", topic, kmsg.ACLOperationWrite))
	must(c.Append(topic, 0, kv("a", "1")))(t)
	must(c.Append(topic, 0, kv("a", "2")))(t)
	must(c.LoseTail(topic, 0, 1))(t)
	if epoch, end := askEpoch(t, c, 0); epoch != 0 || end != 1 {
		t.Errorf("OffsetForLeaderEpoch(0) = %d, %d, want 0, 1 as in Kafka", epoch, end)
	}
	check(t, c.Revoke("not", topic, kmsg.ACLOperationWrite))
	if _, _, err := epochEndBy(t, c, 0); !errors.Is(err, kerr.LeaderNotAvailable) {
		t.Errorf("OffsetForLeaderEpoch(0) while somebody has no right: %v, want an error that lets clients come again", err)
	}
	must(c.Append(topic, 0, kv("a", "3")))(t)
	if epoch, end := askEpoch(t, c, 0); epoch != 0 || end != 1 {
		t.Errorf("OffsetForLeaderEpoch(0) by kfake = %d, %d, want 0, 1", epoch, end)
	}
}

func askEpoch(tb testing.TB, c *Cluster, epoch int32) (int32, int64) {
	tb.Helper()
	known, end, err := epochEndBy(tb, c, epoch)
	check(tb, err)
	return known, end
}

// epochEndBy asks the broker 0 for the end of an epoch.
func epochEndBy(tb testing.TB, c *Cluster, epoch int32) (known int32, end int64, err error) {
	tb.Helper()
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.Version = 4
	req.ReplicaID = -1
	rt := kmsg.NewOffsetForLeaderEpochRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	rp.CurrentLeaderEpoch, rp.LeaderEpoch = -1, epoch
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp := must(c.request(0, req))(tb).(*kmsg.OffsetForLeaderEpochResponse)
	p := resp.Topics[0].Partitions[0]
	return p.LeaderEpoch, p.EndOffset, kerr.ErrorForCode(p.ErrorCode)
}

func TestKfakeLetsFetchesWaitWhenTheLeaderMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := bare(t, 2, nil)
		check(t, c.kfake.MoveTopicPartition(topic, 0, 0))
		req := kmsg.NewPtrFetchRequest()
		req.Version = 12
		req.ReplicaID, req.SessionEpoch = -1, -1
		req.MaxBytes, req.MinBytes, req.MaxWaitMillis = 1<<20, 1, 10_000
		rt := kmsg.NewFetchRequestTopic()
		rt.Topic = topic
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.CurrentLeaderEpoch, rp.PartitionMaxBytes = -1, 1<<20
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		done := make(chan error)
		begin := time.Now()
		go func() {
			_, err := c.request(0, req)
			done <- err
		}()
		synctest.Wait()
		check(t, c.kfake.MoveTopicPartition(topic, 0, 1))
		check(t, <-done)
		if d := time.Since(begin); d < 10*time.Second {
			t.Errorf("the fetch came back after %v; "+gone+"the reset in moveLeader", d)
		}
	})
}

func TestKfakeRetainsCompactedTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := bare(t, 1, map[string]string{"cleanup.policy": "compact"})
		must(c.Append(topic, 0, kv("a", "1")))(t)
		time.Sleep(8 * 24 * time.Hour)
		if info := c.kfake.PartitionInfo(topic, 0); info.LogStartOffset != 1 {
			t.Error("a compacted topic outlives retention.ms; " + gone + "retention.ms in CompactConfigs")
		}
	})
}

func TestKfakeCompactsAllButTheLastBatch(t *testing.T) {
	c := bare(t, 1, CompactConfigs())
	must(c.Append(topic, 0, kv("a", "1")))(t)
	must(c.Append(topic, 0, kv("a", "2")))(t)
	c.kfake.Compact()
	raw := must(c.fetch(0, partition{topic, 0}, 0, rawRack))(t)
	if log := must(parseBatches(raw))(t); len(log) != 2 {
		t.Errorf("log is %s; "+gone+"the marker in Compact", showBatches(log))
	}
}

func TestKfakeTakesKeylessRecordsOnCompactedTopics(t *testing.T) {
	c := bare(t, 1, CompactConfigs())
	if _, err := c.Append(topic, 0, Record{Value: []byte("v")}); err != nil {
		t.Errorf("append without a key: %v; kfake has changed: Append needs another way to write such a record", err)
	}
}

func TestKfakeDrawsLeaders(t *testing.T) {
	c := bare(t, 3, nil)
	drawn := make(map[int32]bool)
	for i := range 50 {
		name := fmt.Sprint("t", i)
		check(t, c.kfake.CreateTopic(name, 1, nil))
		drawn[c.kfake.LeaderFor(name, 0)] = true
	}
	if len(drawn) == 1 {
		t.Error("50 topics have the same leader; " + gone + "the move in createTopic")
	}
}

func TestKfakeForgetsProducersInACrash(t *testing.T) {
	c := start(t, Options{})
	raw := encodeBatch([]Record{kv("a", "1")}, batchHeader{producer: 77, epoch: 0, sequence: 0})
	tp := partition{topic, 0}
	first := must(c.appendBatch(tp, bytes.Clone(raw), nil))(t)
	if again := must(c.appendBatch(tp, bytes.Clone(raw), nil))(t); again != first {
		t.Fatalf("the same batch again is at offset %d, want %d", again, first)
	}
	check(t, c.Crash())
	if again := must(c.appendBatch(tp, bytes.Clone(raw), nil))(t); again != first {
		t.Errorf("the same batch after a crash is at offset %d, want %d", again, first)
	}
	// Without the producers in the image, kfake does not learn of them from the log.
	im := image{Topics: []imageTopic{{
		Name: topic, ID: [16]byte{1}, Partitions: 1, Replicas: 1,
		Logs: [][]Batch{must(c.ReadLog(topic, 0, 0))(t)}, Ends: []int64{1},
	}}}
	dir := t.TempDir()
	check(t, im.write(dir))
	other := start(t, Options{Kfake: []kfake.Opt{kfake.DataDir(dir)}, Topics: []Topic{}})
	if again := must(other.appendBatch(tp, bytes.Clone(raw), nil))(t); again == first {
		t.Error("kfake knows the producers of a log; " + gone + "producers.go")
	}
}

// TestKfakeFetchesHaveNoSession checks that fetches are made without sessions.
func TestKfakeFetchesHaveNoSession(t *testing.T) {
	c := start(t, Options{})
	cl := client(t, c, "a", kgo.ConsumeTopics(topic))
	put(t, cl, "k", "v")
	consume(t, cl, 1)
	req := kmsg.NewPtrFetchRequest()
	req.Version = 12
	req.ReplicaID = -1
	resp := must(c.request(0, req))(t).(*kmsg.FetchResponse)
	if resp.SessionID != 0 {
		t.Errorf("a fetch got session %d, want none", resp.SessionID)
	}
}

func TestKfakeCompactsUnderOpenTransactions(t *testing.T) {
	c := bare(t, 1, CompactConfigs())
	must(c.Append(topic, 0, kv("k", "v1")))(t)
	txn := must(c.Begin("t"))(t)
	must(txn.Append(topic, 0, kv("k", "v2")))(t)
	must(c.Append(topic, 0, kv("l", "1")))(t)
	c.kfake.Compact()
	raw := must(c.fetch(0, partition{topic, 0}, 1, rawRack))(t)
	if log := must(parseBatches(raw))(t); showBatches(log) != "1:k=v2 2:l=1" {
		t.Errorf("log is %s; "+gone+"a reason for kfake_compact.go", showBatches(log))
	}
}

func TestKfakeIgnoresMinCompactionLag(t *testing.T) {
	configs := CompactConfigs()
	configs["min.compaction.lag.ms"] = "3600000"
	c := bare(t, 1, configs)
	for i := range 3 {
		must(c.Append(topic, 0, kv("k", fmt.Sprint(i))))(t)
	}
	c.kfake.Compact()
	if info := c.kfake.PartitionInfo(topic, 0); info.LogStartOffset == 0 {
		t.Error("what is young was not compacted; " + gone + "a reason for kfake_compact.go")
	}
}

func TestKfakeIgnoresMinInsyncReplicas(t *testing.T) {
	c := bare(t, 2, map[string]string{"min.insync.replicas": "2"})
	check(t, c.kfake.MoveTopicPartition(topic, 0, 0))
	check(t, c.kfake.RemoveNode(1))
	if _, err := produceTo(t, c, 0, anonymous, kv("k", "v")); err != nil {
		t.Errorf("write with one of two replicas: %v; "+gone+"kfake_replicas.go", err)
	}
}

func TestKfakeForgetsNoProducer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := bare(t, 1, nil)
		write := func() int64 {
			return must(produceTo(t, c, 0, batchHeader{producer: 7}, kv("k", "v")))(t)
		}
		write()
		time.Sleep(48 * time.Hour)
		if off := write(); off != 0 {
			t.Errorf("a duplicate after two days is at %d; "+gone+"the expiry in kfake_producers.go", off)
		}
	})
}

func TestKfakeHangsUpOnWrongPasswords(t *testing.T) {
	n := new(kfake.VirtualNetwork)
	k, err := kfake.NewCluster(kfake.Ports(9092), kfake.ListenFn(n.Listen), kfake.EnableSASL(), kfake.Superuser(saslPlain, "u", "right"))
	check(t, err)
	t.Cleanup(k.Close)
	c := &Cluster{kfake: k, ports: []int{9092}, dialDirect: n.DialContext, op: make(opLock, 1)}
	c.opts.Users = map[string]string{"u": "right"}
	_, err = c.request(0, kmsg.NewPtrMetadataRequest()) // as fakecluster, which it does not know
	if err == nil || errors.Is(err, kerr.SaslAuthenticationFailed) {
		t.Errorf("login with a wrong password = %v; "+gone+"a part of kfake_password.go", err)
	}
}

func TestKfakeHandsAFencedOwnerTheNextEpoch(t *testing.T) {
	c := bare(t, 1, nil)
	id := "t"
	init := func() *kmsg.InitProducerIDResponse {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.Version, req.TransactionalID, req.TransactionTimeoutMillis = 4, &id, 1000
		return must(c.request(0, req))(t).(*kmsg.InitProducerIDResponse)
	}
	old := init()
	add := kmsg.NewPtrAddPartitionsToTxnRequest()
	add.Version, add.TransactionalID, add.ProducerID, add.ProducerEpoch = 3, id, old.ProducerID, old.ProducerEpoch
	rt := kmsg.NewAddPartitionsToTxnRequestTopic()
	rt.Topic, rt.Partitions = topic, []int32{0}
	add.Topics = append(add.Topics, rt)
	must(c.request(0, add))(t)
	if next := init(); next.ErrorCode != 0 {
		t.Errorf("init against an open transaction: error %d, want none; %sa reason for kfake_coordinator.go", next.ErrorCode, gone)
	}
	end := kmsg.NewPtrEndTxnRequest()
	end.Version, end.TransactionalID, end.ProducerID, end.ProducerEpoch = 5, id, old.ProducerID, old.ProducerEpoch
	if resp := must(c.request(0, end))(t).(*kmsg.EndTxnResponse); resp.ErrorCode != 0 {
		t.Errorf("late abort: error %d, want none; %sa reason for kfake_coordinator.go", resp.ErrorCode, gone)
	}
}

func TestKfakeEndsTransactionsBeforeItAnswers(t *testing.T) {
	c := bare(t, 1, nil)
	txn := must(c.Begin("t"))(t)
	must(txn.Append(topic, 0, kv("k", "v")))(t)
	check(t, txn.Commit())
	raw := must(c.fetch(0, partition{topic, 0}, 0, rawRack))(t)
	if log := must(parseBatches(raw))(t); showBatches(log) != "0:k=v 1:commit" {
		t.Errorf("log %s; "+gone+"a reason for kfake_coordinator.go", showBatches(log))
	}
}

func TestKfakeAbortsWhatIsOpenWhenItRestarts(t *testing.T) {
	dir := t.TempDir()
	batch := encodeBatch([]Record{kv("k", "v")}, batchHeader{producer: 7, transactional: true})
	im := image{Topics: []imageTopic{{
		Name: topic, ID: [16]byte{1}, Partitions: 1, Replicas: 1,
		Logs: [][]Batch{must(parseBatches(batch))(t)}, Ends: []int64{1},
	}}}
	check(t, im.write(dir))
	c := start(t, Options{Kfake: []kfake.Opt{kfake.DataDir(dir)}, Topics: []Topic{}})
	if p := must(c.Partition(topic, 0))(t); p.LastStableOffset != 1 {
		t.Errorf("stable up to %d, want 1; %skfake_reopen.go", p.LastStableOffset, gone)
	}
}

func TestKfakeTimesOutToTheMillisecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := bare(t, 1, nil)
		id := "t"
		req := kmsg.NewPtrInitProducerIDRequest()
		req.Version, req.TransactionalID, req.TransactionTimeoutMillis = 2, &id, 3000
		r := must(c.request(0, req))(t).(*kmsg.InitProducerIDResponse)
		txn := &Txn{c: c, id: id, producer: r.ProducerID, epoch: r.ProducerEpoch, sequence: map[partition]int32{}}
		must(txn.Append(topic, 0, kv("k", "v")))(t)
		time.Sleep(3100 * time.Millisecond)
		must(c.request(0, kmsg.NewPtrMetadataRequest()))(t)
		if info := c.kfake.PartitionInfo(topic, 0); info.HighWatermark != 2 {
			t.Errorf("the log ends at %d, want the abort at 1; %sa reason for coordinator.go", info.HighWatermark, gone)
		}
	})
}

// TestKfakeLeavesAbortedTransactionsOut reads a log of aborted records that is larger than
// one answer may be.
func TestKfakeLeavesAbortedTransactionsOut(t *testing.T) {
	told := func(c *Cluster) (aborted, bytes int) {
		txn := must(c.Begin("t"))(t)
		for range 3 {
			must(txn.Append(topic, 0, kv("k", strings.Repeat("v", 1000))))(t)
		}
		check(t, txn.Abort())
		p := fetchCut(t, c, 1500, 1500, 0)[0]
		return len(p.AbortedTransactions), len(p.RecordBatches)
	}
	if aborted, _ := told(bare(t, 1, nil)); aborted != 0 {
		t.Errorf("an answer that MaxBytes cuts has %d aborted transactions; %sa part of kfake_fetch.go", aborted, gone)
	}
	if aborted, bytes := told(start(t, Options{})); aborted != 1 || bytes > 1500 {
		t.Errorf("an answer of %d bytes has %d aborted transactions, want at most 1500 bytes and 1", bytes, aborted)
	}
}

// TestAnswersToFetchesAreBounded fetches from two partitions that each hold more than
// MaxBytes.
func TestAnswersToFetchesAreBounded(t *testing.T) {
	c := start(t, Options{Topics: []Topic{{Name: topic, Partitions: 2}}})
	check(t, c.MoveLeader(topic, 0, 0))
	check(t, c.MoveLeader(topic, 1, 0))
	for range 3 {
		for n := range int32(2) {
			must(c.Append(topic, n, kv("k", strings.Repeat("v", 1000))))(t)
		}
	}
	one := len(fetchCut(t, c, 1500, 1500, 0)[0].RecordBatches)
	for _, tc := range []struct {
		most, each int32
		want       [2]int // batches
	}{
		{1, 1, [2]int{1, 0}},
		{1500, 1500, [2]int{1, 0}},
		{2500, 1 << 20, [2]int{2, 0}},
		{3500, 2500, [2]int{2, 0}},
		{5000, 2500, [2]int{2, 2}},
		{1 << 20, 5000, [2]int{3, 3}},
	} {
		got := fetchCut(t, c, tc.most, tc.each, 0, 1)
		if len(got) != 2 || len(got[0].RecordBatches) != one*tc.want[0] || len(got[1].RecordBatches) != one*tc.want[1] {
			t.Errorf("MaxBytes %d, %d for each: answers for %d partitions, the first of %d bytes; want %v batches of %d bytes", tc.most, tc.each, len(got), len(got[0].RecordBatches), tc.want, one)
		}
	}
}

// fetchCut reads committed records from the start of partitions: at most most bytes in
// all, and at most each bytes of each partition.
func fetchCut(tb testing.TB, c *Cluster, most, each int32, partitions ...int32) []kmsg.FetchResponseTopicPartition {
	tb.Helper()
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.ReplicaID, req.SessionEpoch, req.IsolationLevel = 12, -1, -1, 1
	req.MaxBytes, req.MinBytes = most, 1
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic = topic
	for _, n := range partitions {
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.Partition, rp.CurrentLeaderEpoch, rp.PartitionMaxBytes = n, -1, each
		rt.Partitions = append(rt.Partitions, rp)
	}
	req.Topics = append(req.Topics, rt)
	got := must(c.request(0, req))(tb).(*kmsg.FetchResponse).Topics[0].Partitions
	for _, p := range got {
		check(tb, kerr.ErrorForCode(p.ErrorCode))
	}
	return got
}
