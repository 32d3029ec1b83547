package kvstoretest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	lin "github.com/kvsim/kvsim/linearizability"
)

// use does n operations of every kind, with values that repeat.
func use(t testing.TB, kv *Recorded, seed uint64, n int) {
	r := rand.New(rand.NewPCG(seed, 1))
	ctx := t.Context()
	key := func() []byte { return fmt.Appendf(nil, "k%d", r.IntN(4)) }
	value := func() []byte { return fmt.Appendf(nil, "%s%d", []string{"", "~", ""}[r.IntN(3)], r.IntN(5)) }
	for range n {
		var err error
		switch r.IntN(8) {
		case 0, 1:
			err = kv.Put(ctx, key(), value())
		case 2:
			err = kv.Delete(ctx, key())
		case 3:
			err = kv.Batch().Put(key(), value()).Delete(key()).Put(key(), nil).Execute(ctx)
		case 4:
			_, err = kv.Get(ctx, key())
		case 5:
			for _, err = range kv.Range(ctx, kvstore.Prefix("k"), kvstore.QueryOptions{Limit: r.IntN(4)}) {
			}
		case 6:
			err = kv.Sync(ctx)
		case 7:
			err = kv.WaitRevision(ctx, kv.Position()-1)
		}
		if err != nil && !errors.Is(err, kvstore.ErrNotFound) && !errors.Is(err, kvstore.ErrOutcomeUnknown) && !errors.Is(err, kvstore.ErrDataLoss) {
			t.Errorf("operation of %s: %v", kv.Name(), err)
		}
	}
}

// together runs use on all stores at the same time.
func together(t testing.TB, n int, stores ...*Recorded) {
	var all sync.WaitGroup
	for i, kv := range stores {
		all.Go(func() { use(t, kv, uint64(i), n) })
	}
	all.Wait()
}

func TestHistoryOfTheStoreHolds(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T) {
		kit := New(t)
		kit.Seed(map[string]string{"k0": "seeded", "k1": "1"})
		a, b, c := kit.Record(kit.Open("a")), kit.Record(kit.Open("b")), kit.Record(kit.Open("c"))
		together(t, 60, a, b, c)
		v := kit.CheckHistory()
		if v.Status != lin.Held {
			t.Errorf("verdict: %v", v)
		}
		for _, id := range []lin.CheckID{
			lin.CheckAckedOnce, lin.CheckRevision, lin.CheckReadYourWrites, lin.CheckMonotonicReads, lin.CheckBarrier,
			lin.CheckBatchVisible, lin.CheckConvergence, lin.CheckPorcupineSession,
		} {
			if r := v.Result(id); !r.Ran || r.Judged == 0 {
				t.Errorf("%v, want it to be judged", r)
			}
		}
	})
}

// TestHistoryWithEveryFaultHolds has the log compacted, trimmed, truncated and
// written to by others while operations go on.
func TestHistoryWithEveryFaultHolds(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T) {
		kit := New(t, WithBrokers(2))
		a, b := kit.Record(kit.Open("a")), kit.Record(kit.Open("b"))
		disturb := []func(){
			func() { kit.Compact() },
			func() { kit.LoseTail(2) },
			func() { kit.Append(Set("k1", "foreign"), Keyless("x")) },
			func() { kit.Lag(time.Millisecond, "b") },
			func() { x := kit.Begin(); x.Append(Set("k2", "in txn")); x.Abort() },
			func() { x := kit.Begin(); x.Append(Set("k3", "in txn 2")); x.Commit() },
			func() { kit.MoveLeader(1) },
			func() { kit.LoseAnswers(1) },
			func() { kit.RestartBrokers() },
			func() { kit.FailProducesAfterAppend(1, kerr.RequestTimedOut) },
			func() { kit.Compact() },
			func() { kit.UncompactedLeader(0) },
			func() { kit.Compact() },
			func() { kit.DeleteRecords(kit.End() / 2) },
			func() { kit.UncompactedLeader(1) },
			func() { kit.DeleteRecords(1) },
			func() { kit.LoseTail(1) },
		}
		for _, fn := range disturb {
			var all sync.WaitGroup
			all.Go(func() { together(t, 12, a, b) })
			fn()
			all.Wait()
		}
		if v := kit.CheckHistory(); v.Status != lin.Held {
			t.Errorf("verdict: %v", v.Status)
		}
		if got := len(kit.History().Faults); got < 8 {
			t.Errorf("the history has %d faults, want each one", got)
		}
	})
}

