package main

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// seenLog is the least that a client does which looks for its writes in the log:
// a kgo producer, and a kgo consumer that reads committed records. A write is
// done when the consumer has its last record. It applies and keeps nothing.
//
// The rows with it as their yardstick say which part of the store's distance to
// ProduceSync is the store's own, and which the way of a write through the log.
type seenLog struct {
	raw      *kgo.Client
	consumer *kgo.Client

	mu    sync.Mutex
	next  int64                   // every record below it was consumed
	waits map[int64]chan struct{} // by offset; closed when it was consumed
}

func (c *cluster) seenLog(ctx context.Context) (*seenLog, error) {
	topic, err := c.topic(ctx, "seen")
	if err != nil {
		return nil, err
	}
	s := &seenLog{waits: map[int64]chan struct{}{}}
	if s.raw, err = c.producer(topic); err != nil {
		return nil, err
	}
	s.consumer, err = kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.ConsumeTopics(topic), kgo.FetchMinBytes(1),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, err
	}
	go s.consume(ctx)
	return s, nil
}

// consume notes how far the consumer is, until it is closed.
func (s *seenLog) consume(ctx context.Context) {
	for {
		f := s.consumer.PollFetches(ctx)
		if f.IsClientClosed() || ctx.Err() != nil {
			return
		}
		last := int64(-1)
		f.EachRecord(func(r *kgo.Record) { last = r.Offset })
		s.mu.Lock()
		s.next = max(s.next, last+1)
		for at, wait := range s.waits {
			if at < s.next {
				close(wait)
				delete(s.waits, at)
			}
		}
		s.mu.Unlock()
	}
}

func (s *seenLog) close() {
	s.consumer.Close()
	s.raw.Close()
}

// write is a produceFunc.
func (s *seenLog) write(ctx context.Context, records ...*kgo.Record) error {
	if err := s.raw.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return err
	}
	last := records[len(records)-1].Offset
	s.mu.Lock()
	if last < s.next {
		s.mu.Unlock()
		return nil
	}
	wait := make(chan struct{})
	s.waits[last] = wait
	s.mu.Unlock()
	select {
	case <-wait:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// seen measures the store's writes against a seenLog.
func (b *bench) seen(ctx context.Context, c *cluster, w *writers) error {
	if !b.wants(seenRows...) {
		return nil
	}
	s, err := c.seenLog(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	const yardstick = "the same by kgo, until a kgo consumer has it"
	if b.wants("put-seen") {
		r := b.row(row{ID: "put-seen", What: "sequential Put, p50", Yardstick: yardstick, Brokers: c.kind, Unit: "us"})
		if err := inPieces(r, b.rounds, 8, w.put(ctx), w.produce(ctx, s.write)); err != nil {
			return err
		}
	}
	if b.wants("puts-64-seen") {
		r := b.row(row{ID: "puts-64-seen", What: "64 concurrent Puts, throughput", Yardstick: yardstick, Brokers: c.kind, Unit: "/s"})
		if err := inPieces(r, b.rounds, 5, w.manyPuts(ctx), w.manyProduced(ctx, s.write)); err != nil {
			return err
		}
	}
	if !b.wants("batch-10000-seen") {
		return nil
	}
	r := b.row(row{ID: "batch-10000-seen", What: "Batch of 10,000, per operation", Yardstick: yardstick, Brokers: c.kind, Unit: "us"})
	ours, theirs := w.batches(ctx, 10_000, 2, s.write)
	return inPieces(r, b.rounds, 5, ours, theirs)
}

var seenRows = []string{"put-seen", "puts-64-seen", "batch-10000-seen"}
