package realkafka_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest/realkafka"
)

func TestOpenReturnsAtEndWhenTailIsTransactionMarker(t *testing.T) {
	w := newWorld(t)
	w.produce(record("a", "1"))
	w.transaction(record("b", "2"))(true)
	if got, want := text(w.k.ReadLog(w.topic)), "0:a=1 1:b=2 2:commit"; got != want {
		t.Fatalf("log = %q, want %q", got, want)
	}
	c := w.open()
	w.wantContents(c, "a=1 b=2")
	w.wantAtEnd(c)
}

func TestOpenReturnsAtEndWhenTailIsAborted(t *testing.T) {
	w := newWorld(t)
	w.produce(record("a", "1"))
	w.transaction(record("a", "2"), record("b", "2"))(false)
	c := w.open()
	w.wantContents(c, "a=1")
	w.wantAtEnd(c)
}

func TestOpenReturnsAtEndWhenLogWasEmptied(t *testing.T) {
	w := newWorld(t)
	w.produce(record("a", "1"), record("b", "1"))
	w.k.DeleteRecords(w.topic, -1)
	c := w.open()
	w.wantContents(c, "")
	if got := c.Position(); got != 2 {
		t.Errorf("Position() = %d, want 2", got)
	}
	w.put(c, "c", "1")
	w.wantContents(c, "c=1")
}

func TestOpenReturnsAtEndOfCompactedLog(t *testing.T) {
	w := newWorld(t)
	for i := range 50 {
		w.produce(record(fmt.Sprintf("k%d", i%3), fmt.Sprint(i)))
	}
	w.produce(kgo.KeySliceRecord([]byte("k0"), nil))
	w.k.Compact(w.topic)
	c := w.open()
	w.wantContents(c, "k1=49 k2=47")
	w.wantAtEnd(c)
}

// The cleaner keeps the last batch of a producer, emptied of its records, for
// its sequence numbers. Such a batch has offsets and no records.
func TestOpenReturnsAtEndWhenTailIsEmptyBatch(t *testing.T) {
	w := newWorld(t)
	w.produce(record("a", "1"))
	w.produce(record("b", "1"), kgo.KeySliceRecord([]byte("b"), nil))
	w.k.Compact(w.topic)
	log := text(w.k.ReadLog(w.topic))
	if !strings.Contains(log, "2:empty") {
		t.Skipf("this broker left no empty batch: %s", log)
	}
	c := w.open()
	w.wantContents(c, "a=1")
	w.wantAtEnd(c)
}

func TestOpenNamesOpenTransactionWhenContextEnds(t *testing.T) {
	w := newWorld(t)
	w.produce(record("a", "1"))
	end := w.transaction(record("b", "2"))
	defer end(false)
	start := time.Now()
	_, err := kvstore.NewClient(w.within(3*time.Second), w.topic, memory.New(), w.options()...)
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("NewClient returned after %v, its context ended after 3s", took)
	}
	var we *kvstore.WaitError
	if !errors.As(err, &we) || we.Position != 1 || we.Target != 2 || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("NewClient = %v, want the deadline at position 1 of 2", err)
	}
	if !strings.Contains(err.Error(), "open transaction") {
		t.Errorf("error %q does not name the open transaction", err)
	}
}

func TestOpenReturnsWhenTailIsDeletedMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.produce(record("a", "1"), record("b", "1"))
	end := w.transaction(record("c", "1"))
	defer end(false)
	waiting := make(chan struct{})
	var once sync.Once
	progress := kvstore.WithProgress(func(p kvstore.Progress) {
		if p.Position == 2 {
			once.Do(func() { close(waiting) })
		}
	})
	opened := make(chan *kvstore.Client, 1)
	go func() {
		defer close(opened)
		c, err := kvstore.NewClient(w.within(patience), w.topic, memory.New(), w.options(progress)...)
		if err != nil {
			t.Errorf("NewClient = %v", err)
			return
		}
		opened <- c
	}()
	select {
	case <-waiting:
	case <-w.within(patience).Done():
		t.Fatal("the opening did not get to the open transaction")
	}
	w.k.DeleteRecords(w.topic, 3)
	c, ok := <-opened
	if !ok {
		return
	}
	defer func() { _ = c.Close() }()
	w.wantContents(c, "")
	if got := c.Position(); got != 3 {
		t.Errorf("Position() = %d, want 3", got)
	}
}

