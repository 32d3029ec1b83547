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

// retriedName is the name of the reason when a client did something else than to try a change again
// that its storage had refused.
const retriedName = "failed-storage-call-is-tried-again"

// errStorage is the error of a failing storage.
var errStorage = errors.New("simulated storage failure")

// a trouble slows or fails the writes of the storages of some clients.
type trouble struct {
	client string // empty: all
	delay  time.Duration
	fails  bool
	every  int // one of so many writes fails, if it is above 0

	mu   sync.Mutex
	hits int
}

// hit counts a write, and reports whether it is one that fails.
func (t *trouble) hit() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hits++
	return t.fails && (t.every == 0 || t.hits%t.every == 0)
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

// of returns the active troubles of a client, counts each as it is reached, and says whether it makes the
// write fail.
func (ts *troubles) of(client string) iter.Seq2[*trouble, bool] {
	return func(yield func(*trouble, bool) bool) {
		ts.mu.Lock()
		all := ts.all
		ts.mu.Unlock()
		for _, t := range all {
			if t.client != "" && t.client != client {
				continue
			}
			if !yield(t, t.hit()) {
				return
			}
		}
	}
}

// suffer applies the active troubles to a client.
func (ts *troubles) suffer(ctx context.Context, client string, l simnet.Lane) error {
	for t, fails := range ts.of(client) {
		if t.delay > 0 {
			if err := sleep(inLane(ctx, l), t.delay); err != nil {
				return err
			}
		}
		if fails {
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
	// findings gets what the client does wrong.
	findings *findings
	failed   *change // the one that failed last, until the next one. Only the goroutine that applies the log uses it.
}

// A change is a call that changes a storage: its method, how many records it is given, and the key of
// the first.
type change struct {
	method string
	key    string
	n      int
}

// suffer applies the active troubles to a write. After one that has failed, it has to be the same again.
func (s *storage) suffer(ctx context.Context, method string, key []byte, n int) error {
	if f := s.failed; f != nil && (f.method != method || f.key != string(key) || f.n != n) {
		s.findings.add(retriedName, "the storage of %s refused %s of %q (%d in all), and was called next with %s of %q (%d in all)", s.client, f.method, f.key, f.n, method, key, n)
	}
	s.failed = nil
	err := s.troubles.suffer(ctx, s.client, s.lane)
	if err != nil {
		s.failed = &change{method, string(key), n}
	}
	return err
}

var _ kvstore.RecordStorage = (*storage)(nil)

func (s *storage) Set(ctx context.Context, key, value []byte) error {
	if err := s.suffer(ctx, "Set", key, 1); err != nil {
		return err
	}
	return s.Storage.Set(ctx, key, value)
}

func (s *storage) Delete(ctx context.Context, key []byte) error {
	if err := s.suffer(ctx, "Delete", key, 1); err != nil {
		return err
	}
	return s.Storage.Delete(ctx, key)
}

func (s *storage) ApplyBatch(ctx context.Context, items []kvstore.KeyValue) error {
	var first []byte
	if len(items) > 0 {
		first = items[0].Key
	}
	if err := s.suffer(ctx, "ApplyBatch", first, len(items)); err != nil {
		return err
	}
	return s.Storage.ApplyBatch(ctx, items)
}

func (s *storage) ApplyRecords(ctx context.Context, records []kvstore.Record) error {
	var first []byte
	if len(records) > 0 { // a client's own storage around this one may have left all of them out
		first = records[0].Key
	}
	if err := s.suffer(ctx, "ApplyRecords", first, len(records)); err != nil {
		return err
	}
	return s.Storage.ApplyRecords(ctx, records)
}

func (s *storage) Reset(ctx context.Context) error {
	if err := s.suffer(ctx, "Reset", nil, 0); err != nil {
		return err
	}
	if err := s.Storage.Reset(ctx); err != nil {
		return err
	}
	s.emptied()
	return nil
}