func TestHistoryAcrossRestartsAndANewTopic(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T) {
		kit := New(t)
		for range 2 {
			kv := kit.Open("app")
			use(t, kit.Record(kv), 1, 20)
			_ = kv.Close()
		}
		old := kit.Record(kit.Open("old"))
		use(t, old, 2, 10)
		kit.RecreateTopic()
		_ = old.Close()
		use(t, kit.Record(kit.Open("app")), 3, 20)
		kit.CheckHistory()
		if ops := kit.History().Ops; ops[len(ops)-1].Process != 3 {
			t.Errorf("the last operation is of process %d of its client, want 3", ops[len(ops)-1].Process)
		}
	})
}

func TestHistoryWithAnOpenTransaction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit := New(t)
		kv := kit.Record(kit.Client())
		put(t, kv, "k", "1")
		x := kit.Begin()
		x.Append(Set("k", "2"))
		if v := kit.CheckHistory(); v.Status != lin.Held {
			t.Errorf("verdict: %v", v)
		}
	})
}

// staleReader remembers the first entry it saw of each key.
type staleReader struct {
	*kvstore.Client
	mu   sync.Mutex
	seen map[string]kvstore.Entry
}

func (s *staleReader) GetEntry(ctx context.Context, key []byte) (kvstore.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.seen[string(key)]; ok {
		return e, nil
	}
	e, err := s.Client.GetEntry(ctx, key)
	if err == nil {
		s.seen[string(key)] = e
	}
	return e, err
}

// forgetful does not write at all, and says that it did.
type forgetful struct{ *kvstore.Client }

func (f forgetful) PutRevision(context.Context, []byte, []byte) (int64, error) {
	return f.Position(), nil
}

// hasty reports an unknown outcome as a failure.
type hasty struct{ *kvstore.Client }

func (h hasty) PutRevision(ctx context.Context, key, value []byte) (int64, error) {
	rev, err := h.Client.PutRevision(ctx, key, value)
	if err != nil {
		err = kvstore.ErrNotWritten
	}
	return rev, err
}

// sleepy says that it has synchronised when it has not.
type sleepy struct{ *kvstore.Client }

func (sleepy) Sync(context.Context) error { return nil }

// blind shows no key beyond the first in a range.
type blind struct{ *kvstore.Client }

func (b blind) RangeEntries(ctx context.Context, c kvstore.KeyConstraint, _ kvstore.QueryOptions) iter.Seq2[kvstore.Entry, error] {
	return b.Client.RangeEntries(ctx, c, kvstore.QueryOptions{Limit: 1})
}

// TestPlantedBugsAreFound wraps clients so that each breaks one guarantee.
func TestPlantedBugsAreFound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, want string
		test       func(t testing.TB, kit *Kit)
	}{
		{"a stale read", string(lin.CheckReadYourWrites), func(t testing.TB, kit *Kit) {
			kv := kit.Record(&staleReader{Client: kit.Client(), seen: map[string]kvstore.Entry{}})
			put(t, kv, "k", "1")
			_, _ = kv.Get(t.Context(), []byte("k"))
			put(t, kv, "k", "2")
			_, _ = kv.Get(t.Context(), []byte("k"))
		}},
		{"a write that was lost", string(lin.CheckAckedOnce), func(t testing.TB, kit *Kit) {
			put(t, kit.Record(forgetful{kit.Client()}), "k", "1")
		}},
		{"an unknown outcome reported as failed", string(lin.CheckRefusedAbsent), func(t testing.TB, kit *Kit) {
			kv := kit.Record(hasty{kit.Client()})
			kit.LoseAnswers(0)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			kit.PauseFetches()
			if err := kv.Put(ctx, []byte("k"), []byte("1")); err == nil {
				t.Errorf("Put = nil")
			}
		}},
		{"a barrier that is none", string(lin.CheckBarrier), func(t testing.TB, kit *Kit) {
			a, b := kit.Record(kit.Open("a")), kit.Record(sleepy{kit.Open("b")})
			kit.PauseFetches("b")
			put(t, a, "k", "1")
			_ = b.Sync(t.Context())
			_, _ = b.Get(t.Context(), []byte("k"))
		}},
		{"a range that lacks keys", string(lin.CheckConvergence), func(t testing.TB, kit *Kit) {
			kv := kit.Record(blind{kit.Client()})
			put(t, kv, "a", "1")
			put(t, kv, "b", "2")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := onFake(t, func(t testing.TB) {
					kit := New(t)
					c.test(t, kit)
					kit.CheckHistory()
				})
				f.wantErrors(t, c.want)
				if !strings.Contains(f.text(), " of the log:") && !strings.Contains(f.text(), "the log is empty") {
					t.Errorf("the message lacks the log:\n%s", f.text())
				}
			})
		})
	}
}