func TestOpenReportsProgress(t *testing.T) {
	w := newWorld(t)
	w.produce(record("a", "1"), record("b", "1"), record("a", "2"))
	var last kvstore.Progress
	w.open(kvstore.WithProgress(func(p kvstore.Progress) { last = p }))
	if !last.Done || last.Position != 3 || last.Target != 3 || last.Records != 3 {
		t.Errorf("last progress = %+v, want done at 3 of 3 with 3 records", last)
	}
}

func TestClientsRaceToCreateTheTopic(t *testing.T) {
	k := realkafka.Start(t)
	w := &world{t: t, k: k, topic: k.Name()}
	var wg sync.WaitGroup
	clients := make([]*kvstore.Client, 4)
	for i := range clients {
		wg.Go(func() {
			c, err := kvstore.NewClient(w.within(patience), w.topic, memory.New(),
				w.options(kvstore.WithTopicConfig(map[string]string{"segment.ms": "12345"}))...)
			if err != nil {
				t.Errorf("client %d: %v", i, err)
				return
			}
			clients[i] = c
			t.Cleanup(func() { _ = c.Close() })
		})
	}
	wg.Wait()
	for i, c := range clients {
		if c == nil {
			t.FailNow()
		}
		w.put(c, fmt.Sprintf("k%d", i), "1")
	}
	if err := clients[0].Sync(w.within(patience)); err != nil {
		t.Fatal(err)
	}
	w.wantContents(clients[0], "k0=1 k1=1 k2=1 k3=1")
	configs, err := k.Admin().DescribeTopicConfigs(w.within(patience), w.topic)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"segment.ms": "12345", "cleanup.policy": "compact"} {
		if got := setting(configs, name); got != want {
			t.Errorf("%s of the created topic = %q, want %q", name, got, want)
		}
	}
}

func setting(configs kadm.ResourceConfigs, name string) string {
	for _, rc := range configs {
		for _, c := range rc.Configs {
			if c.Key == name {
				return c.MaybeValue()
			}
		}
	}
	return ""
}

func TestReadOnlyWaitsForTheTopicAndNeverCreatesIt(t *testing.T) {
	k := realkafka.Start(t)
	w := &world{t: t, k: k, topic: k.Name()}
	_, err := kvstore.NewClient(w.within(2*time.Second), w.topic, memory.New(), w.options(kvstore.WithReadOnly())...)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("NewClient without the topic = %v, want the deadline", err)
	}
	topics, err := k.Admin().ListTopics(w.within(patience))
	if err != nil {
		t.Fatal(err)
	}
	if topics.Has(w.topic) {
		t.Fatal("a read-only client created the topic")
	}
}

func TestTopicIsValidated(t *testing.T) {
	k := realkafka.Start(t)
	for name, settings := range map[string]map[string]string{
		"deleted":               {"cleanup.policy": "delete"},
		"compacted and deleted": {"cleanup.policy": "compact,delete"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{t: t, k: k, topic: k.Topic(settings)}
			_, err := kvstore.NewClient(w.within(patience), w.topic, memory.New(), w.options()...)
			if !errors.Is(err, kvstore.ErrTopicConfig) || !strings.Contains(err.Error(), "cleanup.policy") {
				t.Errorf("NewClient = %v, want ErrTopicConfig that names cleanup.policy", err)
			}
			w.put(w.open(kvstore.WithTopicValidation(kvstore.TopicValidationWarn)), "a", "1")
		})
	}
}

func TestAddedPartitionsNeverSplitTheData(t *testing.T) {
	w := newWorld(t)
	c := w.open()
	w.put(c, "a", "1")
	answers, err := w.k.Admin().UpdatePartitions(w.within(patience), 4, w.topic)
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		w.put(c, fmt.Sprintf("k%02d", i), "1")
	}
	ends, err := w.k.Admin().ListEndOffsets(w.within(patience), w.topic)
	if err != nil {
		t.Fatal(err)
	}
	for p := range int32(4) {
		want := int64(0)
		if p == 0 {
			want = 41
		}
		if end, _ := ends.Lookup(w.topic, p); end.Offset != want {
			t.Errorf("partition %d ends at %d, want %d", p, end.Offset, want)
		}
	}
	if _, err := kvstore.NewClient(w.within(patience), w.topic, memory.New(), w.options()...); !errors.Is(err, kvstore.ErrTopicConfig) {
		t.Errorf("opening a topic of 4 partitions = %v, want ErrTopicConfig", err)
	}
}
