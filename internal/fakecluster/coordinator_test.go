package fakecluster

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/simnet"
)

// owner returns a transactional client.
func owner(tb testing.TB, c *Cluster, name string, opts ...kgo.Opt) *kgo.Client {
	tb.Helper()
	return client(tb, c, name, append([]kgo.Opt{kgo.TransactionalID("tx"), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
}

func produceErr(tb testing.TB, cl *kgo.Client, value string) error {
	tb.Helper()
	return cl.ProduceSync(tb.Context(), &kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte(value)}).FirstErr()
}

// commit commits by a request of its own. franz-go 1.22.2 now and then takes a transaction for one
// in which nothing was produced, if ProducerID was called before it, and aborts it.
func commit(tb testing.TB, cl *kgo.Client) {
	tb.Helper()
	id, epoch, err := cl.ProducerID(tb.Context())
	check(tb, err)
	req := kmsg.NewPtrEndTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = "tx", id, epoch, true
	resp, err := req.RequestWith(tb.Context(), cl)
	check(tb, err)
	check(tb, kerr.ErrorForCode(resp.ErrorCode))
}

// TestFencedOwnerStaysFenced sends a late abort, which kfake would answer with the epoch of
// the new owner.
func TestFencedOwnerStaysFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Options{})
		for _, how := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
			old := owner(t, c, fmt.Sprint("old ", how))
			check(t, old.BeginTransaction())
			check(t, produceErr(t, old, "v1"))
			next := owner(t, c, fmt.Sprint("new ", how))
			_, _, err := next.ProducerID(t.Context())
			check(t, err)
			wantErr(t, fmt.Sprintf("late end (commit %v)", how), old.EndTransaction(t.Context(), how), kerr.ProducerFenced)
			if old.BeginTransaction() == nil && produceErr(t, old, "zombie") == nil && old.EndTransaction(t.Context(), kgo.TryCommit) == nil {
				t.Error("the fenced owner committed a transaction")
			}
			check(t, next.BeginTransaction())
			check(t, produceErr(t, next, "v2"))
			commit(t, next)
		}
		time.Sleep(time.Second)
		if p := must(c.Partition(topic, 0))(t); p.LastStableOffset != p.HighWatermark {
			t.Errorf("the log is stable up to %d of %d", p.LastStableOffset, p.HighWatermark)
		}
		wantLog(t, c, "0:k=v1 1:abort 2:k=v2 3:commit 4:k=v1 5:abort 6:k=v2 7:commit")
	})
}

// TestEndIsAnsweredBeforeTheMarkers looks at the time between the answer to the end of a
// transaction and its markers.
func TestEndIsAnsweredBeforeTheMarkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Options{Coordinator: Coordinator{Markers: time.Second}})
		cl := owner(t, c, "a")
		begin := time.Now()
		early := 0
		for i := range 10 {
			check(t, cl.BeginTransaction())
			check(t, produceErr(t, cl, fmt.Sprint(i)))
			check(t, cl.EndTransaction(t.Context(), kgo.TryCommit))
			log := must(c.ReadLog(topic, 0, 0))(t)
			if !log[len(log)-1].Control {
				early++
				states := c.listed()
				if len(states) != 1 || states[0].state != txnPrepareCommit {
					t.Errorf("the coordinator has %+v", states)
				}
			}
		}
		if early < 8 || time.Since(begin) < time.Second {
			t.Errorf("%d of 10 answers came before the marker; it took %v", early, time.Since(begin))
		}
	})
}

