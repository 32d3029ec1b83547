package sim

import (
	"context"
	"iter"
	"runtime"
	"strings"

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
}

func newPlain(s kvstore.RecordStorage, p *process) *plainStorage {
	p.waits = true
	return &plainStorage{s: s, p: p}
}

var _ kvstore.Storage = (*plainStorage)(nil)

func (s *plainStorage) Get(ctx context.Context, key []byte) ([]byte, error) { return s.s.Get(ctx, key) }

func (s *plainStorage) Set(ctx context.Context, key, value []byte) error {
	return s.s.Set(ctx, key, value)
}

func (s *plainStorage) Delete(ctx context.Context, key []byte) error {
	err := s.s.Delete(ctx, key)
	if err == nil {
		s.removed(key)
	}
	return err
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
