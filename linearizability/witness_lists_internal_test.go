package linearizability

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
)

// randomLog returns a history with a log that loses its tail often.
func randomLog(seed uint64, events int) *History {
	rng := rand.New(rand.NewPCG(seed, 3))
	h := &History{Header: Header{Tap: TapExact}}
	end := int64(0)
	for i := range events {
		l := LogEvent{Stamp: Stamp{Seq: int64(i + 1)}, Kind: LogAppend}
		if p := rng.IntN(10); p == 0 || p == 1 && seed%2 == 0 {
			l.Kind = LogTruncate
			l.Offset = max(0, end-int64(rng.IntN(1+rng.IntN(20))))
			end = l.Offset
		} else {
			end += int64(rng.IntN(2)) // some offsets are empty
			l.Record = Record{Offset: end, Key: string("abcdef"[rng.IntN(6)]), Value: fmt.Sprint("~", rng.IntN(3)), Foreign: true}
			end++
		}
		h.Log = append(h.Log, l)
	}
	return h
}

// TestLists_are_those_that_each_epoch_would_have_alone compares lists that share their
// segments with lists that don't.
func TestLists_are_those_that_each_epoch_would_have_alone(t *testing.T) {
	for seed := range uint64(20) {
		x := newLogIndex(randomLog(seed, 600), 1<<60)
		for e := range int32(len(x.epochs)) {
			var want [6][]int32
			for r := range x.records {
				if rec := &x.records[r]; rec.born <= e && e < rec.died {
					want[rec.key] = append(want[rec.key], int32(r))
				}
			}
			for k := range x.keys {
				sameList(t, x, x.versions.in(e, int32(k)), want[k])
				l := x.versions.in(e, int32(k))
				from := l.len() / 3
				to := max(from, l.len()-l.len()/4)
				sameList(t, x, l.part(from, to), want[k][from:to])
			}
		}
		if len(x.epochs) < 20 {
			t.Errorf("seed %d: only %d epochs", seed, len(x.epochs))
		}
	}
}

func sameList(t *testing.T, x *logIndex, l list, want []int32) {
	t.Helper()
	if l.len() != len(want) {
		t.Fatalf("a list has %d records, want %d", l.len(), len(want))
	}
	for i, r := range want {
		if l.at(i) != r {
			t.Fatalf("record %d of a list is %d, want %d", i, l.at(i), r)
		}
	}
	for off := int64(-1); off < 60; off++ {
		at := sort.Search(len(want), func(i int) bool { return x.records[want[i]].off >= off })
		if got := x.search(l, off); got != at {
			t.Fatalf("search(%d) = %d, want %d", off, got, at)
		}
	}
}

func TestLowest_is_the_lowest_of_each_range(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{1, 2, 31, 32, 33, 64, 200, 700} {
		epochs := make([]epoch, n)
		for e := range epochs {
			epochs[e].cut = rng.Int64N(1000)
		}
		l := newLowest(epochs)
		for from := range n {
			low := beyond
			for to := from; to < n; to++ {
				if low = min(low, epochs[to].cut); l.of(int32(from), int32(to)) != low {
					t.Fatalf("of(%d, %d) = %d, want %d", from, to, l.of(int32(from), int32(to)), low)
				}
			}
		}
	}
}

// TestOpenTransactions_begin_where_a_plain_map_has_them compares what is kept of open
// transactions with a map that is searched each time.
func TestOpenTransactions_begin_where_a_plain_map_has_them(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 5))
		open, plain := &openTxns{of: map[string]*txnStart{}}, map[string]int64{}
		end := int64(0)
		for range 200 {
			txn := fmt.Sprint("t", rng.IntN(12))
			off := int64(0)
			if end > 0 {
				off = rng.Int64N(end + 3)
			}
			switch rng.IntN(8) {
			case 0, 1, 2, 3:
				open.begin(txn, end)
				if _, ok := plain[txn]; !ok {
					plain[txn] = end
				}
				end++
			case 4, 5:
				open.end(txn)
				delete(plain, txn)
			case 6:
				open.trim(off)
				for t, first := range plain {
					plain[t] = max(first, off)
				}
			default:
				open.lose(off)
				end = min(end, off)
				for t, first := range plain {
					if first >= off {
						delete(plain, t)
					}
				}
			}
			want := int64(1000)
			for _, first := range plain {
				want = min(want, first)
			}
			if got := open.stable(1000); got != want {
				t.Fatalf("seed %d: stable() = %d, want %d", seed, got, want)
			}
		}
	}
}

// TestReads_of_one_key_need_few_of_the_starts compares the lowest position of the starts that
// are tried with the lowest of all.
func TestReads_of_one_key_need_few_of_the_starts(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 7))
		h := &History{Header: Header{Tap: Tap(1 + seed%2)}}
		n := int64(0)
		for i := range 60 {
			l := LogEvent{Stamp: Stamp{Seq: int64(i + 1)}, Kind: LogAppend}
			if n > 2 && rng.IntN(4) == 0 {
				l.Kind, l.Offset = LogTrim, rng.Int64N(n)
			} else {
				l.Record = Record{Offset: n, Key: string("ab"[rng.IntN(2)]), Value: []string{"", "~x", fmt.Sprint("v", i)}[rng.IntN(3)], Foreign: true}
				n++
			}
			h.Log = append(h.Log, l)
		}
		x := newLogIndex(h, 1<<60)
		j := &judge{h: h, x: x}
		p := &process{client: "c", number: 1}
		for c := range x.classes {
			for lo := range n {
				r := &read{seq: 100, proc: p, pos: None, targets: []target{j.target(x.keys[x.classes[c].key], x.classes[c].value, None, 100)}}
				want := beyond
				for _, r.base = range slices.Clone(x.bases(p, r.seq, 0)) {
					want = min(want, x.leastIn(r, 0, max(lo, r.base), n))
				}
				r.base = 0
				if got := x.leastOf(r, 0, lo, n); got != want && (got <= n || want <= n) {
					t.Fatalf("seed %d: the lowest position from %d on is %d, want %d", seed, lo, got, want)
				}
			}
		}
	}
}
