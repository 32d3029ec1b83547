package kvstore_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest"
)

// sporadic fails the first, third, fifth call of a storage and so on, whatever it is, while it is on.
type sporadic struct {
	mu     sync.Mutex
	on     bool
	calls  int
	failed string   // the call that failed last, until it is tried again
	others []string // what was called instead of it
}

func (s *sporadic) turn(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.on = on
}

// call is what happens first in a call.
func (s *sporadic) call(what string, args ...any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.on {
		return nil
	}
	what = fmt.Sprintf(what, args...)
	if s.failed != "" && s.failed != what {
		s.others = append(s.others, what+" instead of "+s.failed)
	}
	s.failed = ""
	if s.calls++; s.calls%2 == 1 {
		s.failed = what
		return errDisk
	}
	return nil
}

// sporadicSeq is a range that ends with an error.
func sporadicSeq[T any](err error, all iter.Seq2[T, error]) iter.Seq2[T, error] {
	if err == nil {
		return all
	}
	return func(yield func(T, error) bool) {
		var none T
		yield(none, err)
	}
}

type sporadicPlain struct {
	*plainStorage
	*sporadic
}

func (s sporadicPlain) Get(ctx context.Context, key []byte) ([]byte, error) {
	if err := s.call("Get %s", key); err != nil {
		return nil, err
	}
	return s.plainStorage.Get(ctx, key)
}

func (s sporadicPlain) Set(ctx context.Context, key, value []byte) error {
	if err := s.call("Set %s=%s", key, value); err != nil {
		return err
	}
	return s.plainStorage.Set(ctx, key, value)
}

func (s sporadicPlain) Delete(ctx context.Context, key []byte) error {
	if err := s.call("Delete %s", key); err != nil {
		return err
	}
	return s.plainStorage.Delete(ctx, key)
}

func (s sporadicPlain) Range(ctx context.Context, c kvstore.KeyConstraint, o kvstore.QueryOptions) iter.Seq2[kvstore.KeyValue, error] {
	return sporadicSeq(s.call("Range"), s.plainStorage.Range(ctx, c, o))
}

type sporadicBatch struct{ sporadicPlain }

func (s sporadicBatch) Set(ctx context.Context, key, value []byte) error {
	return s.sporadicPlain.Set(ctx, key, value)
}

func (s sporadicBatch) Delete(ctx context.Context, key []byte) error {
	return s.sporadicPlain.Delete(ctx, key)
}

func (s sporadicBatch) ApplyBatch(ctx context.Context, items []kvstore.KeyValue) error {
	if err := s.call("ApplyBatch %s", items); err != nil {
		return err
	}
	return batching{s.plainStorage}.ApplyBatch(ctx, items)
}

// sporadicRecords has the revisions of its keys, and tells them in a call of its own if lists is set.
type sporadicRecords struct {
	*memory.Storage
	*sporadic
}

func (s sporadicRecords) ApplyRecords(ctx context.Context, records []kvstore.Record) error {
	if err := s.call("ApplyRecords %v", records); err != nil {
		return err
	}
	return s.Storage.ApplyRecords(ctx, records)
}

func (s sporadicRecords) GetEntry(ctx context.Context, key []byte) (kvstore.Entry, error) {
	if err := s.call("GetEntry %s", key); err != nil {
		return kvstore.Entry{}, err
	}
	return s.Storage.GetEntry(ctx, key)
}

func (s sporadicRecords) Reset(ctx context.Context) error {
	if err := s.call("Reset"); err != nil {
		return err
	}
	return s.Storage.Reset(ctx)
}

func (s sporadicRecords) Snapshot(ctx context.Context) (kvstore.Snapshot, error) {
	if err := s.call("Snapshot"); err != nil {
		return nil, err
	}
	snap, err := s.Storage.Snapshot(ctx)
	return sporadicSnapshot{snap, s.sporadic}, err
}

type sporadicSnapshot struct {
	kvstore.Snapshot
	*sporadic
}

func (s sporadicSnapshot) GetEntry(ctx context.Context, key []byte) (kvstore.Entry, error) {
	if err := s.call("Snapshot.GetEntry %s", key); err != nil {
		return kvstore.Entry{}, err
	}
	return s.Snapshot.GetEntry(ctx, key)
}

