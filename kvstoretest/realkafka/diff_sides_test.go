package realkafka_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/internal/fakecluster"
	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest/realkafka"
)

// side is kfake or real Kafka, with one topic.
type side struct {
	name    string
	topic   string
	kafka   []kgo.Opt // how to connect
	readLog func(ctx context.Context) ([]realkafka.Batch, error)
	// compact makes the cleaner do all that it can, whatever the topic says
	// of the age of records; clean lets it do what it does by itself.
	compact func(ctx context.Context) error
	clean   func(ctx context.Context) error
	clients [2]*kvstore.Client
	closing func() error
}

// sides makes a topic with the same settings on kfake and on real Kafka.
func sides(t testing.TB, ctx context.Context, k *realkafka.Kafka, fake *fakecluster.Cluster, topic string, settings map[string]string) []*side {
	t.Helper()
	if err := k.CreateTopic(ctx, topic, settings); err != nil {
		t.Fatal(err)
	}
	configs := fakecluster.CompactConfigs()
	maps.Copy(configs, settings)
	if err := fake.CreateTopic(fakecluster.Topic{Name: topic, Configs: configs}); err != nil {
		t.Fatal(err)
	}
	kafka := &side{
		name: "real", topic: topic,
		kafka:   []kgo.Opt{kgo.SeedBrokers(k.Brokers()...)},
		readLog: func(ctx context.Context) ([]realkafka.Batch, error) { return k.ReadLog(ctx, topic) },
		compact: func(ctx context.Context) error { return k.Compact(ctx, topic) },
	}
	kafka.clean = kafka.churn
	kafka.closing = func() error { return k.DeleteTopic(ctx, topic) }
	kfake := &side{
		name: "kfake", topic: topic,
		kafka:   []kgo.Opt{kgo.SeedBrokers(fake.Seeds()...), kgo.Dialer(fake.Dialer("c"))},
		readLog: func(context.Context) ([]realkafka.Batch, error) { return fakeLog(fake, topic) },
		clean:   func(context.Context) error { return fake.Compact() },
	}
	kfake.compact = func(context.Context) error { return compactYoung(fake, topic, settings["min.compaction.lag.ms"]) }
	kfake.closing = func() error { return fake.DeleteTopic(topic) }
	return []*side{kfake, kafka}
}

// compactYoung compacts what is younger than a topic wants, too, as
// realkafka.Compact does.
func compactYoung(fake *fakecluster.Cluster, topic, lag string) error {
	const setting = "min.compaction.lag.ms"
	none := "0"
	if err := fake.AlterTopic(topic, map[string]*string{setting: &none}); err != nil {
		return err
	}
	err := fake.Compact()
	if lag == "" {
		return errors.Join(err, fake.AlterTopic(topic, map[string]*string{setting: nil}))
	}
	return errors.Join(err, fake.AlterTopic(topic, map[string]*string{setting: &lag}))
}

func startFake(t testing.TB) *fakecluster.Cluster {
	t.Helper()
	fake, err := fakecluster.Start(fakecluster.Options{Brokers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := fake.Close(); err != nil {
			t.Error(err)
		}
	})
	return fake
}

// fakeLog reads a log of kfake in the form of one of real Kafka.
func fakeLog(fake *fakecluster.Cluster, topic string) ([]realkafka.Batch, error) {
	batches, err := fake.ReadLog(topic, 0, 0)
	var out []realkafka.Batch
	for _, b := range batches {
		rb := realkafka.Batch{
			FirstOffset: b.FirstOffset, LastOffset: b.LastOffset,
			Transactional: b.Transactional, Control: b.Control,
		}
		for _, r := range b.Records {
			rb.Records = append(rb.Records, realkafka.Record{Offset: r.Offset, Key: r.Key, Value: r.Value})
		}
		out = append(out, rb)
	}
	return out, err
}

func (s *side) open(ctx context.Context, n int) error {
	c, err := kvstore.NewClient(ctx, s.topic, memory.New(),
		kvstore.WithKafkaOptions(append(s.kafka, kgo.ProducerBatchCompression(kgo.NoCompression()))...),
		kvstore.WithLogger(slog.New(slog.DiscardHandler)))
	if err == nil {
		s.clients[n] = c
	}
	return err
}

// closeAll closes clients and deletes the topics.
func closeAll(t testing.TB, both []*side) {
	t.Helper()
	for _, s := range both {
		for _, c := range s.clients {
			if c != nil {
				_ = c.Close()
			}
		}
		if err := s.closing(); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
	}
}

// other returns the client of another program.
func (s *side) other(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(append([]kgo.Opt{
		kgo.DefaultProduceTopic(s.topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(1 << 20),
		kgo.DisableClientMetrics(),
	}, s.kafka...), opts...)...)
}

// produce appends a batch as another program does.
func (s *side) produce(ctx context.Context, records ...*kgo.Record) error {
	cl, err := s.other()
	if err != nil {
		return err
	}
	defer cl.Close()
	return cl.ProduceSync(ctx, clone(records)...).FirstErr()
}

