package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/sim"
)

// planted returns what opens a client with a bug, nil for none.
func planted(bug string) sim.OpenFunc {
	switch bug {
	case "":
		return nil
	case "put-before-visible":
		return openHasty
	case "tombstones-lost":
		return withStorage(func(s kvstore.RecordStorage) kvstore.RecordStorage { return deathless{s} })
	case "records-reordered":
		return withStorage(func(s kvstore.RecordStorage) kvstore.RecordStorage { return reversed{s} })
	case "panic":
		return func(context.Context, sim.OpenRequest) (sim.Client, error) { panic("a planted panic") }
	case "leak":
		return func(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
			go func() { <-make(chan int) }()
			return sim.DefaultOpen(ctx, r)
		}
	case "stuck":
		return func(context.Context, sim.OpenRequest) (sim.Client, error) { <-make(chan int); return nil, nil }
	}
	panic("there is no bug " + bug)
}

// hasty answers a put when Kafka has it, whether it is visible or not.
type hasty struct {
	sim.Client
	topic    string
	producer *kgo.Client
}

func openHasty(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
	c, err := sim.DefaultOpen(ctx, r)
	if err != nil {
		return nil, err
	}
	producer, err := kgo.NewClient(append(r.Kafka, kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		return nil, err
	}
	return &hasty{Client: c, topic: r.Topic, producer: producer}, nil
}

func (h *hasty) PutRevision(ctx context.Context, key, value []byte) (int64, error) {
	rec := &kgo.Record{Topic: h.topic, Key: key, Value: value, Timestamp: time.Now()}
	if err := h.producer.ProduceSync(ctx, rec).FirstErr(); err != nil {
		return -1, fmt.Errorf("%w: %w", kvstore.ErrOutcomeUnknown, err)
	}
	return rec.Offset, nil
}

func (h *hasty) Close() error {
	h.producer.Close()
	return h.Client.Close()
}

func withStorage(wrap func(kvstore.RecordStorage) kvstore.RecordStorage) sim.OpenFunc {
	return func(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
		r.Storage = wrap(r.Storage)
		return sim.DefaultOpen(ctx, r)
	}
}

// deathless does not know what a tombstone is.
type deathless struct{ kvstore.RecordStorage }

func (d deathless) ApplyRecords(ctx context.Context, records []kvstore.Record) error {
	records = slices.DeleteFunc(slices.Clone(records), func(r kvstore.Record) bool { return r.Delete })
	return d.RecordStorage.ApplyRecords(ctx, records)
}

// reversed applies what came in one piece in the wrong order.
type reversed struct{ kvstore.RecordStorage }

func (s reversed) ApplyRecords(ctx context.Context, records []kvstore.Record) error {
	records = slices.Clone(records)
	slices.Reverse(records)
	return s.RecordStorage.ApplyRecords(ctx, records)
}
