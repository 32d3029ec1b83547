package memory

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kvsim/kvsim/kvstore"
)

type reader func(s *Storage, keys int) (seen uint64, err error)

// TestReadersSeeWholeBatches writes batches that set all keys to the same number
// and has every kind of reader look for a mixture, or for a number that goes
// back.
func TestReadersSeeWholeBatches(t *testing.T) {
	withAndWithout(t, func(t *testing.T, o options) {
		readWholeBatches(t, o, map[string]reader{"range": readRange, "snapshot": readSnapshot, "gets": readGets, "turns": readInTurn})
	})
}

// TestGetsSeeWholeBatchesBeforeTheFirstRange does so with a storage that never
// gets a tree.
func TestGetsSeeWholeBatchesBeforeTheFirstRange(t *testing.T) {
	s := readWholeBatches(t, usual, map[string]reader{"gets": readGets, "other gets": readGets})
	if s.tree.Load() != nil {
		t.Error("gets have built a tree")
	}
}

// withAndWithout runs a test with a storage that has all structures, and with one without each
// of them and without any.
func withAndWithout(t *testing.T, test func(t *testing.T, o options)) {
	t.Helper()
	test(t, usual)
	for _, l := range lacking {
		t.Run("without "+l.what, func(t *testing.T) {
			if testing.Short() {
				t.Skip("races again with a structure less; not with -short")
			}
			test(t, l.options())
		})
	}
}

// times is n, or less where a structure is missing.
func (o options) times(n int) int {
	if o != usual {
		return n / 5
	}
	return n
}

func readWholeBatches(t *testing.T, o options, readerOf map[string]reader) *Storage {
	const keys = 300
	s := open(o)
	mustNot(t, s.ApplyRecords(context.Background(), uniform(keys, 0)))

	var done atomic.Bool
	var readers sync.WaitGroup
	for name, read := range readerOf {
		readers.Go(func() {
			var last uint64
			for rounds := 0; !done.Load() || rounds == 0; rounds++ {
				seen, err := read(s, keys)
				if err != nil || seen < last {
					t.Errorf("%s: saw batch %d after %d: %v", name, seen, last, err)
					return
				}
				last = seen
			}
		})
	}
	for i := 1; i <= o.times(400); i++ {
		if err := s.ApplyRecords(context.Background(), uniform(keys, uint64(i))); err != nil {
			t.Error(err)
		}
	}
	done.Store(true)
	readers.Wait()
	return s
}

// TestGetNeverSeesTheMidstOfABatch has batches delete all keys and set them
// again, and readers, more than there are processors, that miss none.
func TestGetNeverSeesTheMidstOfABatch(t *testing.T) { withAndWithout(t, getNeverSeesTheMidstOfABatch) }

func getNeverSeesTheMidstOfABatch(t *testing.T, o options) {
	const keys = 5000
	ctx := context.Background()
	batch := slices.Concat(uniform(keys, 0), uniform(keys, 1))
	for i := range keys {
		batch[i].Delete = true
	}
	for _, ordered := range []bool{true, false} {
		s := open(o)
		mustNot(t, s.ApplyRecords(ctx, uniform(keys, 1)))
		if ordered {
			s.latest()
		}
		var done atomic.Bool
		var readers sync.WaitGroup
		for r := range 8 {
			readers.Go(func() {
				for i := r; !done.Load(); i += 7 {
					if _, err := s.Get(ctx, key(i%keys)); err != nil {
						t.Errorf("get of a key that is always there: %v", err)
						return
					}
				}
			})
		}
		for range o.times(40) {
			mustNot(t, s.ApplyRecords(ctx, batch))
		}
		done.Store(true)
		readers.Wait()
	}
}

// TestResetIsSeenAtOnce has readers look at a storage that is filled and reset by turns:
// who has seen it empty sees what was there before no more, and a range all or nothing.
func TestResetIsSeenAtOnce(t *testing.T) { withAndWithout(t, resetIsSeenAtOnce) }