func TestTransactionsTimeOutAtAScan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var delays []time.Duration
		for seed := range uint64(6) {
			c := start(t, Options{Coordinator: Coordinator{Seed: seed}})
			cl := owner(t, c, "a", kgo.TransactionTimeout(3*time.Second))
			check(t, cl.BeginTransaction())
			check(t, produceErr(t, cl, "v"))
			begin := time.Now()
			for must(c.EndOffset(topic, 0))(t) == 1 && time.Since(begin) < time.Minute {
				time.Sleep(10 * time.Millisecond)
			}
			d := time.Since(begin)
			if d < 2900*time.Millisecond || d > 13100*time.Millisecond {
				t.Errorf("seed %d: aborted after %v, want 3s to 13s", seed, d)
			}
			delays = append(delays, d.Round(time.Second))
			wantErr(t, "commit after the timeout", cl.EndTransaction(t.Context(), kgo.TryCommit), kerr.ProducerFenced)
			cl.Close()
			check(t, c.Close())
		}
		if fmt.Sprint(delays) == fmt.Sprint([]time.Duration{delays[0], delays[0], delays[0], delays[0], delays[0], delays[0]}) {
			t.Errorf("every seed aborts after %v", delays[0])
		}
	})
}

func TestCoordinatorsMoveAndLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Options{Brokers: 3, Network: simnet.Config{Latency: simnet.Latency{Min: time.Millisecond}}})
		cl := owner(t, c, "a", kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }))
		check(t, cl.BeginTransaction())
		check(t, produceErr(t, cl, "v"))
		node := must(c.CoordinatorOf("tx"))(t)
		check(t, c.MoveCoordinator("tx", (node+1)%3))
		loading := must(c.LoadCoordinators(3))(t)
		check(t, cl.EndTransaction(t.Context(), kgo.TryCommit))
		if loading.Hits() != 3 {
			t.Errorf("%d answers said that the coordinator loads, want 3", loading.Hits())
		}
		// The ids that a broker coordinates move with the partitions that it leads.
		check(t, cl.BeginTransaction())
		check(t, produceErr(t, cl, "w"))
		from := must(c.CoordinatorOf("tx"))(t)
		check(t, c.StopBroker(from))
		if must(c.Partition(topic, 0))(t).Leader == from {
			t.Log("it leads the topic too")
		}
		check(t, c.MoveLeadersFrom(from))
		check(t, cl.EndTransaction(t.Context(), kgo.TryCommit))
		if now := must(c.CoordinatorOf("tx"))(t); now == from {
			t.Error("a stopped broker coordinates")
		}
		time.Sleep(time.Second)
		wantLog(t, c, "0:k=v 1:commit 2:k=w 3:commit")
		if _, err := c.LoadCoordinators(0, 9); err == nil {
			t.Error("broker 9 loads")
		}
		if err := c.MoveCoordinator("tx", 9); err == nil {
			t.Error("broker 9 coordinates")
		}
	})
}

// TestMarkersWaitForTheirLeader stops the leader between the answer to the
// commit and the marker.
func TestMarkersWaitForTheirLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Options{Brokers: 2, Network: simnet.Config{Latency: simnet.Latency{Min: time.Millisecond}}})
		txn := must(c.Begin("t"))(t)
		must(txn.Append(topic, 0, kv("k", "v")))(t)
		check(t, c.StopBroker(0))
		check(t, txn.Commit())
		time.Sleep(time.Minute)
		wantLog(t, c, "0:k=v")
		check(t, c.StartBroker(0))
		time.Sleep(time.Second)
		wantLog(t, c, "0:k=v 1:commit")
	})
}

func TestTransactionalIDsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Options{})
		txn := must(c.Begin("t"))(t)
		must(txn.Append(topic, 0, kv("k", "v")))(t)
		check(t, txn.Commit())
		time.Sleep(8 * 24 * time.Hour)
		if ids := c.listed(); len(ids) != 0 {
			t.Errorf("%d ids are there after 8 days", len(ids))
		}
		again := *txn
		again.ended = false
		wantErr(t, "commit of an id that is forgotten", again.Commit(), kerr.InvalidProducerIDMapping)
	})
}