func (s sporadicSnapshot) Range(ctx context.Context, c kvstore.KeyConstraint, o kvstore.QueryOptions) iter.Seq2[kvstore.Entry, error] {
	return sporadicSeq(s.call("Snapshot.Range"), s.Snapshot.Range(ctx, c, o))
}

// sporadicLister also tells its revisions without a snapshot.
type sporadicLister struct{ sporadicRecords }

func (s sporadicLister) Revisions(ctx context.Context, fn func(int64)) error {
	if err := s.call("Revisions"); err != nil {
		return err
	}
	return s.Storage.Revisions(ctx, fn)
}

// hiding hides Revisions.
type hiding struct{ kvstore.RecordStorage }

// Every second call of the storage fails. Trying the same call again works, and is all that the
// client does: if it went back to the first call of a batch, of an emptying or of a comparison, it
// would never get to the end.
func TestStorageCallThatFailsIsTheOneThatIsTriedAgain(t *testing.T) {
	kinds := map[string]func(*sporadic) kvstore.Storage{
		"plain":   func(s *sporadic) kvstore.Storage { return sporadicPlain{newPlain(), s} },
		"batch":   func(s *sporadic) kvstore.Storage { return sporadicBatch{sporadicPlain{newPlain(), s}} },
		"records": func(s *sporadic) kvstore.Storage { return hiding{sporadicRecords{memory.New(), s}} },
		"lister":  func(s *sporadic) kvstore.Storage { return sporadicLister{sporadicRecords{memory.New(), s}} },
	}
	opts := slow(1, kvstoretest.WithTopicConfig(map[string]string{"delete.retention.ms": "60000"}))
	for kind, storage := range kinds {
		for _, when := range []string{"opening", "live", "loss", "absence"} {
			t.Run(kind+"/"+when, func(t *testing.T) {
				inWorld(t, opts, func(t *testing.T, w *world) {
					s := &sporadic{}
					store := storage(s)
					var hooks hookBook
					var c *kvstore.Client
					w.Append(fortyKeys("1")...)
					if when == "opening" {
						for _, r := range fortyKeys("old") {
							if err := store.Set(t.Context(), append(r.Key, '0'), r.Value); err != nil {
								t.Fatal(err)
							}
						}
						s.turn(true)
						c = w.openOn("c", store, hooks.options()...)
					} else {
						c = w.openOn("c", store, hooks.options()...)
						w.fails(c, s, when)
					}
					before := len(hooks.all())
					if err := c.Sync(w.within(5 * time.Minute)); err != nil {
						t.Errorf("Sync = %v, want it to succeed: each call works when it is tried again", err)
					}
					s.turn(false)
					if len(s.others) > 0 || s.calls < 2 {
						t.Errorf("after a call that failed, of %d, the client called %q", s.calls, s.others)
					}
					if got := len(w.contents(c)); got != len("00=1 ")*40 {
						t.Errorf("contents = %q, want 40 keys", w.contents(c))
					}
					if when == "loss" {
						if told := hooks.all()[before:]; !slices.Equal(told, []string{"delete lost"}) {
							t.Errorf("hooks were told %q, want that the lost key is gone", told)
						}
					}
				})
			})
		}
	}
}

func fortyKeys(value string) []kvstoretest.Record {
	var rs []kvstoretest.Record
	for i := range 40 {
		rs = append(rs, kvstoretest.Set(fmt.Sprintf("%02d", i), value))
	}
	return rs
}

// fails makes the storage of an open client fail, and then gives it something to do.
func (w *world) fails(c *kvstore.Client, s *sporadic, when string) {
	w.t.Helper()
	switch when {
	case "live":
		s.turn(true)
		w.Append(fortyKeys("2")...)
	case "loss":
		w.Append(kvstoretest.Set("lost", "1"))
		if err := c.Sync(w.within(time.Minute)); err != nil {
			w.t.Fatal(err)
		}
		s.turn(true)
		w.LoseTail(1)
	case "absence":
		pause := w.PauseFetches("c")
		w.Append(fortyKeys("2")...)
		time.Sleep(3 * time.Minute)
		s.turn(true)
		pause.Undo()
	}
}
