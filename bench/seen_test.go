package main

import (
	"context"
	"sync"
	"testing"

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

// seenLog is closed when b ends.
func (c *cluster) seenLog(b *testing.B) *seenLog {
	b.Helper()
	topic := c.topic(b, "seen")
	s := &seenLog{waits: map[int64]chan struct{}{}, raw: c.producer(b, topic)}
	var err error
	s.consumer, err = kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.ConsumeTopics(topic), kgo.FetchMinBytes(1),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.consume()
	}()
	b.Cleanup(func() {
		s.consumer.Close()
		<-done
	})
	return s
}

// consume notes how far the consumer is, until it is closed.
func (s *seenLog) consume() {
	for {
		f := s.consumer.PollFetches(context.Background())
		if f.IsClientClosed() {
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

// write returns when the consumer has the last of the records.
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
