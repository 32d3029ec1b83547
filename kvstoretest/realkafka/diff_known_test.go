package realkafka_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstoretest/realkafka"
)

// Each known difference between kfake and Kafka, as docs/kfake-differences.md
// lists them. A test here fails when one of the two changes, and then the list
// and what is built around the difference have to change too.

// onBoth makes a topic on kfake and on real Kafka and returns what fn says of
// each.
func onBoth(t *testing.T, settings map[string]string, fn func(ctx context.Context, s *side) string) (kfake, kafka string) {
	t.Helper()
	k := realkafka.Start(t)
	if k.Kafka().Redpanda() {
		t.Skip("the differences are those between kfake and Apache Kafka")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	both := sides(t, ctx, k.Kafka(), startFake(t), k.Name(), settings)
	defer closeAll(t, both)
	return fn(ctx, both[0]), fn(ctx, both[1])
}

func wantDifference(t *testing.T, gotKfake, gotKafka, wantKfake, wantKafka string) {
	t.Helper()
	if gotKfake != wantKfake {
		t.Errorf("kfake: %s; want %s", gotKfake, wantKfake)
	}
	if gotKafka != wantKafka {
		t.Errorf("real Kafka: %s; want %s", gotKafka, wantKafka)
	}
}

func TestDifferenceKeylessRecords(t *testing.T) {
	kfake, kafka := onBoth(t, nil, func(ctx context.Context, s *side) string {
		return outcome("taken", s.produce(ctx, &kgo.Record{Value: []byte("no key")}))
	})
	wantDifference(t, kfake, kafka, "taken", "error INVALID_RECORD")
}

func TestDifferenceDeleteRecordsOfCompactedTopics(t *testing.T) {
	kfake, kafka := onBoth(t, nil, func(ctx context.Context, s *side) string {
		if err := s.produce(ctx, record("a", "1")); err != nil {
			return err.Error()
		}
		return outcome("deleted", s.deleteRecords(ctx, 1))
	})
	wantDifference(t, kfake, kafka, "deleted", "error POLICY_VIOLATION")
}

func TestLogStartStaysWhereItIsInCompaction(t *testing.T) {
	onBothAlike(t, nil, "log start 0", func(ctx context.Context, s *side) string {
		for i := range 3 {
			if err := s.produce(ctx, record("a", fmt.Sprint(i))); err != nil {
				return err.Error()
			}
		}
		if err := s.compact(ctx); err != nil {
			return err.Error()
		}
		start, err := s.start(ctx)
		return outcome(fmt.Sprintf("log start %d", start), err)
	})
}

func TestTheLastBatchOfAProducerStaysEmpty(t *testing.T) {
	onBothAlike(t, nil, "empty batches at 0", func(ctx context.Context, s *side) string {
		for _, r := range []*kgo.Record{record("a", "1"), record("b", "1"), record("a", "2")} {
			if err := s.produce(ctx, r); err != nil { // each by a producer of its own
				return err.Error()
			}
		}
		if err := s.compact(ctx); err != nil {
			return err.Error()
		}
		log, err := s.readLog(ctx)
		var empty []string
		for _, b := range log {
			if !b.Control && len(b.Records) == 0 {
				empty = append(empty, fmt.Sprint(b.FirstOffset))
			}
		}
		return outcome("empty batches at "+strings.Join(empty, ","), err)
	})
}

func TestCompactionLeavesWhatIsYoung(t *testing.T) {
	const want = "0:\"a\"=\"0\"\n1:\"a\"=\"1\"\n2:\"a\"=\"2\""
	onBothAlike(t, map[string]string{"min.compaction.lag.ms": "3600000"}, want, func(ctx context.Context, s *side) string {
		for i := range 3 {
			if err := s.produce(ctx, record("a", fmt.Sprint(i))); err != nil {
				return err.Error()
			}
		}
		if err := s.clean(ctx); err != nil {
			return err.Error()
		}
		log, err := s.readLog(ctx)
		return outcome(survivors(log, 3), err)
	})
}

// churn appends to a topic for two seconds, in which the cleaner looks at it
// about twenty times and many segments close.
func (s *side) churn(ctx context.Context) error {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for range 8 {
		if err := s.produce(ctx, record("z", "1")); err != nil {
			return err
		}
		<-tick.C
	}
	return nil
}

func TestDifferenceLogAppendTime(t *testing.T) {
	long := time.Unix(1, 0)
	kfake, kafka := onBoth(t, map[string]string{"message.timestamp.type": "LogAppendTime"}, func(ctx context.Context, s *side) string {
		cl, err := s.other()
		if err != nil {
			return err.Error()
		}
		defer cl.Close()
		r := record("a", "1")
		r.Timestamp = long
		if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
			return outcome("", err)
		}
		seen, err := s.first(ctx)
		if err != nil {
			return err.Error()
		}
		if seen.Timestamp.Equal(long) {
			return "the producer's time"
		}
		return "the broker's time"
	})
	wantDifference(t, kfake, kafka, "the producer's time", "the broker's time")
}

// first reads the first record of the topic as a consumer does.
func (s *side) first(ctx context.Context) (*kgo.Record, error) {
	cl, err := s.other(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{s.topic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	fetches := cl.PollFetches(ctx)
	if err := fetches.Err(); err != nil {
		return nil, err
	}
	for _, r := range fetches.Records() {
		return r, nil
	}
	return nil, errors.New("no record")
}

// A coordinator may answer before the marker is in the log, so programs must not
// count on the marker's offset.
func TestMarkersComeLater(t *testing.T) {
	k := realkafka.Start(t)
	if k.Kafka().Redpanda() {
		t.Skip("the differences are those between kfake and Apache Kafka")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	both := sides(t, ctx, k.Kafka(), startFake(t), k.Name(), nil)
	defer closeAll(t, both)
	for _, s := range both {
		late, err := s.lateMarkers(ctx, 20)
		if err != nil {
			t.Fatal(err)
		}
		if s.name == "kfake" && late == 0 {
			t.Error("kfake answered after the marker was in the log each time, want before it at least once")
		}
		t.Logf("%s answered %d of 20 times before the marker was in the log", s.name, late)
	}
}

// lateMarkers commits n transactions and counts those whose marker was not in
// the log when the commit was answered.
func (s *side) lateMarkers(ctx context.Context, n int) (late int, err error) {
	cl, err := s.other(kgo.TransactionalID(s.topic+"-txn"), kgo.MetadataMinAge(10*time.Millisecond))
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	for range n {
		if err := cl.BeginTransaction(); err != nil {
			return late, err
		}
		if err := cl.ProduceSync(ctx, record("a", "1")).FirstErr(); err != nil {
			return late, err
		}
		if err := cl.EndTransaction(ctx, kgo.TryCommit); err != nil {
			return late, err
		}
		log, err := s.readLog(ctx)
		if err != nil {
			return late, err
		}
		if !log[len(log)-1].Control {
			late++
		}
	}
	return late, nil
}
