package kvstore

import (
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

// told says what a write was told, as text.
func (res written) told() string {
	outcome := "written"
	switch {
	case res.below != nil:
		outcome = "below"
	case res.outcome != nil:
		outcome = res.outcome.Error()
	}
	end := "ends"
	if res.awaits() {
		end = "awaits"
	}
	return fmt.Sprintf("%s at %d, %s", outcome, res.revision, end)
}

// writesOf returns a group of writes, each with so many records.
func writesOf(records ...int) []*write {
	var group []*write
	for _, n := range records {
		wr := &write{}
		for range n {
			wr.changes = append(wr.changes, change{key: []byte("k"), value: []byte("v")})
		}
		group = append(group, wr)
	}
	return group
}

func TestOutcomesOfAGroup(t *testing.T) {
	t.Parallel()
	group := writesOf(1, 3, 1) // with their last records at 0, 3 and 4 of the batch
	who := sender{id: 7, epoch: 1, sequence: 3}
	at := func(offset int64) delivered { return delivered{offset: offset} }
	ended := func(outcome, cause error) delivered { return delivered{offset: -1, outcome: outcome, cause: cause} }
	for name, c := range map[string]struct {
		result result
		want   [3]string
	}{
		"acknowledged": {
			result{delivered: at(20), known: 20},
			[3]string{"written at 20, awaits", "written at 23, awaits", "written at 24, awaits"},
		},
		"acknowledged at the start of the log": {
			result{delivered: at(0)},
			[3]string{"written at 0, awaits", "written at 3, awaits", "written at 4, awaits"},
		},
		"in the log, nobody says where": {
			result{delivered: at(-1), known: 20},
			[3]string{"written at -1, ends", "written at -1, ends", "written at -1, ends"},
		},
		"in another log, which ends below what is known": {
			result{delivered: at(20), known: 40},
			[3]string{"below at 20, ends", "below at 23, ends", "below at 24, ends"},
		},
		"in another log, in part below what is known": {
			result{delivered: at(20), known: 23},
			[3]string{"below at 20, ends", "written at 23, awaits", "written at 24, awaits"},
		},
		"unknown": {
			result{delivered: ended(ErrOutcomeUnknown, ErrDeliveryTimeout), known: 20},
			[3]string{"outcome unknown at -1, ends", "outcome unknown at -1, ends", "outcome unknown at -1, ends"},
		},
		"not written": {
			result{delivered: ended(ErrNotWritten, ErrClientClosed)},
			[3]string{"not written at -1, ends", "not written at -1, ends", "not written at -1, ends"},
		},
		"refused": {
			result{delivered: ended(ErrRefused, kerr.TopicAuthorizationFailed)},
			[3]string{"refused at -1, ends", "refused at -1, ends", "refused at -1, ends"},
		},
	} {
		c.result.who, c.result.term = who, 5
		i := 0
		for wr, res := range c.result.outcomes(group) {
			if wr != group[i] {
				t.Errorf("%s: outcome %d is that of another write", name, i)
			}
			if got := res.told(); got != c.want[i] {
				t.Errorf("%s: write %d: %s, want %s", name, i, got, c.want[i])
			}
			if !errors.Is(res.cause, c.result.cause) {
				t.Errorf("%s: write %d: cause %v, want %v", name, i, res.cause, c.result.cause)
			}
			if res.outcome == nil && (res.who != who || res.term != 5) {
				t.Errorf("%s: write %d: by %+v in term %d, want %+v in term 5", name, i, res.who, res.term, who)
			}
			i++
		}
		if i != len(group) {
			t.Errorf("%s: %d outcomes for %d writes", name, i, len(group))
		}
	}
}

// Over all that tries can come to: a write is refused or not written only if no try is in
// doubt, however many writes the group has.
func TestUnknownIsNeverToldAsFailed(t *testing.T) {
	t.Parallel()
	for first := gradeWritten; first <= gradeDoubtful; first++ {
		for second := gradeWritten; second <= gradeDoubtful; second++ {
			var tr trial
			v := tr.judge(first)
			if v == verdictAgain || v == verdictRenew {
				v = tr.judge(second)
			}
			outcome := map[verdict]error{verdictRefused: ErrRefused, verdictUnknown: ErrOutcomeUnknown}[v]
			for _, res := range (result{delivered: delivered{offset: 3, outcome: outcome}}).outcomes(writesOf(1, 2)) {
				definite := errors.Is(res.outcome, ErrRefused) || errors.Is(res.outcome, ErrNotWritten)
				if definite && (first == gradeDoubtful || tr.doubt) {
					t.Errorf("grades %d and %d: told as %v, though a try is in doubt", first, second, res.outcome)
				}
			}
		}
	}
}

func TestTooLargeSaysHowLargeEachWriteIs(t *testing.T) {
	t.Parallel()
	group := writesOf(1, 3)
	r := result{delivered: delivered{offset: -1, outcome: ErrRefused, cause: kerr.MessageTooLarge}}
	for _, limit := range []int{10, 1 << 20} { // below what the writes take, and above
		r.limit = byteLimit{bytes: limit, by: "the topic's"}
		i := 0
		for wr, res := range r.outcomes(group) {
			var size *SizeError
			if !errors.As(res.cause, &size) || size.Records != len(wr.changes) || !errors.Is(res.cause, kerr.MessageTooLarge) {
				t.Fatalf("limit %d: write %d: cause %v, want its size and the broker's error", limit, i, res.cause)
			}
			want := limit
			if limit > size.Bytes {
				want = 0 // it can't be the broker's
			}
			if size.Limit != want {
				t.Errorf("limit %d: write %d: says %d, want %d", limit, i, size.Limit, want)
			}
			i++
		}
	}
}

func TestOwnEndsAreThoseOfOneTermAndOneLeader(t *testing.T) {
	t.Parallel()
	first, second := leader{node: 1, epoch: 1}, leader{node: 2, epoch: 2}
	var o ownEnds
	o.begin(0)
	o.from(first)
	o.end = 20
	if o.begin(0); o.end != 20 {
		t.Errorf("in the same term: %+v, want end 20", o)
	}
	if o.from(first); o.end != 20 {
		t.Errorf("from the same leader: %+v, want end 20", o)
	}
	if o.from(second); o.end != 0 || o.by != second {
		t.Errorf("from another leader: %+v, want end 0", o)
	}
	o.end = 15
	if o.begin(1); o.end != 0 || o.term != 1 {
		t.Errorf("in the next term: %+v, want end 0", o)
	}
}
