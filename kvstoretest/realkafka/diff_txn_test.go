package realkafka_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/kvsim/kvsim/internal/recordlog"
)

// What the coordinator of internal/fakecluster answers has to be what Kafka's
// does: the same requests to both, and the same answers.

// onBothAlike runs fn on both sides and wants them to say the same, and how.
func onBothAlike(t *testing.T, settings map[string]string, want string, fn func(ctx context.Context, s *side) string) {
	t.Helper()
	kfake, kafka := onBoth(t, settings, fn)
	wantDifference(t, kfake, kafka, want, want)
}

// coordinated sends the requests of one transactional id.
type coordinated struct {
	ctx   context.Context
	cl    *kgo.Client
	id    string
	topic string
	first int16 // epochs are told from the first one
	pid   int64
	lines []string
	brief bool // say nothing of requests that came again
}

func (x *coordinated) say(what string, err error, epoch int16) {
	line := what + ": "
	var ke *kerr.Error
	switch {
	case errors.As(err, &ke):
		line += ke.Message
	case err != nil:
		line += err.Error()
	case epoch < 0:
		line += "ok"
	default:
		line += fmt.Sprintf("epoch %d", epoch-x.first)
	}
	x.lines = append(x.lines, line)
}

// init asks for a producer; it comes again while a transaction is being ended.
func (x *coordinated) init(what string, pid int64, epoch int16) {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID, req.TransactionTimeoutMillis = &x.id, 60_000
	req.ProducerID, req.ProducerEpoch = pid, epoch
	waited := ""
	for {
		resp, err := req.RequestWith(x.ctx, x.cl)
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		if errors.Is(err, kerr.ConcurrentTransactions) {
			if !x.brief {
				waited = " after CONCURRENT_TRANSACTIONS"
			}
			pause(x.ctx)
			continue
		}
		if err == nil {
			if x.pid == 0 {
				x.pid, x.first = resp.ProducerID, resp.ProducerEpoch
			}
			x.say(what+waited, nil, resp.ProducerEpoch)
			return
		}
		x.say(what+waited, err, -1)
		return
	}
}

func (x *coordinated) add(what string, epoch int16) {
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = x.id, x.pid, x.first+epoch
	rt := kmsg.NewAddPartitionsToTxnRequestTopic()
	rt.Topic, rt.Partitions = x.topic, []int32{0}
	req.Topics = append(req.Topics, rt)
	resp, err := x.again(func() (kmsg.Response, int16, error) {
		resp, err := req.RequestWith(x.ctx, x.cl)
		if err != nil {
			return nil, 0, err
		}
		return resp, resp.Topics[0].Partitions[0].ErrorCode, nil
	})
	_ = resp
	x.say(what, err, -1)
}

func (x *coordinated) end(what string, pid int64, epoch int16, commit bool) {
	req := kmsg.NewPtrEndTxnRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = x.id, pid, x.first+epoch, commit
	resp, err := x.again(func() (kmsg.Response, int16, error) {
		resp, err := req.RequestWith(x.ctx, x.cl)
		if err != nil {
			return nil, 0, err
		}
		return resp, resp.ErrorCode, nil
	})
	next := int16(-1)
	if err == nil && resp.GetVersion() >= 5 {
		next = resp.(*kmsg.EndTxnResponse).ProducerEpoch
	}
	x.say(what, err, next)
}

// again asks until nothing is being ended.
func (x *coordinated) again(ask func() (kmsg.Response, int16, error)) (kmsg.Response, error) {
	for {
		resp, code, err := ask()
		if err == nil {
			err = kerr.ErrorForCode(code)
		}
		if !errors.Is(err, kerr.ConcurrentTransactions) {
			return resp, err
		}
		pause(x.ctx)
	}
}

func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(5 * time.Millisecond):
	}
}

// coordinate runs a script of requests on one side.
func (s *side) coordinate(ctx context.Context, versions *kversion.Versions, script func(x *coordinated)) string {
	cl, err := s.other(kgo.MaxVersions(versions), kgo.RetryTimeout(10*time.Second))
	if err != nil {
		return err.Error()
	}
	defer cl.Close()
	x := &coordinated{ctx: ctx, cl: cl, id: s.topic + "-txn", topic: s.topic}
	script(x)
	return strings.Join(x.lines, "\n")
}

