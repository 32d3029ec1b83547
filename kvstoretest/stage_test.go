package kvstoretest

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kvsim/kvsim/kvstore"
)

func TestSeedIsReadByClients(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T) {
		kit := New(t)
		want := map[string]string{}
		for i := range 2*seedBatch + 1 {
			want[fmt.Sprintf("key-%04d", i)] = fmt.Sprint(i)
		}
		if got := kit.Seed(want); got != 2*seedBatch {
			t.Errorf("Seed = revision %d, want %d", got, 2*seedBatch)
		}
		kit.WantContents(kit.Client(), want)
		kit.WantSnapshot(want)
		if got := kit.Contents(kit.Client()).Map(); !cmp.Equal(got, want) {
			t.Errorf("Contents: %s", cmp.Diff(got, want))
		}
	})
}

// TestLogTellsEveryKindOfRecord writes each kind, reads the log back and lets a
// client read it.
func TestLogTellsEveryKindOfRecord(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T) {
		kit := New(t)
		at := time.UnixMilli(1_750_000_000_000)
		if got := kit.Append(Record{Key: []byte("a"), Value: []byte("1"), Time: at}, Set("b", ""), Tombstone("c")); got != 2 {
			t.Errorf("Append of 3 = revision %d, want 2", got)
		}
		kit.Append(Keyless("nothing"))
		commit := kit.Begin()
		commit.Append(Set("a", "2"))
		commit.Commit()
		abort := kit.Begin()
		abort.Append(Set("a", "3"), Tombstone("b"))
		abort.Abort()
		open := kit.Begin()
		if got := open.Append(Set("d", "4")); got != 9 {
			t.Errorf("Transaction.Append = revision %d, want 9", got)
		}
		kit.Append(Set("e", "5"))

		log := kit.Log()
		want := strings.TrimSpace(`
offset 0  "a" = "1"
offset 1  "b" = ""
offset 2  "c" deleted
offset 3  no key, value "nothing"
offset 4  "a" = "2"
offset 5  marker: committed
offset 6  "a" = "3" (transaction aborted)
offset 7  "b" deleted (transaction aborted)
offset 8  marker: aborted
offset 9  "d" = "4" (transaction open)
offset 10  "e" = "5"`)
		if d := cmp.Diff(want, log.String()); d != "" {
			t.Errorf("Log (-want +got):\n%s", d)
		}
		if !log[0].Time.Equal(at) || log[0].Producer != -1 || log[4].Producer < 0 {
			t.Errorf("Log()[0] = %+v, [4] = %+v", log[0], log[4])
		}
		if got, want := kit.Snapshot().String(), `"a"="2" (4), "b"="" (1)`; got != want {
			t.Errorf("Snapshot = %s, want %s", got, want)
		}
		if got := kit.End(); got != 11 {
			t.Errorf("End = %d, want 11", got)
		}
		open.Commit()
		kv := kit.Client()
		kit.WantContents(kv, map[string]string{"a": "2", "b": "", "d": "4", "e": "5"})
		if got := kv.Status().SkippedRecords; got != 1 {
			t.Errorf("client skipped %d records, want the keyless one", got)
		}
	})
}

func TestCorruptBatchStopsClients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit := New(t)
		kv := kit.Client()
		put(t, kv, "k", "v")
		if got := kit.AppendCorrupt(); got != 1 {
			t.Errorf("AppendCorrupt = offset %d, want 1", got)
		}
		if got := kit.Log()[1].String(); got != "offset 1  batch that can't be decoded" {
			t.Errorf("Log()[1] = %s", got)
		}
		time.Sleep(time.Second)
		if s := kv.Status(); s.State != kvstore.StateStalled || s.Position != 1 {
			t.Errorf("Status = %v at %d, want stalled at 1", s.State, s.Position)
		}
	})
}

func TestCaughtUpSeesWhatOthersWrote(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T) {
		kit := New(t)
		a, b := kit.Open("a"), kit.Open("b")
		lag := kit.Lag(20*time.Millisecond, "b")
		for i := range 20 {
			put(t, a, "k", fmt.Sprint(i))
			kit.CaughtUp(a, b)
			kit.WantValue(b, "k", fmt.Sprint(i))
		}
		lag.Wait(20)
		txn := kit.Begin()
		txn.Append(Set("k", "in a transaction"))
		kit.CaughtUp(a, b) // does not wait for the transaction
		kit.WantValue(b, "k", "19")
		txn.Commit()
		kit.CaughtUp(a, b)
		kit.WantValue(b, "k", "in a transaction")
	})
}

func TestCaughtUpAfterALostTailWaitsForTheRebuild(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T) {
		kit := New(t)
		a, b := kit.Open("a"), kit.Open("b")
		put(t, a, "kept", "1")
		put(t, a, "lost", "1")
		kit.CaughtUp(a, b)
		if f := kit.LoseTail(1); f.Hits() != 1 {
			t.Errorf("LoseTail(1) took %d records", f.Hits())
		}
		// The same end of the log as before, with something else in it.
		kit.Append(Set("new", "2"))
		kit.CaughtUp(a, b)
		for _, kv := range []*kvstore.Client{a, b} {
			kit.WantContents(kv, map[string]string{"kept": "1", "new": "2"})
		}
	})
}

func TestCaughtUpFailsWithTheScene(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := onFake(t, func(t testing.TB) {
			kit := New(t, WithTimeout(5*time.Second))
			a, b := kit.Open("a"), kit.Open("b")
			kit.PauseFetches("b")
			put(t, a, "k", "v")
			kit.CaughtUp(a, b)
		})
		f.wantErrors(t, `CaughtUp("b") = wait for revision 0: at position 0, waiting for 1: context deadline exceeded`)
		for _, want := range []string{
			`client "b" at position 0, live`,
			`offset 0  "k" = "v" (not applied yet)`,
			`fault: stall client=b dir=to-client api=fetch, 1 hit`,
		} {
			if !strings.Contains(f.text(), want) {
				t.Errorf("reported:\n%s\nwant %q in it", f.text(), want)
			}
		}
	})
}
