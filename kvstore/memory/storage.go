package memory

import (
	"context"
	"hash/maphash"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/internal/invariant"
	"github.com/kvsim/kvsim/kvstore/memory/internal/chunk"
	"github.com/kvsim/kvsim/kvstore/memory/internal/filling"
	"github.com/kvsim/kvsim/kvstore/memory/internal/index"
	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
	"github.com/kvsim/kvsim/kvstore/memory/internal/order"
	"github.com/kvsim/kvsim/kvstore/memory/internal/undo"
)

// Storage is an ordered map on the heap. It implements [kvstore.RecordStorage].
// The package documentation says what it guarantees.
//
// Make one with [New]. A Storage must not be copied.
type Storage struct {
	// index has the items of all writes, of the one under way as well.
	index index.Index

	// version is twice the number of writes that readers see, and one more while a write is
	// changing the index. All readers see a write from the moment that makes it even again.
	version atomic.Uint64

	// undo has what the write under way replaces.
	undo atomic.Pointer[undo.Log]

	// asked says that the storage has been read. Until then what it holds is in
	// filling, and the index is empty.
	asked atomic.Bool

	// tree is the order of the items as of some write, nil while nobody has asked
	// for it.
	tree atomic.Pointer[tree]

	options options

	_       [64]byte       // what follows is written often: not in the readers' cache line
	mu      sync.Mutex     // held by writes
	filling *filling.Table // guarded by mu, nil while asked
	last    *write         // the last one since there is a tree, or nil; guarded by mu

	// treeMu is held while tree is being brought up to date, and by Reset. It is taken after mu
	// when both are.
	treeMu sync.Mutex
	maker  order.Maker // guarded by treeMu, or by mu while there is no tree
}

var _ kvstore.RecordStorage = (*Storage)(nil)

// New returns an empty storage.
func New() *Storage { return open(usual) }

// options are what a storage is made with. They change how fast it is and how much memory it
// takes, and nothing else: tests hold a storage without any of its structures to that.
type options struct {
	slack int // bytes of chunks that may be wasted however small the storage is

	filling bool // or the index has the items from the first record on
	index   bool // or Get looks into the order
	lag     bool // or each write brings the order up to date
	undo    bool // or a Get waits for the write under way
	blocks  bool // or each item has an allocation of its own, and stays there
}

var usual = options{chunk.Most, true, true, true, true, true}

func open(o options) *Storage {
	s := &Storage{options: o}
	s.index.Slack = o.slack
	s.index.Seed = maphash.MakeSeed()
	s.index.Clear()
	if o.blocks {
		s.maker.Index = &s.index
	}
	s.refill()
	return s
}

// find returns the item of key, or nil. It looks into the index, and then, when a
// write is changing that, for what the write has replaced. It waits for nobody. It
// tries again only when a write began while it was looking: at most twice for each
// write.
//
// I22: the order of steps makes this sound. A writer keeps what it replaces before it
// does so. So when a reader does not find the key among what was replaced, what it
// had found in the index before was the state before the write.
func (s *Storage) find(key []byte) *item.Item {
	if !s.options.index {
		return s.latest().Get(key)
	}
	h := s.index.Hash(key)
	for {
		v := s.version.Load()
		if !s.asked.Load() {
			s.ask()
			continue
		}
		it := s.index.Find(h, key)
		if v%2 == 0 {
			if s.version.Load() == v {
				return it
			}
			continue
		}
		if !s.options.undo {
			await(&s.mu) // for the write that is under way
			continue
		}
		b := s.undo.Load()
		if b == nil || b.Version != v {
			continue // the write is over
		}
		if old, ok := b.Find(h, key); ok {
			return old
		}
		if now := s.version.Load(); now == v || now == v+1 {
			return it
		}
	}
}

// await waits for who holds mu.
func await(mu *sync.Mutex) {
	mu.Lock()
	mu.Unlock() //nolint:gocritic,staticcheck // there is nothing to do but wait
}

// refill has the storage, which is empty, be filled. Its caller holds mu.
func (s *Storage) refill() {
	small := 0
	if s.options.blocks {
		small = chunk.Small
	}
	s.filling = filling.New(s.index.Seed, s.options.slack, small)
	s.asked.Store(false)
	if !s.options.filling {
		s.filled()
	}
}

