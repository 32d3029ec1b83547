package kvstoretest

import (
	"context"
	"iter"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

type (
	pairSeq  = iter.Seq2[kvstore.KeyValue, error]
	entrySeq = iter.Seq2[kvstore.Entry, error]
	limits   = kvstore.KeyConstraint
	options  = kvstore.QueryOptions
)

// bentStorage is a good storage with some of its methods replaced.
type bentStorage struct {
	good *memory.Storage

	onGet    func(ctx context.Context, key []byte) ([]byte, error)
	onSet    func(ctx context.Context, key, value []byte) error
	onDelete func(ctx context.Context, key []byte) error
	onRange  func(ctx context.Context, c limits, o options) pairSeq
}

func (b *bentStorage) Get(ctx context.Context, key []byte) ([]byte, error) {
	if b.onGet != nil {
		return b.onGet(ctx, key)
	}
	return b.good.Get(ctx, key)
}

func (b *bentStorage) Set(ctx context.Context, key, value []byte) error {
	if b.onSet != nil {
		return b.onSet(ctx, key, value)
	}
	return b.good.Set(ctx, key, value)
}

func (b *bentStorage) Delete(ctx context.Context, key []byte) error {
	if b.onDelete != nil {
		return b.onDelete(ctx, key)
	}
	return b.good.Delete(ctx, key)
}

func (b *bentStorage) Range(ctx context.Context, c limits, o options) pairSeq {
	if b.onRange != nil {
		return b.onRange(ctx, c, o)
	}
	return b.good.Range(ctx, c, o)
}

// bentBatch adds ApplyBatch.
type bentBatch struct {
	bentStorage
	onApplyBatch func(ctx context.Context, items []kvstore.KeyValue) error
}

func (b *bentBatch) ApplyBatch(ctx context.Context, items []kvstore.KeyValue) error {
	if b.onApplyBatch != nil {
		return b.onApplyBatch(ctx, items)
	}
	return b.good.ApplyBatch(ctx, items)
}

// bentRecords adds the methods of a RecordStorage.
type bentRecords struct {
	bentBatch
	onApplyRecords func(ctx context.Context, records []kvstore.Record) error
	onGetEntry     func(ctx context.Context, key []byte) (kvstore.Entry, error)
	onSnapshot     func(ctx context.Context) (kvstore.Snapshot, error)
	onReset        func(ctx context.Context) error
}

func (b *bentRecords) ApplyRecords(ctx context.Context, records []kvstore.Record) error {
	if b.onApplyRecords != nil {
		return b.onApplyRecords(ctx, records)
	}
	return b.good.ApplyRecords(ctx, records)
}

func (b *bentRecords) GetEntry(ctx context.Context, key []byte) (kvstore.Entry, error) {
	if b.onGetEntry != nil {
		return b.onGetEntry(ctx, key)
	}
	return b.good.GetEntry(ctx, key)
}

func (b *bentRecords) Snapshot(ctx context.Context) (kvstore.Snapshot, error) {
	if b.onSnapshot != nil {
		return b.onSnapshot(ctx)
	}
	return b.good.Snapshot(ctx)
}

func (b *bentRecords) Reset(ctx context.Context) error {
	if b.onReset != nil {
		return b.onReset(ctx)
	}
	return b.good.Reset(ctx)
}

// bentSnapshot is a snapshot with a method replaced.
type bentSnapshot struct {
	kvstore.Snapshot
	onGetEntry func(ctx context.Context, key []byte) (kvstore.Entry, error)
	onRange    func(ctx context.Context, c limits, o options) entrySeq
}

func (s bentSnapshot) GetEntry(ctx context.Context, key []byte) (kvstore.Entry, error) {
	if s.onGetEntry != nil {
		return s.onGetEntry(ctx, key)
	}
	return s.Snapshot.GetEntry(ctx, key)
}

func (s bentSnapshot) Range(ctx context.Context, c limits, o options) entrySeq {
	if s.onRange != nil {
		return s.onRange(ctx, c, o)
	}
	return s.Snapshot.Range(ctx, c, o)
}

// brokenStorage breaks the rule of that name, and how.
type brokenStorage struct {
	rule, how string
	make      func() kvstore.Storage
}

func bend(how func(*bentStorage)) func() kvstore.Storage {
	return func() kvstore.Storage {
		b := &bentStorage{good: memory.New()}
		how(b)
		return b
	}
}

func bendBatch(how func(*bentBatch)) func() kvstore.Storage {
	return func() kvstore.Storage {
		b := &bentBatch{bentStorage: bentStorage{good: memory.New()}}
		how(b)
		return b
	}
}

func bendRecords(how func(*bentRecords)) func() kvstore.Storage {
	return func() kvstore.Storage {
		b := &bentRecords{bentBatch: bentBatch{bentStorage: bentStorage{good: memory.New()}}}
		how(b)
		return b
	}
}

// bendSnapshots bends every snapshot.
func bendSnapshots(how func(*bentRecords, *bentSnapshot)) func() kvstore.Storage {
	return bendRecords(func(b *bentRecords) {
		b.onSnapshot = func(ctx context.Context) (kvstore.Snapshot, error) {
			s, err := b.good.Snapshot(ctx)
			if err != nil {
				return nil, err
			}
			bent := bentSnapshot{Snapshot: s}
			how(b, &bent)
			return bent, nil
		}
	})
}