func TestCheckCanBeSkipped(t *testing.T) {
	t.Parallel()
	f := onFake(t, func(t testing.TB) {
		kit := New(t)
		put(t, kit.Record(forgetful{kit.Client()}), "k", "1")
		kit.CheckHistory(lin.CheckAckedOnce, lin.CheckWriteVisible, lin.CheckReadYourWrites)
	})
	if strings.Contains(f.text(), string(lin.CheckAckedOnce)) {
		t.Errorf("a check that was skipped failed:\n%s", f.text())
	}
}

func TestClientThatDoesNotCatchUpFailsTheCheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := onFake(t, func(t testing.TB) {
			kit := New(t, WithTimeout(time.Second))
			put(t, kit.Record(kit.Client()), "k", "1")
			kit.AppendCorrupt()
			kit.CheckHistory()
		})
		f.wantErrors(t, `CheckHistory: client "client" never caught up: `)
	})
}

func TestNamesInHistories(t *testing.T) {
	t.Parallel()
	kit := New(t)
	if kit.History() != nil {
		t.Error("History before anything was recorded is not nil")
	}
	first := kit.Record(kit.Open("app"))
	stranger := kit.Record(forgetful{kit.Open("other")})
	if a, b := first.Name(), stranger.Name(); a != "app" || b != "store 1" {
		t.Errorf("names = %q, %q", a, b)
	}
	if _, ok := stranger.Unwrap().(forgetful); !ok {
		t.Errorf("Unwrap = %T", stranger.Unwrap())
	}
	for raw, want := range map[string]string{
		"": "", "=": "~empty", "=v": "v", "=~v": "~=~v",
		"=" + strings.Repeat("x", 60): "xxxxxxxxxxxxxxxx...60-bytes-",
	} {
		if got := valueID(raw, 1); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("valueID(%q) = %q, want %q", raw, got, want)
		}
	}
	if got := valueID("=v", 2); got != "~=v" {
		t.Errorf("valueID of a value written twice = %q", got)
	}
}

// slowToReturn lets readers see what it applied a second before it says so.
type slowToReturn struct{ *memory.Storage }

func (s slowToReturn) ApplyRecords(ctx context.Context, records []kvstore.Record) error {
	err := s.Storage.ApplyRecords(ctx, records)
	time.Sleep(time.Second)
	return err
}

// TestReadAheadOfItsPositionIsNoViolation has a read show a record, and then its
// absence, before the client's position counts them.
func TestReadAheadOfItsPositionIsNoViolation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit := New(t, WithStorage(func(testing.TB) kvstore.Storage { return slowToReturn{memory.New()} }))
		writer, kv := kit.Record(kit.Open("writer")), kit.Record(kit.Open("reader"))
		read := func(want error) {
			t.Helper()
			time.Sleep(500 * time.Millisecond)
			if _, err := kv.Get(t.Context(), []byte("k")); !errors.Is(err, want) {
				t.Errorf("get = %v, want %v", err, want)
			}
		}
		done := make(chan error, 2)
		go func() {
			done <- writer.Put(t.Context(), []byte("k"), []byte("v"))
			done <- writer.Delete(t.Context(), []byte("k"))
		}()
		read(nil)
		if got := kv.Position(); got != 0 {
			t.Errorf("position %d while the record is applied, want 0", got)
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
			read(kvstore.ErrNotFound)
		}
		if v := kit.CheckHistory(); v.Status != lin.Held {
			t.Errorf("verdict: %v", v)
		}
	})
}

