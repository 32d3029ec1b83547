package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

// store opens a store on a topic of the cluster.
func (c *cluster) store(ctx context.Context, topic string) (*kvstore.Client, error) {
	return kvstore.NewClient(ctx, topic, memory.New(), kvstore.WithBrokers(c.addrs...))
}

// readStore opens a store and reads it once: until then the default storage takes writes
// for less, and a store that nobody reads is not what the rows are about.
func (c *cluster) readStore(ctx context.Context, topic string) (*kvstore.Client, error) {
	kv, err := c.store(ctx, topic)
	if err != nil {
		return nil, err
	}
	if _, err := kv.Get(ctx, keyOf(0)); err != nil && !errors.Is(err, kvstore.ErrNotFound) {
		return nil, errors.Join(err, kv.Close())
	}
	return kv, nil
}

// writers is the store and the raw client beside it, each with a topic.
type writers struct {
	kv  *kvstore.Client
	raw *kgo.Client
	val values
	n   int
}

func (c *cluster) writers(ctx context.Context) (*writers, error) {
	mine, err := c.topic(ctx, "store")
	if err != nil {
		return nil, err
	}
	theirs, err := c.topic(ctx, "raw")
	if err != nil {
		return nil, err
	}
	w := &writers{val: newValues(1)}
	if w.kv, err = c.readStore(ctx, mine); err != nil {
		return nil, err
	}
	if w.raw, err = c.producer(theirs); err != nil {
		return nil, err
	}
	return w, nil
}

func (w *writers) close() {
	_ = w.kv.Close() // always nil
	w.raw.Close()
}

// pair is the next pair to write; keys come again after 10,000.
func (w *writers) pair() (key, value []byte) {
	w.n++
	return keyOf(w.n % 10_000), w.val.next()
}

func (w *writers) put(ctx context.Context) sample {
	return medianOf(100, func() error {
		k, v := w.pair()
		return w.kv.Put(ctx, k, v)
	})
}

func (w *writers) produce(ctx context.Context, produce produceFunc) sample {
	return medianOf(100, func() error {
		k, v := w.pair()
		return produce(ctx, &kgo.Record{Key: k, Value: v})
	})
}

// many writes from 64 goroutines and returns writes in a second.
func (w *writers) many(each int, write func(k, v []byte) error) sample {
	return func() (float64, error) {
		var group sync.WaitGroup
		errs := make([]error, 64)
		began := time.Now()
		for g := range errs {
			group.Go(func() {
				v := newValues(byte(g)).next()
				for i := range each {
					if err := write(keyOf(g*each+i), v); err != nil {
						errs[g] = err
						return
					}
				}
			})
		}
		group.Wait()
		for _, err := range errs {
			if err != nil {
				return 0, err
			}
		}
		return float64(len(errs)*each) / time.Since(began).Seconds(), nil
	}
}

func (w *writers) manyPuts(ctx context.Context) sample {
	return w.many(200, func(k, v []byte) error { return w.kv.Put(ctx, k, v) })
}

func (w *writers) manyProduced(ctx context.Context, produce produceFunc) sample {
	return w.many(200, func(k, v []byte) error { return produce(ctx, &kgo.Record{Key: k, Value: v}) })
}

// produceFunc writes records and returns when they are where they have to be.
type produceFunc func(ctx context.Context, records ...*kgo.Record) error

// sync returns when the records are acknowledged.
func (w *writers) sync(ctx context.Context, records ...*kgo.Record) error {
	return w.raw.ProduceSync(ctx, records...).FirstErr()
}

