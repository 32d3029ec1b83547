package kvstore_test

import (
	"context"
	"errors"
	"testing"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

// lister embeds the default storage and tells revisions of its own, the first time with an error.
type lister struct {
	*memory.Storage
	asked int
}

func (l *lister) Revisions(ctx context.Context, fn func(int64)) error {
	if l.asked++; l.asked == 1 {
		fn(1 << 40)
		return errors.New("not now")
	}
	return l.Storage.Revisions(ctx, fn)
}

// elsewhere writes and reads another storage than the one that it embeds, which stays empty.
type elsewhere struct {
	*memory.Storage
	there *memory.Storage
}

func (e elsewhere) ApplyRecords(ctx context.Context, records []kvstore.Record) error {
	return e.there.ApplyRecords(ctx, records)
}

func (e elsewhere) Reset(ctx context.Context) error { return e.there.Reset(ctx) }

func (e elsewhere) Snapshot(ctx context.Context) (kvstore.Snapshot, error) {
	return e.there.Snapshot(ctx)
}

func (e elsewhere) GetEntry(ctx context.Context, key []byte) (kvstore.Entry, error) {
	return e.there.GetEntry(ctx, key)
}

// What a storage holds is known by the revisions of its keys, whatever storage it is.
func TestStoragesAreToldApartByTheirRevisions(t *testing.T) {
	record := func(key string, revision int64) kvstore.Record {
		return kvstore.Record{Key: []byte(key), Value: []byte("v"), Revision: revision}
	}
	deleted := func(key string, revision int64) kvstore.Record {
		return kvstore.Record{Key: []byte(key), Delete: true, Revision: revision}
	}
	same := [][]kvstore.Record{ // the same state, with more or less of what it comes from
		{record("a", 1), record("b", 2), record("a", 4), deleted("c", 5)},
		{record("c", 0), record("b", 2), deleted("c", 3), record("a", 4)},
		{record("b", 2), record("a", 4)},
	}
	others := [][]kvstore.Record{
		nil,
		{record("b", 2)},
		{record("a", 1), record("b", 2)},
		{record("b", 2), record("a", 4), record("c", 0)},
		{record("b", 2), record("a", 3)},
		{record("b", 3), record("a", 3)},
		{record("b", 0), record("a", 6)},
	}
	for name, storage := range map[string]func() kvstore.Storage{
		"memory":    func() kvstore.Storage { return memory.New() },
		"plain":     func() kvstore.Storage { return struct{ kvstore.Storage }{memory.New()} },
		"records":   func() kvstore.Storage { return struct{ kvstore.RecordStorage }{memory.New()} },
		"lister":    func() kvstore.Storage { return &lister{Storage: memory.New()} },
		"elsewhere": func() kvstore.Storage { return elsewhere{memory.New(), memory.New()} },
	} {
		t.Run(name, func(t *testing.T) {
			digest := func(records []kvstore.Record) any {
				d, err := kvstore.DigestAfter(t.Context(), storage(), records)
				if err != nil {
					t.Fatal(err)
				}
				return d
			}
			want := digest(same[0])
			for _, records := range same {
				if got := digest(records); got != want {
					t.Errorf("after %v: %v, want %v", records, got, want)
				}
			}
			for _, records := range others {
				if got := digest(records); got == want {
					t.Errorf("after %v: %v, and the state is another one", records, got)
				}
			}
		})
	}
}