// A transaction of another program survives the loss of records behind it, and commits.
func TestHistoryKnowsTransactionsThatOutliveALostTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit := New(t)
		a := kit.Record(kit.Open("a"))
		txn := kit.Begin()
		txn.Append(Set("theirs", "1"))
		lost := kit.Begin()
		lost.Append(Set("lost", "1"))
		kit.LoseTail(1)
		txn.Commit()
		if err := a.Put(t.Context(), []byte("k"), []byte("v")); err != nil {
			t.Fatal(err)
		}
		kit.WantContents(a, map[string]string{"theirs": "1", "k": "v"})
		kit.CheckHistory()
	})
}

// A transaction whose marker is lost is aborted by the brokers.
func TestHistoryKnowsTransactionsWhoseMarkerWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit := New(t)
		a := kit.Record(kit.Open("a"))
		txn := kit.Begin()
		txn.Append(Set("theirs", "1"))
		txn.Commit()
		kit.CaughtUp(a)
		kit.WantContents(a, map[string]string{"theirs": "1"})
		kit.LoseTail(1)
		if err := a.Put(t.Context(), []byte("k"), []byte("v")); err != nil {
			t.Fatal(err)
		}
		kit.CaughtUp(a)
		kit.WantContents(a, map[string]string{"k": "v"})
		kit.CheckHistory()
	})
}

// Where a transaction lost its marker, the log can end behind records that compaction removed.
func TestHistoryKnowsTheEndBehindCompactedRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit := New(t)
		a := kit.Record(kit.Open("a"))
		txn := kit.Begin()
		txn.Append(Set("theirs", "1"))
		kit.Append(Set("k", "1")) // compaction removes it
		txn.Commit()              // at offset 2
		kit.Append(Set("k", "2"))
		kit.Compact()
		kit.LoseTail(int(kit.End() - 2))
		kit.CaughtUp(a)
		kit.WantContents(a, nil)
		if err := a.Put(t.Context(), []byte("k"), []byte("3")); err != nil {
			t.Fatal(err)
		}
		kit.CaughtUp(a)
		kit.CheckHistory()
	})
}

// What superseded a record that compaction removed can be lost, and the key then has no value.
func TestHistoryKnowsThatWhatCompactionRemovedIsNotBackAfterALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit := New(t)
		a := kit.Record(kit.Open("a"))
		kit.Append(Set("l", "1"))
		kit.Append(Set("k", "1"))
		kit.Append(Set("k", "2"))
		kit.CaughtUp(a)
		kit.Compact()
		kit.LoseTail(int(kit.End() - 2))
		kit.CaughtUp(a)
		kit.WantContents(a, map[string]string{"l": "1"})
		kit.CheckHistory()
	})
}

// A history that begins late has what is left of the log, and knows where the log ends.
func TestHistoryBeginsWithWhatIsLeftOfTheLog(t *testing.T) {
	for name, remove := range map[string]func(*Kit){
		"all records deleted": func(kit *Kit) {
			kit.Append(Set("k", "1"), Set("k", "2"))
			kit.DeleteRecords(-1)
		},
		"compacted": func(kit *Kit) {
			kit.Append(Set("l", "1"))
			kit.Append(Record{Key: []byte("l")})
			kit.Compact()
		},
		"transactions compacted": func(kit *Kit) {
			txn, dropped := kit.Begin(), kit.Begin()
			txn.Append(Set("k", "1"))
			dropped.Append(Set("k", "2"))
			txn.Commit()
			dropped.Abort()
			kit.Append(Set("k", "3"))
			kit.Compact()
			kit.Compact()
		},
		"compacted, and the end lost": func(kit *Kit) {
			kit.Append(Set("l", "1"))
			kit.Append(Set("k", "1"))
			kit.Append(Set("k", "2"))
			kit.Compact()
			kit.LoseTail(int(kit.End() - 2))
		},
	} {
		for _, writes := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, then written: %v", name, writes), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					kit := New(t)
					remove(kit)
					kv := kit.Record(kit.Open("a"))
					if writes {
						if err := kv.Put(t.Context(), []byte("k"), []byte("3")); err != nil {
							t.Fatal(err)
						}
					}
					if err := kv.Sync(t.Context()); err != nil {
						t.Fatal(err)
					}
					kit.CheckHistory()
				})
			})
		}
	}
}