// ask makes the storage one that is read: it ends the filling. It waits for the write that
// is under way.
func (s *Storage) ask() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.filled()
}

// filled moves what filling has, if it has not ended, to the index, or to the order if
// there is no index. Its caller holds mu.
func (s *Storage) filled() {
	if s.asked.Load() {
		return
	}
	if invariant.On {
		s.filling.Check()
	}
	if s.options.index {
		s.index.Fill(s.filling)
	} else {
		var items []*item.Item
		for _, it := range s.filling.All {
			items = append(items, it)
		}
		s.last = &write{number: s.version.Load() / 2}
		s.tree.Store(&tree{s.maker.Build(items), s.last})
	}
	s.filling = nil
	if invariant.On {
		s.index.Check()
	}
	s.asked.Store(true)
}

// Get returns the value of key, or [kvstore.ErrNotFound]. The value aliases the
// storage's memory, which is never written again: it stays as it is, and the
// caller must not change it. An empty value is not nil.
func (s *Storage) Get(ctx context.Context, key []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	it := s.find(key)
	if it == nil {
		return nil, kvstore.ErrNotFound
	}
	return it.Value(), nil
}

// GetEntry returns the value of key with the revision and the time (in UTC) of
// the record that wrote it, or [kvstore.ErrNotFound]. A value that was written
// without a record has revision -1 and the zero time. For the slices the rule of
// [Storage.Get] holds.
func (s *Storage) GetEntry(ctx context.Context, key []byte) (kvstore.Entry, error) {
	if err := ctx.Err(); err != nil {
		return kvstore.Entry{}, err
	}
	it := s.find(key)
	if it == nil {
		return kvstore.Entry{}, kvstore.ErrNotFound
	}
	return entryOf(it), nil
}

// Range yields the pairs of c in ascending key order, as they were when the
// iteration began. It looks at ctx about every 60 pairs and yields its error
// last when it has ended. For the slices the rule of [Storage.Get] holds.
func (s *Storage) Range(
	ctx context.Context, c kvstore.KeyConstraint, opts kvstore.QueryOptions,
) iter.Seq2[kvstore.KeyValue, error] {
	return func(yield func(kvstore.KeyValue, error) bool) {
		scan(ctx, s.latest(), c, opts.Limit, yield, pairOf)
	}
}

// Snapshot returns the storage as it is now. It brings the order up to date, as a
// Range does, and copies nothing.
func (s *Storage) Snapshot(ctx context.Context) (kvstore.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return view{s.latest()}, nil
}

// Set sets key to a copy of value, with revision -1. A nil value is stored as
// an empty one.
func (s *Storage) Set(ctx context.Context, key, value []byte) error {
	return s.write(ctx, []kvstore.Record{{Key: key, Value: value}}, false)
}

// Delete removes key. It is no error when key is not there.
func (s *Storage) Delete(ctx context.Context, key []byte) error {
	return s.write(ctx, []kvstore.Record{{Key: key, Delete: true}}, false)
}

// ApplyBatch applies all items in order, with revision -1, and copies what it
// keeps. A nil Value deletes the key. Readers see all of the items or none.
// Nothing is done when an error is returned; ctx is checked only once, before the
// first item.
func (s *Storage) ApplyBatch(ctx context.Context, items []kvstore.KeyValue) error {
	records := make([]kvstore.Record, len(items))
	for i, kv := range items {
		records[i] = kvstore.Record{Key: kv.Key, Value: kv.Value, Delete: kv.Value == nil}
	}
	return s.write(ctx, records, false)
}

// ApplyRecords applies all records in order and copies what it keeps. Readers
// see all of the records or none. Nothing is done when an error is returned; ctx is
// checked only once, before the first record.
func (s *Storage) ApplyRecords(ctx context.Context, records []kvstore.Record) error {
	return s.write(ctx, records, true)
}

// Reset removes everything. Snapshots and ranges that have begun are not
// affected.
func (s *Storage) Reset(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	s.treeMu.Lock()
	defer s.treeMu.Unlock()
	s.begin(undo.Everything(s.index.Kept()))
	s.index.Clear()
	s.tree.Store(nil)
	s.last = nil
	s.refill()
	s.end()
	return nil
}