// batches measures batches of n pairs on both sides, in microseconds a pair.
func (w *writers) batches(ctx context.Context, n, times int, produce produceFunc) (ours, theirs sample) {
	pairs := make([]kvstore.KeyValue, n)
	for i := range pairs {
		pairs[i] = kvstore.KeyValue{Key: keyOf(i), Value: w.val.next()}
	}
	each := func(s sample) sample {
		return func() (float64, error) {
			us, err := s()
			return us / float64(n), err
		}
	}
	ours = medianOf(times, func() error {
		b := w.kv.Batch()
		for _, p := range pairs {
			b.Put(p.Key, p.Value)
		}
		return b.Execute(ctx)
	})
	theirs = medianOf(times, func() error { return produce(ctx, recordsOf(pairs)...) })
	return each(ours), each(theirs)
}

func recordsOf(pairs []kvstore.KeyValue) []*kgo.Record {
	records := make([]*kgo.Record, len(pairs))
	for i, p := range pairs {
		records[i] = &kgo.Record{Key: p.Key, Value: p.Value}
	}
	return records
}

var putRows = []string{"put", "puts-64", "batch-100", "batch-10000"}

func (b *bench) puts(ctx context.Context, c *cluster) error {
	w, err := c.writers(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	if b.wants("put") {
		r := b.row(row{
			ID: "put", What: "sequential Put, p50", Yardstick: "kgo ProduceSync without linger", Brokers: c.kind,
			Unit: "us", Limit: 1.15,
		})
		if err := inPieces(r, b.rounds, 8, w.put(ctx), w.produce(ctx, w.sync)); err != nil {
			return err
		}
	}
	if b.wants("puts-64") {
		r := b.row(row{
			ID: "puts-64", What: "64 concurrent Puts, throughput", Yardstick: "64 concurrent ProduceSync", Brokers: c.kind,
			Unit: "/s", Limit: 0.90, AtLeast: true,
		})
		// Seven rounds take four seconds, and may all be in a bad minute of the machine.
		if err := inPieces(r, 2*b.rounds, 5, w.manyPuts(ctx), w.manyProduced(ctx, w.sync)); err != nil {
			return err
		}
	}
	for _, size := range []struct {
		n, times, pieces int
		limit            float64
	}{{100, 20, 5, 1.3}, {10_000, 2, 5, 1.5}} {
		id := fmt.Sprintf("batch-%d", size.n)
		if !b.wants(id) {
			continue
		}
		r := b.row(row{
			ID: id, What: fmt.Sprintf("Batch of %d, per operation", size.n), Yardstick: "ProduceSync of the same records",
			Brokers: c.kind, Unit: "us", Limit: size.limit,
		})
		ours, theirs := w.batches(ctx, size.n, size.times, w.sync)
		if err := inPieces(r, b.rounds, size.pieces, ours, theirs); err != nil {
			return err
		}
	}
	return b.seen(ctx, c, w)
}

// putsHeld compares puts of a client that holds many keys with those of one that
// holds 1,000.
func (b *bench) putsHeld(ctx context.Context, c *cluster, big string) error {
	if !b.wants("put-held") {
		return nil
	}
	small, err := c.topic(ctx, "small")
	if err != nil {
		return err
	}
	if err := c.fill(ctx, small, 1000); err != nil {
		return err
	}
	side := func(topic string, keys int) (sample, func() error, error) {
		kv, err := c.readStore(ctx, topic)
		if err != nil {
			return nil, nil, err
		}
		val, i := newValues(4), 0
		return medianOf(400, func() error {
			i += 7919
			return kv.Put(ctx, keyOf(i%keys), val.next())
		}), kv.Close, nil
	}
	few, closeFew, err := side(small, 1000)
	if err != nil {
		return err
	}
	defer closeFew() //nolint:errcheck // always nil
	many, closeMany, err := side(big, b.keys)
	if err != nil {
		return err
	}
	defer closeMany() //nolint:errcheck // always nil
	r := b.row(row{
		ID: "put-held", What: fmt.Sprintf("Put with %d keys held", b.keys), Yardstick: "Put with 1,000 keys held", Brokers: c.kind,
		Unit: "us", Limit: 1.1,
	})
	return inPieces(r, b.rounds, 24, many, few)
}
