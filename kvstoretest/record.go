package kvstoretest

import (
	"context"
	"fmt"
	"iter"

	"github.com/kvsim/kvsim/internal/outcome"
	"github.com/kvsim/kvsim/kvstore"
	lin "github.com/kvsim/kvsim/linearizability"
)

// Store is a store whose operations can be recorded: a *kvstore.Client, or
// something around one.
type Store interface {
	Follower
	PutRevision(ctx context.Context, key, value []byte) (int64, error)
	DeleteRevision(ctx context.Context, key []byte) (int64, error)
	Batch() *kvstore.Batch
	Sync(ctx context.Context) error
	Status() kvstore.Status
	Close() error
}

// Recorded is a [Store] that records what is done with it, in the history of its
// kit. It has the methods of kvstore.Client, and is safe for concurrent use.
type Recorded struct {
	k       *Kit
	kv      Store
	client  string
	process int
}

// Record returns the store with everything that is done through it recorded.
// At the end of the test, [Kit.CheckHistory] judges what all recorded stores of
// the kit did.
//
//	kv := kit.Record(kit.Client())
//	... // use kv, from as many goroutines as you like
//	kit.CheckHistory()
//
// The history names a client as the kit does; something around a client can have
// a method Name() string that says how it is called.
//
// All writers should be recorded. A record of another program is taken for what it is,
// unless it has the same key and value as a recorded write.
func (k *Kit) Record(kv Store) *Recorded {
	k.t.Helper()
	if kv == nil {
		k.misuse("Record(nil): there is no store to record")
		return nil
	}
	if err := k.startHistory(); err != nil {
		k.fatal("record: %v", err)
		return nil
	}
	name := k.nameOf(kv)
	k.mu.Lock()
	defer k.mu.Unlock()
	r := &Recorded{k: k, kv: kv, client: name}
	if m := k.clients[name]; m != nil {
		m.runs++
		r.process = m.runs
	} else {
		k.history.strangers++
		r.client, r.process = fmt.Sprintf("store %d", k.history.strangers), 1
	}
	k.history.stores = append(k.history.stores, r)
	return r
}

// Name returns the name that the history uses for the client.
func (r *Recorded) Name() string { return r.client }

// Unwrap returns the store that is recorded.
func (r *Recorded) Unwrap() Store { return r.kv }

func (r *Recorded) begin(ctx context.Context, op lin.Operation) *lin.Call {
	op.Client, op.Process = r.client, r.process
	op.Deadline = outcome.Deadline(ctx, r.k.history.start)
	return r.k.history.rec.Begin(op)
}

// read ends a read or a wait.
func (r *Recorded) read(call *lin.Call, err error) {
	r.k.valve.Do(func() { outcome.Told(call, r.kv.Position, err) })
}

// wrote ends a write.
func (r *Recorded) wrote(call *lin.Call, revision int64, err error) {
	r.k.valve.Do(func() { outcome.Wrote(call, r.kv.Position, revision, err) })
}

// Put is kvstore.Client.Put, recorded.
func (r *Recorded) Put(ctx context.Context, key, value []byte) error {
	_, err := r.PutRevision(ctx, key, value)
	return err
}

// PutRevision is kvstore.Client.PutRevision, recorded.
func (r *Recorded) PutRevision(ctx context.Context, key, value []byte) (int64, error) {
	call := r.begin(ctx, lin.Operation{Kind: lin.OpPut, Key: string(key), Value: rawID(value)})
	rev, err := r.kv.PutRevision(ctx, key, value)
	r.wrote(call, rev, err)
	return rev, err
}

// Delete is kvstore.Client.Delete, recorded.
func (r *Recorded) Delete(ctx context.Context, key []byte) error {
	_, err := r.DeleteRevision(ctx, key)
	return err
}

// DeleteRevision is kvstore.Client.DeleteRevision, recorded.
func (r *Recorded) DeleteRevision(ctx context.Context, key []byte) (int64, error) {
	call := r.begin(ctx, lin.Operation{Kind: lin.OpDelete, Key: string(key)})
	rev, err := r.kv.DeleteRevision(ctx, key)
	r.wrote(call, rev, err)
	return rev, err
}

// Get is kvstore.Client.Get, recorded.
func (r *Recorded) Get(ctx context.Context, key []byte) ([]byte, error) {
	e, err := r.GetEntry(ctx, key)
	return e.Value, err
}

// GetEntry is kvstore.Client.GetEntry, recorded.
func (r *Recorded) GetEntry(ctx context.Context, key []byte) (kvstore.Entry, error) {
	call := r.begin(ctx, lin.Operation{Kind: lin.OpGet, Key: string(key)})
	e, err := r.kv.GetEntry(ctx, key)
	r.read(call, outcome.Got(call, rawID, e, err))
	return e, err
}