func TestCoordinatorAnswersAsKafka(t *testing.T) {
	onBothAlike(t, nil, strings.TrimSpace(`
init: epoch 0
init again: epoch 1
add of the fenced one: PRODUCER_FENCED
add: ok
add again: ok
commit of the fenced one: PRODUCER_FENCED
abort of the fenced one: PRODUCER_FENCED
init against it after CONCURRENT_TRANSACTIONS: epoch 3
late abort: PRODUCER_FENCED
late commit: PRODUCER_FENCED
commit of nothing: INVALID_TXN_STATE
abort of nothing: INVALID_TXN_STATE
add: ok
commit: ok
commit again: ok
abort of what is committed: INVALID_TXN_STATE
commit of another producer: INVALID_PRODUCER_ID_MAPPING
init that recovers: epoch 4
its answer was lost: epoch 4
init of an old one: PRODUCER_FENCED
add: ok
init of an old one that finds a transaction after CONCURRENT_TRANSACTIONS: PRODUCER_FENCED
commit of what it aborted: PRODUCER_FENCED`), func(ctx context.Context, s *side) string {
		return s.coordinate(ctx, kversion.V3_5_0(), func(x *coordinated) {
			x.init("init", -1, -1)
			x.init("init again", -1, -1)
			x.add("add of the fenced one", 0)
			x.add("add", 1)
			x.add("add again", 1)
			x.end("commit of the fenced one", x.pid, 0, true)
			x.end("abort of the fenced one", x.pid, 0, false)
			x.init("init against it", -1, -1)
			x.end("late abort", x.pid, 1, false)
			x.end("late commit", x.pid, 1, true)
			x.end("commit of nothing", x.pid, 3, true)
			x.end("abort of nothing", x.pid, 3, false)
			x.add("add", 3)
			x.end("commit", x.pid, 3, true)
			x.end("commit again", x.pid, 3, true)
			x.end("abort of what is committed", x.pid, 3, false)
			x.end("commit of another producer", x.pid+1, 3, true)
			x.init("init that recovers", x.pid, x.first+3)
			x.init("its answer was lost", x.pid, x.first+3)
			x.init("init of an old one", x.pid, x.first+1)
			x.add("add", 4)
			x.init("init of an old one that finds a transaction", x.pid, x.first+1)
			x.end("commit of what it aborted", x.pid, 4, true)
		})
	})
}

// TestCoordinatorAnswersAsKafkaVersion2 is for clients of transaction.version 2
// (KIP-890), whose every end gives the next epoch.
func TestCoordinatorAnswersAsKafkaVersion2(t *testing.T) {
	onBothAlike(t, nil, strings.TrimSpace(`
init: epoch 0
commit of nothing: INVALID_TXN_STATE
abort of nothing: epoch 1
abort again: epoch 1
commit of what is aborted: INVALID_TXN_STATE
abort of nothing once more: epoch 2
abort of an old one: PRODUCER_FENCED
init: epoch 3
abort after it: PRODUCER_FENCED`), func(ctx context.Context, s *side) string {
		return s.coordinate(ctx, kversion.Stable(), func(x *coordinated) {
			x.brief = true // there are no markers, so Kafka is done immediately
			x.init("init", -1, -1)
			x.end("commit of nothing", x.pid, 0, true)
			x.end("abort of nothing", x.pid, 0, false)
			x.end("abort again", x.pid, 0, false)
			x.end("commit of what is aborted", x.pid, 0, true)
			x.end("abort of nothing once more", x.pid, 1, false)
			x.end("abort of an old one", x.pid, 0, false)
			x.init("init", -1, -1)
			x.end("abort after it", x.pid, 2, false)
		})
	})
}

// TestFencedOwnersStayFenced is what kfake alone gets wrong: it answers a late
// abort with the epoch of the new owner.
func TestFencedOwnersStayFenced(t *testing.T) {
	onBothAlike(t, nil, "abort: error PRODUCER_FENCED\ncommit: error PRODUCER_FENCED", func(ctx context.Context, s *side) string {
		var lines []string
		for _, how := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
			lines = append(lines, map[kgo.TransactionEndTry]string{kgo.TryAbort: "abort: ", kgo.TryCommit: "commit: "}[how]+s.fenced(ctx, how))
		}
		return strings.Join(lines, "\n")
	})
}