// TestEpochsRunOut uses a transactional id until its producer runs out of epochs.
func TestEpochsRunOut(t *testing.T) {
	now := time.Now()
	t.Run("init", func(t *testing.T) {
		id := newTxnID("t", 1)
		id.epoch = lastEpochOf
		if p, e := id.init(now, time.Minute, nil, 2); e != nil || p != (producerEpoch{2, 0}) {
			t.Errorf("init = %v, %v, want producer 2", p, e)
		}
		if p, e := id.init(now, time.Minute, &producerEpoch{1, lastEpochOf}, 3); e != nil || p != (producerEpoch{2, 0}) {
			t.Errorf("the same again = %v, %v, want producer 2", p, e)
		}
		if _, e := id.init(now, time.Minute, &producerEpoch{1, 7}, 3); e != kerr.ProducerFenced {
			t.Errorf("init of the former producer = %v", e)
		}
	})
	t.Run("end", func(t *testing.T) {
		id := newTxnID("t", 1)
		id.epoch = lastEpochOf
		tp := []partition{{topic, 0}}
		if e := id.add(now, id.current(), tp, true); e != nil {
			t.Fatal(e)
		}
		p, begun, e := id.end(now, id.current(), true, true, 2)
		if e != nil || !begun || p != (producerEpoch{2, 0}) || id.current() != (producerEpoch{1, lastEpochOf + 1}) {
			t.Fatalf("end = %v, %v, %v; markers of %v", p, begun, e, id.current())
		}
		id.complete(now)
		for range 2 {
			if p, begun, e := id.end(now, producerEpoch{1, lastEpochOf}, true, true, 3); e != nil || begun || p != (producerEpoch{2, 0}) {
				t.Errorf("the same again = %v, %v, %v", p, begun, e)
			}
		}
		if e := id.add(now, producerEpoch{2, 0}, tp, true); e != nil {
			t.Error(e)
		}
	})
}

func TestAdminsSeeTransactions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Options{})
		txn := must(c.Begin("t"))(t)
		must(c.Append(topic, 0, kv("k", "v")))(t)
		must(txn.Append(topic, 0, kv("k", "w")))(t)
		describe := func() kmsg.DescribeTransactionsResponseTransactionState {
			req := kmsg.NewPtrDescribeTransactionsRequest()
			req.TransactionalIDs = []string{"t"}
			return must(c.request(0, req))(t).(*kmsg.DescribeTransactionsResponse).TransactionStates[0]
		}
		producers := kmsg.NewPtrDescribeProducersRequest()
		rt := kmsg.NewDescribeProducersRequestTopic()
		rt.Topic, rt.Partitions = topic, []int32{0}
		producers.Topics = append(producers.Topics, rt)
		open := func() kmsg.DescribeProducersResponseTopicPartitionActiveProducer {
			ps := must(c.request(0, producers))(t).(*kmsg.DescribeProducersResponse).Topics[0].Partitions[0].ActiveProducers
			if len(ps) != 1 {
				t.Fatalf("%d producers, want 1", len(ps))
			}
			return ps[0]
		}
		list := func(req *kmsg.ListTransactionsRequest) []kmsg.ListTransactionsResponseTransactionState {
			req.Version = 1
			return must(c.request(0, req))(t).(*kmsg.ListTransactionsResponse).TransactionStates
		}
		d := describe()
		if d.State != "Ongoing" || d.ProducerID != txn.producer || len(d.Topics) != 1 || d.TimeoutMillis != 900_000 {
			t.Errorf("described as %+v", d)
		}
		if p := open(); p.ProducerID != txn.producer || p.CurrentTxnStartOffset != 1 {
			t.Errorf("producer %+v, want one whose transaction begins at 1", p)
		}
		all := kmsg.NewPtrListTransactionsRequest()
		all.DurationFilterMillis = -1
		all.ProducerIDFilters = []int64{txn.producer}
		all.StateFilters = []string{"Ongoing"}
		if l := list(all); len(l) != 1 || l[0].TransactionalID != "t" {
			t.Errorf("listed: %+v", l)
		}
		all.DurationFilterMillis = 5000
		if l := list(all); len(l) != 0 {
			t.Errorf("listed as open for long: %+v", l)
		}
		time.Sleep(6 * time.Second)
		if l := list(all); len(l) != 1 {
			t.Errorf("listed as open for 6s: %+v", l)
		}
		check(t, txn.Commit())
		if d := describe(); d.State != "CompleteCommit" || len(d.Topics) != 0 {
			t.Errorf("described as %+v", d)
		}
		if p := open(); p.CurrentTxnStartOffset != -1 {
			t.Errorf("producer %+v, want none open", p)
		}
	})
}