func resetIsSeenAtOnce(t *testing.T, o options) {
	const keys = 300
	ctx := context.Background()
	s := open(o)
	var done atomic.Bool
	var readers sync.WaitGroup
	for r := range 4 {
		readers.Go(func() {
			oldest := uint64(0) // what may still be seen
			saw := func(how string, n uint64) {
				if n < oldest {
					t.Errorf("%s shows fill %d after %d was reset or overwritten", how, n, oldest)
				}
				oldest = max(oldest, n)
			}
			filled := false // the last read found fill oldest
			for i := r; !done.Load() && !t.Failed(); i++ {
				if v, err := s.Get(ctx, key(i%keys)); err == nil {
					saw("a get", binary.BigEndian.Uint64(v))
					filled = true
				} else if filled {
					oldest++
					filled = false
				}
				count := 0
				for kv := range s.Range(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
					saw("a range", binary.BigEndian.Uint64(kv.Value))
					filled = true
					count++
				}
				if count == 0 && filled {
					oldest++
					filled = false
				} else if count != 0 && count != keys {
					t.Errorf("a range shows %d keys of %d", count, keys)
				}
			}
		})
	}
	for i := range uint64(o.times(1000)) {
		mustNot(t, s.ApplyRecords(ctx, uniform(keys, i)))
		mustNot(t, s.Reset(ctx))
	}
	done.Store(true)
	readers.Wait()
}

// TestRangeShowsWhatWasWrittenWhileTheTreeWasBuilt has a writer go on while the first
// Range builds the tree.
func TestRangeShowsWhatWasWrittenWhileTheTreeWasBuilt(t *testing.T) {
	const keys = 60_000
	ctx := context.Background()
	s := New()
	mustNot(t, s.ApplyRecords(ctx, uniform(keys, 0)))
	var wg sync.WaitGroup
	wg.Go(func() { s.latest() })
	for i := range uint64(50) {
		mustNot(t, s.ApplyRecords(ctx, uniform(100, i+1)))
	}
	wg.Wait()
	mustNot(t, s.Delete(ctx, key(keys-1)))
	count := 0
	for kv, err := range s.Range(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
		mustNot(t, err)
		want := uint64(0)
		if count < 100 {
			want = 50
		}
		if n := binary.BigEndian.Uint64(kv.Value); n != want || string(kv.Key) != string(key(count)) {
			t.Fatalf("the range has %q = %d in place %d, want %d", kv.Key, n, count, want)
		}
		count++
	}
	if count != keys-1 {
		t.Errorf("%d keys, want %d", count, keys-1)
	}
	checkNow(t, s, true)
}

// uniform returns records that set every key to n.
func uniform(keys int, n uint64) []kvstore.Record {
	records := make([]kvstore.Record, keys)
	for i := range records {
		records[i] = kvstore.Record{
			Key: key(i), Value: binary.BigEndian.AppendUint64(nil, n), Revision: int64(n),
		}
	}
	return records
}

func key(i int) []byte {
	return fmt.Appendf(nil, "key/%08d", i)
}

func readRange(s *Storage, keys int) (seen uint64, err error) {
	count := 0
	for kv, err := range s.Range(context.Background(), kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
		if err != nil {
			return 0, err
		}
		n := binary.BigEndian.Uint64(kv.Value)
		if count++; count > 1 && n != seen {
			return 0, fmt.Errorf("torn: %q = %d, keys before it %d", kv.Key, n, seen)
		}
		seen = n
	}
	if count != keys {
		return 0, fmt.Errorf("%d keys, want %d", count, keys)
	}
	return seen, nil
}

func readSnapshot(s *Storage, keys int) (seen uint64, err error) {
	snapshot, err := s.Snapshot(context.Background())
	if err != nil {
		return 0, err
	}
	for i := range keys {
		e, err := snapshot.GetEntry(context.Background(), key(i))
		if err != nil {
			return 0, err
		}
		n := binary.BigEndian.Uint64(e.Value)
		if n != uint64(e.Revision) || i > 0 && n != seen {
			return 0, fmt.Errorf("torn: %q = %d at %d, keys before it %d", e.Key, n, e.Revision, seen)
		}
		seen = n
	}
	return seen, nil
}