func (s *side) fenced(ctx context.Context, how kgo.TransactionEndTry) string {
	id := kgo.TransactionalID(fmt.Sprint(s.topic, "-fenced-", bool(how)))
	old, err := s.other(id)
	if err != nil {
		return err.Error()
	}
	defer old.Close()
	next, err := s.other(id)
	if err != nil {
		return err.Error()
	}
	defer next.Close()
	if err := errors.Join(old.BeginTransaction(), old.ProduceSync(ctx, record("a", "1")).FirstErr()); err != nil {
		return err.Error()
	}
	if _, _, err := next.ProducerID(ctx); err != nil {
		return err.Error()
	}
	return outcome("ended", old.EndTransaction(ctx, how))
}

// TestCompactionStopsAtOpenTransactions is what kfake alone gets wrong: it takes
// away what was committed before.
func TestCompactionStopsAtOpenTransactions(t *testing.T) {
	onBothAlike(t, nil, "0:\"a\"=\"1\"\n1:\"a\"=\"2\"", func(ctx context.Context, s *side) string {
		cl, err := s.other(kgo.TransactionalID(s.topic + "-open"))
		if err != nil {
			return err.Error()
		}
		defer cl.Close()
		if err := s.produce(ctx, record("a", "1")); err != nil {
			return err.Error()
		}
		if err := errors.Join(cl.BeginTransaction(), cl.ProduceSync(ctx, record("a", "2")).FirstErr()); err != nil {
			return err.Error()
		}
		if err := s.clean(ctx); err != nil {
			return err.Error()
		}
		log, err := s.readLog(ctx)
		return outcome(survivors(log, 2), errors.Join(err, cl.EndTransaction(ctx, kgo.TryAbort)))
	})
}

// TestCutAnswersNameAbortedTransactions fetches less than there is of a transaction that
// was aborted: without its name a client would show the records.
func TestCutAnswersNameAbortedTransactions(t *testing.T) {
	onBothAlike(t, nil, "1 batch, 1 aborted transaction", func(ctx context.Context, s *side) string {
		cl, err := s.other(kgo.TransactionalID(s.topic + "-aborted"))
		if err != nil {
			return err.Error()
		}
		defer cl.Close()
		err = cl.BeginTransaction()
		for range 3 {
			err = errors.Join(err, cl.ProduceSync(ctx, record("a", strings.Repeat("v", 1000))).FirstErr())
		}
		if err := errors.Join(err, cl.EndTransaction(ctx, kgo.TryAbort)); err != nil {
			return err.Error()
		}
		return s.fetchCut(ctx, 1500)
	})
}

// fetchCut reads committed records from the start of the log, at most the given number of
// bytes, and describes the answer.
func (s *side) fetchCut(ctx context.Context, most int32) string {
	req := recordlog.NewFetch(s.topic, 0, 0, most)
	req.Rack, req.IsolationLevel, req.MinBytes, req.MaxWaitMillis = "", 1, 1, 500
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(req.Key(), recordlog.FetchVersion) // later ones do not name the topic
	cl, err := s.other(kgo.MaxVersions(versions))
	if err != nil {
		return err.Error()
	}
	defer cl.Close()
	var p kmsg.FetchResponseTopicPartition
	for len(p.RecordBatches) == 0 && p.ErrorCode == 0 { // until the marker is there
		resp, err := cl.Request(ctx, req)
		if err != nil {
			return err.Error()
		}
		p = resp.(*kmsg.FetchResponse).Topics[0].Partitions[0]
	}
	batches, _, err := recordlog.Parse(p.RecordBatches)
	return outcome(fmt.Sprintf("%d batch, %d aborted transaction", len(batches), len(p.AbortedTransactions)), errors.Join(err, kerr.ErrorForCode(p.ErrorCode)))
}

// TestNoMoreReplicasThanThereAreCanBeWanted has one broker and a topic that wants
// two replicas in sync.
func TestNoMoreReplicasThanThereAreCanBeWanted(t *testing.T) {
	onBothAlike(t, map[string]string{"min.insync.replicas": "2"}, "taken", func(ctx context.Context, s *side) string {
		return outcome("taken", s.produce(ctx, record("a", "1")))
	})
}
