package kvstoretest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/kvsim/kvsim/internal/fakecluster"
	"github.com/kvsim/kvsim/kvstore"
)

// Record is a record to write past the store, as another program would.
type Record struct {
	Key   []byte    // nil writes a record without a key
	Value []byte    // nil writes a tombstone
	Time  time.Time // zero means now
}

// Set returns a record that sets a key.
func Set(key, value string) Record { return Record{Key: []byte(key), Value: []byte(value)} }

// Tombstone returns a record that deletes a key.
func Tombstone(key string) Record { return Record{Key: []byte(key)} }

// Keyless returns a record without a key, which a store has to skip.
func Keyless(value string) Record { return Record{Value: []byte(value)} }

// seedBatch is how many records Seed puts in one batch.
const seedBatch = 500

// Seed writes keys with their values, in the order of the keys, and returns the
// revision of the last one. Clients that are open see them when they have read
// that far; see [Kit.CaughtUp].
func (k *Kit) Seed(values map[string]string) (revision int64) {
	k.t.Helper()
	if len(values) == 0 {
		k.misuse("Seed: there are no keys to write")
		return -1
	}
	var records []Record
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if key == "" {
			k.misuse("Seed: a key needs at least one byte; use Append with Keyless for a record without one")
			return -1
		}
		records = append(records, Set(key, values[key]))
	}
	for chunk := range slices.Chunk(records, seedBatch) {
		revision = k.Append(chunk...)
	}
	return revision
}

// Append writes records as one batch, past every client and every fault, and
// returns the offset of the last one.
func (k *Kit) Append(records ...Record) (revision int64) {
	k.t.Helper()
	if len(records) == 0 {
		k.misuse("Append: there are no records to write")
		return -1
	}
	first, err := k.cluster.Append(k.cfg.topic, 0, raw(records)...)
	if err != nil {
		k.fatal("append %d records: %v", len(records), err)
		return -1
	}
	return first + int64(len(records)) - 1
}

// AppendCorrupt writes a record batch whose checksum is right and whose records
// can't be decoded, and returns its offset. No client gets past it.
func (k *Kit) AppendCorrupt() (offset int64) {
	k.t.Helper()
	off, err := k.cluster.AppendGarbage(k.cfg.topic, 0)
	if err != nil {
		k.fatal("append a corrupt batch: %v", err)
		return -1
	}
	return off
}

// Hostile says what is wrong with a record batch that anyone with the right to write can send; see
// [Kit.HostileBatch].
type Hostile int

const (
	// Inflates is a batch whose few bytes decompress to many.
	Inflates Hostile = iota
	// Claims is a batch of one record that says that it holds many, and takes as many offsets.
	Claims
)

func (h Hostile) String() string {
	switch h {
	case Inflates:
		return "inflate"
	case Claims:
		return "claim"
	}
	return fmt.Sprintf("Hostile(%d)", int(h))
}

// HostileBatch writes a record batch that no client gets past: one that decompresses to size bytes,
// which has to be more than the clients' kgo.MaxDecompressBatchBytes (128 MiB unless set), or one that
// claims size records. Its first offset is the end of the log before the call. It is in the log until
// [Kit.DeleteRecords], or for Inflates a compaction after a later record with its key, "hostile",
// removes it. Hits is 1.
func (k *Kit) HostileBatch(what Hostile, size int) *Effect {
	k.t.Helper()
	text := line("hostile-batch", "does", what.String())
	if !k.require((what == Inflates || what == Claims) && size > 1 && size <= mostHostile, "HostileBatch(%v, %d): use Inflates or Claims, and a size from 2 to %d", what, size, mostHostile) {
		return k.inert(text)
	}
	if _, err := k.cluster.AppendHostile(k.cfg.topic, 0, fakecluster.Hostile(what), []byte("hostile"), size); err != nil {
		k.fatal("HostileBatch(%v, %d): %v", what, size, err)
		return k.inert(text)
	}
	return k.done(text, 1)
}

// mostHostile is the largest size of a hostile batch: the kit has to read it back.
const mostHostile = 1 << 30

