package sim

import (
	"context"
	"iter"
	"runtime"
	"strings"
	"sync"

	"github.com/kvsim/kvsim/kvstore"
)

// plainStorage is a storage without the optional methods, so that the client keeps revisions by itself,
// and empties it key by key.
type plainStorage struct {
	s kvstore.RecordStorage
	p *process
	// left are the keys that the client has still to remove until the storage is empty; nil while it
	// does not empty it. Only the goroutine that applies the log uses it.
	left map[string]bool

	mu    sync.Mutex
	given map[string][]byte // what Get has returned: it returns the same slice again
}

func newPlain(s kvstore.RecordStorage, p *process) *plainStorage {
	p.waits = true
	return &plainStorage{s: s, p: p, given: map[string][]byte{}}
}

var _ kvstore.Storage = (*plainStorage)(nil)

// Get returns a slice that nobody may change, as a storage may.
func (s *plainStorage) Get(ctx context.Context, key []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if value, ok := s.given[string(key)]; ok {
		return value, nil
	}
	value, err := s.s.Get(ctx, key)
	if err == nil {
		s.given[string(key)] = value
	}
	return value, err
}

func (s *plainStorage) Set(ctx context.Context, key, value []byte) error {
	s.forget(key)
	return s.s.Set(ctx, key, value)
}

func (s *plainStorage) Delete(ctx context.Context, key []byte) error {
	s.forget(key)
	err := s.s.Delete(ctx, key)
	if err == nil {
		s.removed(key)
	}
	return err
}

// forget is called before a key changes. The client lets nobody read meanwhile.
func (s *plainStorage) forget(key []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.given, string(key))
}

func (s *plainStorage) Range(ctx context.Context, c kvstore.KeyConstraint, opts kvstore.QueryOptions) iter.Seq2[kvstore.KeyValue, error] {
	all := s.s.Range(ctx, c, opts)
	if !emptying() {
		return all
	}
	return func(yield func(kvstore.KeyValue, error) bool) {
		s.left = map[string]bool{}
		for kv, err := range all {
			if err == nil {
				s.left[string(kv.Key)] = true
			}
			if !yield(kv, err) || err != nil {
				return
			}
		}
		s.removed(nil)
	}
}

// emptying reports whether the storage is called by the part of the client that empties it. Nothing
// else tells: the client then reads the storage, as it does at other times, and removes what it finds.
func emptying() bool {
	var calls [8]uintptr
	frames := runtime.CallersFrames(calls[:runtime.Callers(2, calls[:])])
	for {
		f, more := frames.Next()
		if strings.HasSuffix(f.Function, "kvstore.(*indexView).reset") {
			return true
		}
		if !more {
			return false
		}
	}
}

// removed notes that a key is gone, and that the storage is empty once all are.
func (s *plainStorage) removed(key []byte) {
	if s.left == nil {
		return
	}
	delete(s.left, string(key))
	if len(s.left) == 0 {
		s.left = nil
		s.p.emptied()
	}
}

// batchOf is a plain storage that applies several changes in one call.
type batchOf struct {
	*plainStorage
	rs kvstore.RecordStorage
}

var _ kvstore.BatchStorage = (*batchOf)(nil)

func (s *batchOf) Set(ctx context.Context, key, value []byte) error {
	return s.plainStorage.Set(ctx, key, value)
}

func (s *batchOf) Delete(ctx context.Context, key []byte) error {
	return s.plainStorage.Delete(ctx, key)
}

func (s *batchOf) ApplyBatch(ctx context.Context, items []kvstore.KeyValue) error {
	for _, it := range items {
		s.forget(it.Key)
	}
	if err := s.rs.ApplyBatch(ctx, items); err != nil {
		return err
	}
	for _, it := range items {
		if it.Value == nil {
			s.removed(it.Key)
		}
	}
	return nil
}