// readInTurn reads in every way, one after the other: what a Get has shown, a Range
// must show, though they look at different structures.
func readInTurn(s *Storage, keys int) (seen uint64, err error) {
	get := func(s *Storage, keys int) (uint64, error) {
		v, err := s.Get(context.Background(), key(keys/2))
		if err != nil {
			return 0, err
		}
		return binary.BigEndian.Uint64(v), nil
	}
	for i, read := range []reader{get, readRange, get, readSnapshot, get} {
		n, err := read(s, keys)
		if err != nil {
			return 0, err
		}
		if n < seen {
			return 0, fmt.Errorf("read %d of a turn shows batch %d, one before it %d", i, n, seen)
		}
		seen = n
	}
	return seen, nil
}

// readGets reads key after key from the live storage: a later read may see a
// later batch and never an earlier one.
func readGets(s *Storage, keys int) (seen uint64, err error) {
	for i := range keys {
		v, err := s.Get(context.Background(), key(keys-1-i))
		if err != nil {
			return 0, err
		}
		n := binary.BigEndian.Uint64(v)
		if n < seen {
			return 0, fmt.Errorf("%q = %d after another key was %d", key(i), n, seen)
		}
		seen = n
	}
	return seen, nil
}

// TestSnapshotIsIsolated has snapshots read again and again while their keys
// are overwritten, deleted and reset.
func TestSnapshotIsIsolated(t *testing.T) { withAndWithout(t, snapshotIsIsolated) }

func snapshotIsIsolated(t *testing.T, o options) {
	const keys, rounds = 200, 60
	ctx := context.Background()
	s := open(o)
	var readers sync.WaitGroup
	for i := range rounds {
		n := uint64(i)
		mustNot(t, s.ApplyRecords(ctx, uniform(keys, n)))
		snapshot, err := s.Snapshot(ctx)
		mustNot(t, err)
		readers.Go(func() {
			for range 5 {
				count := 0
				for e, err := range snapshot.Range(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
					if err != nil || binary.BigEndian.Uint64(e.Value) != n {
						t.Errorf("snapshot %d holds %q = %x, %v", n, e.Key, e.Value, err)
						return
					}
					count++
				}
				if count != keys {
					t.Errorf("snapshot %d has %d keys, want %d", n, count, keys)
				}
			}
		})
		for k := range keys / 3 {
			mustNot(t, s.Delete(ctx, key(k*3)))
		}
		if i%5 == 4 {
			mustNot(t, s.Reset(ctx))
		}
	}
	readers.Wait()
}

// TestSecondFirstRangeHoldsNoWriterUp has one reader put the keys in order, for as long as the
// test likes, and another one that waits for it: writes go on.
func TestSecondFirstRangeHoldsNoWriterUp(t *testing.T) {
	s := New()
	mustNot(t, s.ApplyRecords(context.Background(), uniform(10, 1)))
	s.ask()
	s.treeMu.Lock() // as the first reader does, who has collected the items
	s.last = &write{number: s.version.Load() / 2}
	first := &tree{s.maker.Build(slices.Collect(s.index.All)), s.last}

	var second sync.WaitGroup
	second.Go(func() {
		if n := len(keysOf(s.latest())); n != 10 {
			t.Errorf("the second reader sees %d keys, want 10", n)
		}
	})
	free := false
	for i := 0; i < 1_000_000 && !free; i++ {
		runtime.Gosched()
		free = i > 10_000 && s.mu.TryLock() // it has had time to begin
	}
	if free {
		s.mu.Unlock()
	} else {
		t.Error("the reader that waits for the order holds writers up")
	}
	s.tree.Store(first)
	s.treeMu.Unlock()
	second.Wait()
}