func raw(records []Record) []fakecluster.Record {
	out := make([]fakecluster.Record, len(records))
	for i, r := range records {
		out[i] = fakecluster.Record{Key: r.Key, Value: r.Value, Timestamp: r.Time}
	}
	return out
}

// Transaction is one of another program. While it is open no client gets past
// its first record. It is for one goroutine at a time.
type Transaction struct {
	k   *Kit
	txn *fakecluster.Txn
}

// Begin starts a transaction. One that is still open when the test ends is left to the
// brokers.
func (k *Kit) Begin() *Transaction {
	k.t.Helper()
	k.mu.Lock()
	k.txns++
	id := fmt.Sprintf("kvstoretest-%d", k.txns)
	k.mu.Unlock()
	txn, err := k.cluster.Begin(id)
	if err != nil {
		k.fatal("begin a transaction: %v", err)
		return nil
	}
	return &Transaction{k, txn}
}

// Append writes records as one batch of the transaction and returns the offset
// of the last one.
func (x *Transaction) Append(records ...Record) (revision int64) {
	x.k.t.Helper()
	if len(records) == 0 {
		x.k.misuse("Transaction.Append: there are no records to write")
		return -1
	}
	first, err := x.txn.Append(x.k.cfg.topic, 0, raw(records)...)
	if err != nil {
		x.k.fatal("append to a transaction: %v", err)
		return -1
	}
	return first + int64(len(records)) - 1
}

// Commit makes the records visible. The marker takes one more offset.
func (x *Transaction) Commit() { x.k.t.Helper(); x.end("commit", x.txn.Commit) }

// Abort makes sure that the records are never seen. The marker takes one more
// offset.
func (x *Transaction) Abort() { x.k.t.Helper(); x.end("abort", x.txn.Abort) }

func (x *Transaction) end(how string, fn func() error) {
	x.k.t.Helper()
	if err := fn(); err != nil {
		x.k.fatal("%s a transaction: %v", how, err)
	}
}

// Follower is a client whose position can be waited for: a *kvstore.Client, or
// something around one.
type Follower interface {
	Reader
	WaitRevision(ctx context.Context, revision int64) error
}

// CaughtUp waits until each of the clients shows the log as it is now, up to the
// first open transaction, and fails the test when one does not get there. It
// looks at the log itself, past the network and its faults.
func (k *Kit) CaughtUp(clients ...Follower) {
	k.t.Helper()
	if len(clients) == 0 {
		k.misuse("CaughtUp: name the clients to wait for")
		return
	}
	ctx, cancel := k.context()
	defer cancel()
	for _, kv := range clients {
		if err := k.follow(ctx, kv); err != nil {
			k.t.Fatalf("CaughtUp(%s) = %v\n%s", k.describeName(kv), err, k.scene(kv))
		}
	}
}

// follow waits until a client shows the log as it is now.
func (k *Kit) follow(ctx context.Context, kv Follower) error {
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		info, err := k.cluster.Partition(k.cfg.topic, 0)
		if err != nil {
			return err
		}
		if target := info.LastStableOffset; kv.Position() < target {
			err := kv.WaitRevision(ctx, target-1)
			if err != nil && !errors.Is(err, kvstore.ErrDataLoss) || ctx.Err() != nil {
				return err
			}
		}
		if kv.Position() == info.LastStableOffset && k.sameAsLog(ctx, kv) {
			return nil
		}
		// The client is yet to notice that the log lost records, or to
		// read those that were written meanwhile.
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// sameAsLog tells a client that is at the right position of the log from one
// that is there with records that the log has lost since.
func (k *Kit) sameAsLog(ctx context.Context, kv Reader) bool {
	k.mu.Lock()
	cut := k.cut
	k.mu.Unlock()
	if cut == 0 {
		return true
	}
	got, err := contents(ctx, kv)
	if err != nil {
		return false
	}
	log, err := k.readLog()
	if err != nil {
		return false
	}
	if len(log) > 0 {
		// Deleting records makes no client forget what it has read of them.
		start := log[0].Offset
		got = slices.DeleteFunc(got, func(e kvstore.Entry) bool { return e.Revision < start })
	}
	want := log.Entries()
	return slices.EqualFunc(got, want, func(a, b kvstore.Entry) bool {
		return bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value) && a.Revision == b.Revision
	})
}
