package position_test

import (
	"testing"

	"github.com/kvsim/kvsim/kvstore/internal/position"
)

func TestRecentKnowsTheLastRecords(t *testing.T) {
	t.Parallel()
	r := position.NewRecent(4)
	of := func(offset int64) position.Batch {
		return position.Batch{Producer: 100 + offset, Epoch: 2, Sequence: 5}
	}
	for offset := int64(0); offset < 11; offset += 2 { // 0 to 10, each of a batch of its own
		r.Add([]position.Source{{Offset: offset, Batch: of(offset)}})
		for o := int64(-1); o <= offset+1; o++ {
			want := o%2 == 0 && o >= 0 && o > offset-8
			if got := r.Has(o, of(o)); got != want {
				t.Errorf("at %d: Has(%d) = %v, want %v", offset, o, got, want)
			}
		}
	}
	r.Reset()
	if r.Has(10, of(10)) {
		t.Error("Has(10) after Reset")
	}
	r.Add([]position.Source{{Offset: 3, Batch: of(3)}})
	if !r.Has(3, of(3)) {
		t.Error("Has(3) = false after it was added behind a Reset")
	}
}

func TestRecentKnowsWhichBatchesCame(t *testing.T) {
	t.Parallel()
	r := position.NewRecent(2)
	of := func(producer int64) position.Batch { return position.Batch{Producer: producer, Epoch: 1, Sequence: 9} }
	r.Add([]position.Source{{Offset: 3, Batch: of(7)}, {Offset: 4, Batch: of(8)}, {Offset: 5, Batch: of(-1)}})
	for producer, want := range map[int64]bool{7: false, 8: true, 9: false, -1: false} {
		if got := r.Came(of(producer)); got != want {
			t.Errorf("Came(the batch of producer %d) = %v, want %v", producer, got, want)
		}
	}
	r.Reset()
	if r.Came(of(8)) {
		t.Error("Came after Reset")
	}
}

func TestRecentDistinguishesBatches(t *testing.T) {
	t.Parallel()
	r := position.NewRecent(2)
	r.Add([]position.Source{{Offset: 3, Batch: position.Batch{Producer: 7, Epoch: 1, Sequence: 9}}, {Offset: 4, Batch: position.Batch{Producer: -1, Epoch: -1, Sequence: -1}}})
	for name, b := range map[string]position.Batch{
		"another producer":            {Producer: 8, Epoch: 1, Sequence: 9},
		"another epoch":               {Producer: 7, Epoch: 0, Sequence: 9},
		"another batch":               {Producer: 7, Epoch: 1, Sequence: 8},
		"a producer that has no id":   {Producer: -1, Epoch: -1, Sequence: -1},
		"the zero batch of no record": {},
	} {
		if r.Has(3, b) || r.Has(4, b) {
			t.Errorf("%s is taken for the one that was applied", name)
		}
	}
}

func TestOwnersAreTheLastFour(t *testing.T) {
	t.Parallel()
	r := position.NewRecent(1)
	if r.Owners() != nil {
		t.Errorf("Owners = %v before the first, want nil", r.Owners())
	}
	for id := int64(1); id <= 5; id++ {
		r.Mine(id)
	}
	for id, want := range map[int64]bool{1: false, 2: true, 3: true, 4: true, 5: true, -1: false} {
		if got := r.Owners().Has(id); got != want {
			t.Errorf("Has(%d) = %v, want %v", id, got, want)
		}
	}
}

// A producer id is -1 for records of producers that have none: they must not count as the
// client's, which has fewer than four ids.
func TestFreePlacesBelongToNoProducer(t *testing.T) {
	t.Parallel()
	r := position.NewRecent(1)
	r.Mine(7)
	if r.Owners().Has(-1) || r.Owners().Has(0) || !r.Owners().Has(7) {
		t.Errorf("Owners = %v, want 7 alone", *r.Owners())
	}
}
