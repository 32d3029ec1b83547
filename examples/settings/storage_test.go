package settings_test

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
	"github.com/kvsim/kvsim/kvstoretest/kvrapid"
)

// mapStorage is the simplest storage there can be: a map under a lock.
type mapStorage struct {
	mu   sync.RWMutex
	data map[string][]byte
}

func newMapStorage(testing.TB) kvstore.Storage { return &mapStorage{data: map[string][]byte{}} }

func (s *mapStorage) Get(ctx context.Context, key []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	value, ok := s.data[string(key)]
	if !ok {
		return nil, kvstore.ErrNotFound
	}
	return value, nil
}

func (s *mapStorage) Set(ctx context.Context, key, value []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data[string(key)] = value
	return nil
}

func (s *mapStorage) Delete(ctx context.Context, key []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.data, string(key))
	return nil
}

func (s *mapStorage) Range(ctx context.Context, c kvstore.KeyConstraint, opts kvstore.QueryOptions) iter.Seq2[kvstore.KeyValue, error] {
	return func(yield func(kvstore.KeyValue, error) bool) {
		s.mu.RLock()
		data := maps.Clone(s.data)
		s.mu.RUnlock()
		n := 0
		for _, key := range slices.Sorted(maps.Keys(data)) {
			if err := ctx.Err(); err != nil {
				yield(kvstore.KeyValue{}, err)
				return
			}
			if !c.Contains([]byte(key)) {
				continue
			}
			if n++; opts.Limit > 0 && n > opts.Limit {
				return
			}
			if !yield(kvstore.KeyValue{Key: []byte(key), Value: data[key]}, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(kvstore.KeyValue{}, err)
		}
	}
}

// TestMapStorageKeepsTheRules checks the storage by itself.
func TestMapStorageKeepsTheRules(t *testing.T) {
	kvstoretest.TestStorage(t, newMapStorage)
}

// TestStoreOnMapStorage checks the whole store with this storage in it.
func TestStoreOnMapStorage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kvrapid.Check(t, kvrapid.Config{
			Storage: newMapStorage,
			Keys:    rapid.OneOf(kvrapid.Keys(), rapid.Just([]byte("limit/uploads"))),
		})
	})
}
