package recordlog

import (
	"fmt"
	"strings"
	"testing"
)

// script is a log as text: "1" is a batch of producer 1 in a transaction, "1c" and "1a" are its markers,
// "1-" is a batch outside of any, and "cut 3" loses everything from offset 3 on. Offsets count from 0.
func script(t *testing.T, txns *Transactions, text string) (said []string) {
	t.Helper()
	next := int64(0)
	for step := range strings.SplitSeq(text, ", ") {
		var at, producer int64
		if n, _ := fmt.Sscanf(step, "cut %d", &at); n == 1 {
			for _, x := range txns.Truncate(at) {
				said = append(said, x.Name()+" is gone")
			}
			next = at
			continue
		}
		kind := strings.TrimLeft(step, "0123456789")
		if _, err := fmt.Sscan(strings.TrimSuffix(step, kind), &producer); err != nil {
			t.Fatal(err)
		}
		b := Batch{FirstOffset: next, LastOffset: next, ProducerID: producer, ProducerEpoch: int16(next), Transactional: kind != "-"}
		if b.Control = kind == "c" || kind == "a"; b.Control {
			b.Records = []Record{{Key: []byte{0, 0, 0, map[string]byte{"a": 0, "c": 1}[kind]}}}
		}
		next++
		switch x, ok := txns.Next(&b); {
		case !ok:
			said = append(said, "none")
		case x.Ended() && x.Commit:
			said = append(said, x.Name()+" commits")
		case x.Ended():
			said = append(said, x.Name()+" aborts")
		default:
			said = append(said, x.Name())
		}
	}
	return said
}

func TestTransactionsAreFollowed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, log, want, open, decided string }{
		{"one", "1, 1, 1c", "t1, t1, t1 commits", "", "t1 0..2"},
		{"aborted", "1, 1a", "t1, t1 aborts", "", "t1 0..1"},
		{"across each other", "1, 2, 1-, 1a, 2c", "t1, t2, none, t1 aborts, t2 commits", "", "t1 0..3, t2 1..4"},
		{"one after the other", "1, 1c, 1", "t1, t1 commits, t2", "t2 of 1 in epoch 2", "t1 0..1"},
		{"a marker alone", "1c", "none", "", ""},
		{"open", "2, 1, 2", "t1, t2, t1", "t1 of 2 in epoch 2, t2 of 1 in epoch 1", ""},
		{"lost as a whole", "1, 2, 2, cut 1, 2", "t1, t2, t2, t2 is gone, t3", "t1 of 1 in epoch 0, t3 of 2 in epoch 1", ""},
		{"lost in part", "1, 1, cut 1, 1c", "t1, t1, t1 commits", "", "t1 0..1"},
		{"its marker lost", "1, 1c, 2, cut 1", "t1, t1 commits, t2, t2 is gone", "", ""},
		{"its marker kept", "1, 1c, 2, cut 2", "t1, t1 commits, t2, t2 is gone", "", "t1 0..1"},
	} {
		var txns Transactions
		if got := strings.Join(script(t, &txns, c.log), ", "); got != c.want {
			t.Errorf("%s: Next = %s, want %s", c.name, got, c.want)
		}
		var open, decided []string
		for _, x := range txns.Open() {
			open = append(open, fmt.Sprintf("%s of %d in epoch %d", x.Name(), x.Producer, x.Epoch))
			if of, ok := txns.Of(x.Producer); !ok || of != x {
				t.Errorf("%s: Of(%d) = %v, %v; want %v", c.name, x.Producer, of, ok, x)
			}
		}
		for _, x := range txns.Decided() {
			decided = append(decided, fmt.Sprintf("%s %d..%d", x.Name(), x.First, x.Marker))
		}
		if got := strings.Join(open, ", "); got != c.open {
			t.Errorf("%s: Open = %s, want %s", c.name, got, c.open)
		}
		if got := strings.Join(decided, ", "); got != c.decided {
			t.Errorf("%s: Decided = %s, want %s", c.name, got, c.decided)
		}
	}
}

func TestTransactionThatNothingEndsIsForgotten(t *testing.T) {
	t.Parallel()
	var txns Transactions
	script(t, &txns, "1, 2")
	txns.Abort(txns.Open()[0])
	if got := script(t, &txns, "1c, 1, 2c"); strings.Join(got, ", ") != "none, t3, t2 commits" || txns.Count() != 3 {
		t.Errorf("after the first was given up = %q, %d in all", got, txns.Count())
	}
}

func TestCutPartsATransactionBetweenItsFirstRecordAndItsMarker(t *testing.T) {
	t.Parallel()
	x := Transaction{First: 3, Marker: 5}
	for off, want := range []bool{3: false, 4: true, 5: true, 6: false} {
		if got := x.Parted(int64(off)); got != want {
			t.Errorf("Parted(%d) = %v, want %v", off, got, want)
		}
	}
	if (Transaction{First: 3, Marker: -1}).Parted(4) {
		t.Error("an open transaction is parted: it has no end that a cut could take")
	}
}