// transaction appends a batch in a transaction, ends it, and waits until the
// marker is in the log: a real broker answers before.
func (s *side) transaction(ctx context.Context, commit bool, records ...*kgo.Record) error {
	cl, err := s.other(kgo.TransactionalID(s.topic + "-txn"))
	if err != nil {
		return err
	}
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		return err
	}
	if err := cl.ProduceSync(ctx, clone(records)...).FirstErr(); err != nil {
		return err
	}
	if err := cl.EndTransaction(ctx, kgo.TransactionEndTry(commit)); err != nil {
		return err
	}
	for {
		log, err := s.readLog(ctx)
		if err != nil || len(log) > 0 && log[len(log)-1].Control {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no marker in the log: %w", ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// clone copies records, which kgo changes as it sends them.
func clone(records []*kgo.Record) []*kgo.Record {
	out := make([]*kgo.Record, 0, len(records))
	for _, r := range records {
		out = append(out, kgo.KeySliceRecord(r.Key, r.Value))
	}
	return out
}

// outcome prints a result so that both sides can be compared: the error by what
// callers can tell of it, and the answer if there is none.
func outcome(answer any, err error) string {
	if err == nil {
		return fmt.Sprint(answer)
	}
	var is []string
	for _, known := range []struct {
		name string
		err  error
	}{
		{"ErrNotFound", kvstore.ErrNotFound},
		{"ErrInvalidKey", kvstore.ErrInvalidKey},
		{"ErrNotWritten", kvstore.ErrNotWritten},
		{"ErrRefused", kvstore.ErrRefused},
		{"ErrOutcomeUnknown", kvstore.ErrOutcomeUnknown},
		{"ErrNotVisible", kvstore.ErrNotVisible},
		{"ErrValueTooLarge", kvstore.ErrValueTooLarge},
		{"ErrBatchTooLarge", kvstore.ErrBatchTooLarge},
		{"ErrBatchExecuted", kvstore.ErrBatchExecuted},
		{"ErrTopicConfig", kvstore.ErrTopicConfig},
	} {
		if errors.Is(err, known.err) {
			is = append(is, known.name)
		}
	}
	var ke *kerr.Error
	if errors.As(err, &ke) {
		is = append(is, ke.Message)
	}
	var se *kvstore.SizeError
	if errors.As(err, &se) {
		is = append(is, fmt.Sprintf("%+v", *se))
	}
	if len(is) == 0 {
		return err.Error()
	}
	return "error " + strings.Join(is, " ")
}

// dump prints a log: a line for each batch, with its offsets, keys and values.
func dump(batches []realkafka.Batch) string {
	var out []string
	for _, b := range batches {
		var s strings.Builder
		fmt.Fprintf(&s, "%d-%d", b.FirstOffset, b.LastOffset)
		if b.Transactional {
			s.WriteString(" transactional")
		}
		if commit, ok := b.Marker(); ok {
			fmt.Fprintf(&s, " marker, commit %v", commit)
		} else {
			for _, r := range b.Records {
				s.WriteString(" " + recordText(r))
			}
		}
		out = append(out, s.String())
	}
	return strings.Join(out, "\n")
}

// recordText prints a record; what is long is cut, with its length.
func recordText(r realkafka.Record) string {
	short := func(b []byte) string {
		if len(b) > 12 {
			return fmt.Sprintf("%.8q(%d)", b, len(b))
		}
		return fmt.Sprintf("%q", b)
	}
	if r.Value == nil {
		return fmt.Sprintf("%d:%s", r.Offset, short(r.Key))
	}
	return fmt.Sprintf("%d:%s=%s", r.Offset, short(r.Key), short(r.Value))
}

// survivors prints what a reader of committed data can still find in a log: of
// records only, for brokers differ in what they keep of a compacted batch.
func survivors(batches []realkafka.Batch, below int64) string {
	var out []string
	for _, b := range batches {
		if b.Control {
			continue
		}
		for _, r := range b.Records {
			if r.Offset < below {
				out = append(out, recordText(r))
			}
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// deleteRecords asks for the deletion of records, as an administrator does.
func (s *side) deleteRecords(ctx context.Context, before int64) error {
	cl, err := s.other()
	if err != nil {
		return err
	}
	defer cl.Close()
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: s.topic, At: before, LeaderEpoch: -1})
	answers, err := kadm.NewClient(cl).DeleteRecords(ctx, offsets)
	if err != nil {
		return err
	}
	return answers.Error()
}

// start returns the log start offset.
func (s *side) start(ctx context.Context) (int64, error) {
	cl, err := s.other()
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	offsets, err := kadm.NewClient(cl).ListStartOffsets(ctx, s.topic)
	if err == nil {
		err = offsets.Error()
	}
	o, _ := offsets.Lookup(s.topic, 0)
	return o.Offset, err
}