// TestNoTransactionHangs appends to a partition with the epoch of a transaction
// that is over (KIP-890).
func TestNoTransactionHangs(t *testing.T) {
	c := start(t, Options{})
	txn := must(c.Begin("t"))(t)
	must(txn.Append(topic, 0, kv("k", "v")))(t)
	check(t, txn.Commit())
	txn.ended = false
	_, err := txn.Append(topic, 0, kv("k", "late"))
	wantErr(t, "append after the end", err, kerr.TransactionAbortable)
	again := must(c.Begin("t"))(t)
	must(again.Append(topic, 0, kv("k", "w")))(t)
	_, err = txn.Append(topic, 0, kv("k", "fenced"))
	wantErr(t, "append of a fenced producer", err, kerr.InvalidProducerEpoch)
	check(t, again.Commit())
	if err := txn.Commit(); !errors.Is(err, kerr.ProducerFenced) {
		t.Errorf("commit of a fenced producer: %v", err)
	}
}

// TestOffsetsAreCommittedWithTheTransaction commits what a group has read.
func TestOffsetsAreCommittedWithTheTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Options{})
		must(c.Append(topic, 0, kv("k", "v")))(t)
		s := must(kgo.NewGroupTransactSession(
			kgo.SeedBrokers(c.Seeds()...), kgo.Dialer(c.Dialer("a")), kgo.TransactionalID("tx"), kgo.DefaultProduceTopic(topic),
			kgo.ConsumerGroup("g"), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
			kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.DisableClientMetrics(),
		))(t)
		defer s.Close()
		committed := func() int64 {
			req := kmsg.NewPtrOffsetFetchRequest()
			req.Version, req.Group = 7, "g"
			for _, rt := range must(c.request(0, req))(t).(*kmsg.OffsetFetchResponse).Topics {
				return rt.Partitions[0].Offset
			}
			return -1
		}
		for _, how := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
			if n := s.PollFetches(t.Context()).NumRecords(); n != 1 {
				t.Fatalf("read %d records, want 1", n)
			}
			check(t, s.Begin())
			check(t, s.ProduceSync(t.Context(), kgo.KeyStringRecord("k", "w")).FirstErr())
			_, err := s.End(t.Context(), how)
			check(t, err)
			time.Sleep(time.Second)
			want := int64(-1)
			if how == kgo.TryCommit {
				want = 1
			}
			if off := committed(); off != want {
				t.Errorf("commit %v: the group is at %d, want %d", how, off, want)
			}
		}
	})
}

func TestMarkersAreSlowForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Options{Network: simnet.Config{Latency: simnet.Latency{Min: time.Millisecond}}})
		longest := func() (most time.Duration) {
			for i := range 5 {
				tx := must(c.Begin(fmt.Sprint("slow-", i)))(t)
				must(tx.Append(topic, 0, kv("k", "v")))(t)
				begin := time.Now()
				check(t, tx.Commit())
				most = max(most, time.Since(begin))
			}
			return most
		}
		slow := must(c.SlowMarkers(2 * time.Second))(t)
		if d := longest(); d < 100*time.Millisecond || d > 2100*time.Millisecond || slow.Hits() != 5 {
			t.Errorf("the slowest of 5 commits took %v, %d hits, want up to 2s and 5", d, slow.Hits())
		}
		slow.Undo()
		if d := longest(); d > 10*time.Millisecond {
			t.Errorf("a commit took %v when markers were quick again", d)
		}
		if _, err := c.SlowMarkers(wireTimeout); err == nil {
			t.Error("markers may take longer than the harness waits")
		}
	})
}
