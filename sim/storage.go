package sim

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/kvsim/kvsim/internal/simnet"
	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

// errStorage is the error of a failing storage.
var errStorage = errors.New("simulated storage failure")

// a trouble slows or fails the writes of the storages of some clients.
type trouble struct {
	client string // empty: all
	delay  time.Duration
	fails  bool

	mu   sync.Mutex
	hits int
}

func (t *trouble) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.hits
}

// troubles are those that are active.
type troubles struct {
	mu  sync.Mutex
	all []*trouble
}

// effect makes a trouble active until the effect is undone.
func (ts *troubles) effect(t *trouble) *effect {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	ts.all = append(ts.all, t)
	return &effect{hits: t.count, undo: func(context.Context) error {
		ts.mu.Lock()
		defer ts.mu.Unlock()
		ts.all = slices.DeleteFunc(slices.Clone(ts.all), func(o *trouble) bool { return o == t })
		return nil
	}}
}

// of returns the active troubles of a client, and counts each as it is reached.
func (ts *troubles) of(client string) iter.Seq[*trouble] {
	return func(yield func(*trouble) bool) {
		ts.mu.Lock()
		all := ts.all
		ts.mu.Unlock()
		for _, t := range all {
			if t.client != "" && t.client != client {
				continue
			}
			t.mu.Lock()
			t.hits++
			t.mu.Unlock()
			if !yield(t) {
				return
			}
		}
	}
}

// suffer applies the active troubles to a client.
func (ts *troubles) suffer(ctx context.Context, client string, l simnet.Lane) error {
	for t := range ts.of(client) {
		if t.delay > 0 {
			if err := sleep(inLane(ctx, l), t.delay); err != nil {
				return err
			}
		}
		if t.fails {
			return errStorage
		}
	}
	return nil
}

// storage is a memory.Storage whose writes suffer from the active troubles.
type storage struct {
	*memory.Storage
	client   string
	troubles *troubles
	lane     simnet.Lane
	// emptied is called whenever the storage was emptied.
	emptied func()
}

// suffer applies the active troubles to a write.
func (s *storage) suffer(ctx context.Context) error {
	return s.troubles.suffer(ctx, s.client, s.lane)
}

var _ kvstore.RecordStorage = (*storage)(nil)

func (s *storage) Set(ctx context.Context, key, value []byte) error {
	if err := s.suffer(ctx); err != nil {
		return err
	}
	return s.Storage.Set(ctx, key, value)
}

func (s *storage) Delete(ctx context.Context, key []byte) error {
	if err := s.suffer(ctx); err != nil {
		return err
	}
	return s.Storage.Delete(ctx, key)
}

func (s *storage) ApplyBatch(ctx context.Context, items []kvstore.KeyValue) error {
	if err := s.suffer(ctx); err != nil {
		return err
	}
	return s.Storage.ApplyBatch(ctx, items)
}

func (s *storage) ApplyRecords(ctx context.Context, records []kvstore.Record) error {
	if err := s.suffer(ctx); err != nil {
		return err
	}
	return s.Storage.ApplyRecords(ctx, records)
}

func (s *storage) Reset(ctx context.Context) error {
	if err := s.suffer(ctx); err != nil {
		return err
	}
	if err := s.Storage.Reset(ctx); err != nil {
		return err
	}
	s.emptied()
	return nil
}