// Range is kvstore.Client.Range, recorded.
func (r *Recorded) Range(ctx context.Context, c kvstore.KeyConstraint, opts kvstore.QueryOptions) iter.Seq2[kvstore.KeyValue, error] {
	return func(yield func(kvstore.KeyValue, error) bool) {
		for e, err := range r.RangeEntries(ctx, c, opts) {
			if !yield(kvstore.KeyValue{Key: e.Key, Value: e.Value}, err) {
				return
			}
		}
	}
}

// RangeEntries is kvstore.Client.RangeEntries, recorded. It reads all entries
// before it yields the first. A range that ends nowhere (an empty End) is not
// recorded, as the history knows no such one.
func (r *Recorded) RangeEntries(ctx context.Context, c kvstore.KeyConstraint, opts kvstore.QueryOptions) iter.Seq2[kvstore.Entry, error] {
	return func(yield func(kvstore.Entry, error) bool) {
		entries, err := r.scan(ctx, c, opts)
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
		if err != nil {
			yield(kvstore.Entry{}, err)
		}
	}
}

func (r *Recorded) scan(ctx context.Context, c kvstore.KeyConstraint, opts kvstore.QueryOptions) ([]kvstore.Entry, error) {
	var call *lin.Call
	if c.End == nil || len(c.End) > 0 {
		call = r.begin(ctx, lin.Operation{
			Kind: lin.OpRange, Start: string(c.Start), End: string(c.End), Limit: max(0, opts.Limit),
		})
	}
	var entries []kvstore.Entry
	items := []lin.Item{}
	var failed error
	for e, err := range r.kv.RangeEntries(ctx, c, opts) {
		if err != nil {
			failed = err
			break
		}
		entries = append(entries, e)
		items = append(items, outcome.Item(rawID, e))
	}
	if call != nil {
		r.read(call.Items(items), failed)
	}
	return entries, failed
}

// Sync is kvstore.Client.Sync, recorded.
func (r *Recorded) Sync(ctx context.Context) error {
	call := r.begin(ctx, lin.Operation{Kind: lin.OpSync})
	err := r.kv.Sync(ctx)
	r.read(call, err)
	return err
}

// WaitRevision is kvstore.Client.WaitRevision, recorded.
func (r *Recorded) WaitRevision(ctx context.Context, revision int64) error {
	call := r.begin(ctx, lin.Operation{Kind: lin.OpWait, Revision: revision})
	err := r.kv.WaitRevision(ctx, revision)
	r.read(call, err)
	return err
}

// Position is kvstore.Client.Position.
func (r *Recorded) Position() int64 { return r.kv.Position() }

// Status is kvstore.Client.Status.
func (r *Recorded) Status() kvstore.Status { return r.kv.Status() }

// Close is kvstore.Client.Close.
func (r *Recorded) Close() error { return r.kv.Close() }

// Batch returns an empty batch whose execution is recorded.
func (r *Recorded) Batch() *RecordedBatch { return &RecordedBatch{r: r, b: r.kv.Batch()} }

// RecordedBatch is a kvstore.Batch whose execution is recorded. Other than that
// one it is filled from one goroutine.
type RecordedBatch struct {
	r     *Recorded
	b     *kvstore.Batch
	items []lin.Item
}

// Put is kvstore.Batch.Put.
func (b *RecordedBatch) Put(key, value []byte) *RecordedBatch {
	b.items = append(b.items, lin.Item{Key: string(key), Value: rawID(value), Revision: lin.None})
	b.b.Put(key, value)
	return b
}

// Delete is kvstore.Batch.Delete.
func (b *RecordedBatch) Delete(key []byte) *RecordedBatch {
	b.items = append(b.items, lin.Item{Key: string(key), Revision: lin.None})
	b.b.Delete(key)
	return b
}

// Execute is kvstore.Batch.Execute, recorded.
func (b *RecordedBatch) Execute(ctx context.Context) error {
	_, err := b.ExecuteRevision(ctx)
	return err
}

// ExecuteRevision is kvstore.Batch.ExecuteRevision, recorded. Executions that
// write nothing, because the batch is empty or was executed before, are not.
func (b *RecordedBatch) ExecuteRevision(ctx context.Context) (int64, error) {
	items := b.items
	b.items = nil
	if len(items) == 0 {
		return b.b.ExecuteRevision(ctx)
	}
	call := b.r.begin(ctx, lin.Operation{Kind: lin.OpBatch, Items: items})
	rev, err := b.b.ExecuteRevision(ctx)
	b.r.wrote(call, rev, err)
	return rev, err
}
