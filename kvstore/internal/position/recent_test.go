package position_test

import (
	"testing"

	"github.com/kvsim/kvsim/kvstore/internal/position"
)

func TestRecentKnowsTheLastRecords(t *testing.T) {
	t.Parallel()
	r := position.NewRecent(4)
	for offset := int64(0); offset < 11; offset += 2 { // 0 to 10, each of a producer of its own
		r.Add([]position.Source{{Offset: offset, Producer: 100 + offset}})
		for o := int64(-1); o <= offset+1; o++ {
			want := o%2 == 0 && o >= 0 && o > offset-8
			if got := r.Has(o, 100+o); got != want {
				t.Errorf("at %d: Has(%d) = %v, want %v", offset, o, got, want)
			}
			if r.Has(o, 99) {
				t.Errorf("at %d: offset %d is anybody's", offset, o)
			}
		}
	}
	r.Reset()
	if r.Has(10, 110) {
		t.Error("Has(10) after Reset")
	}
	r.Add([]position.Source{{Offset: 3, Producer: 7}})
	if !r.Has(3, 7) {
		t.Error("Has(3) = false after it was added behind a Reset")
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
