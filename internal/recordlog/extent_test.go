package recordlog

import "testing"

func TestCutBesideTransactions(t *testing.T) {
	// Two that overlap, and one on its own.
	all := []Transaction{{First: 10, Marker: 14}, {First: 12, Marker: 18}, {First: 30, Marker: 31}}
	for _, tc := range []struct{ off, above, below int64 }{
		{5, 5, 5},
		{10, 10, 10}, // the whole of the first one goes
		{11, 19, 10},
		{13, 19, 10},
		{15, 19, 10}, // the second one's begin lies within the first one
		{18, 19, 10},
		{19, 19, 19},
		{30, 30, 30},
		{31, 32, 30},
		{40, 40, 40},
	} {
		if got := After(tc.off, all); got != tc.above {
			t.Errorf("After(%d) = %d, want %d", tc.off, got, tc.above)
		}
		if got := Before(tc.off, all); got != tc.below {
			t.Errorf("Before(%d) = %d, want %d", tc.off, got, tc.below)
		}
	}
}
