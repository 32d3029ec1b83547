package kvstore

import (
	"testing"
	"time"
	"unsafe"
)

func TestFreshnessIsTheLastMomentOfWhichEverythingWasRead(t *testing.T) {
	start := time.Now()
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	type answer struct {
		sent     int
		end, pos int64
	}
	for name, tc := range map[string]struct {
		answers []answer
		want    int // seconds after start
	}{
		"nothing heard":                     {nil, 0},
		"at the end":                        {[]answer{{10, 5, 5}, {20, 5, 5}}, 20},
		"not at the end yet":                {[]answer{{10, 9, 5}, {20, 12, 8}}, 0},
		"at the end of an earlier answer":   {[]answer{{10, 9, 5}, {20, 14, 9}}, 10},
		"always behind, but keeping up":     {[]answer{{10, 9, 5}, {20, 14, 9}, {30, 19, 14}, {40, 24, 19}}, 30},
		"behind by several answers":         {[]answer{{10, 9, 5}, {20, 14, 7}, {30, 19, 14}}, 20},
		"marks in between are left out":     {[]answer{{10, 9, 5}, {11, 10, 5}, {12, 11, 10}}, 10},
		"caught up at once":                 {[]answer{{10, 9, 5}, {20, 9, 9}}, 20},
		"an end below what was heard":       {[]answer{{10, 9, 5}, {20, 5, 5}, {30, 5, 5}}, 0},
		"and then the true one":             {[]answer{{10, 9, 5}, {20, 5, 5}, {30, 9, 9}}, 30},
		"an end below the position":         {[]answer{{10, 5, 5}, {20, 3, 5}}, 10},
		"a broker that knows no end":        {[]answer{{10, 5, 5}, {20, -1, 5}}, 10},
		"an open transaction before an end": {[]answer{{10, 5, 5}, {20, 8, 5}, {30, 8, 5}, {40, 8, 5}}, 10},
	} {
		var f freshness
		f.begin(start)
		for _, a := range tc.answers {
			f.heard(at(a.sent), a.end, a.pos, 5*time.Second)
		}
		if got := f.since.Sub(start); got != time.Duration(tc.want)*time.Second {
			t.Errorf("%s: fresh since %v, want %ds", name, got, tc.want)
		}
	}
}

// Ends are remembered apart from each other, and not without bound: the newest closely, older
// ones less so. What is reached is never later than the last answer whose end was.
func TestEndsThatAreRememberedAreBounded(t *testing.T) {
	start := time.Now()
	var f freshness
	f.begin(start)
	const apart, seconds = 5 * time.Second, 100_000
	for i := range seconds {
		f.heard(start.Add(time.Duration(i)*time.Second), int64(1000+i), 0, apart)
		if n := len(f.marks); n > mostMarks {
			t.Fatalf("%d ends are remembered, want %d at most", n, mostMarks)
		}
	}
	if n := len(f.marks); n < mostMarks/2 {
		t.Errorf("%d ends are remembered, want about as many as there may be", n)
	}
	newest := f.marks[len(f.marks)-marksAway:]
	for i := range newest[1:] {
		if d := newest[i+1].sent.Sub(newest[i].sent); d != apart {
			t.Errorf("of the newest ends two are %v apart, want %v", d, apart)
		}
	}
	for _, at := range []int64{0, 500, 50_000, 99_000} {
		g := freshness{since: f.since, marks: append([]mark(nil), f.marks...)}
		g.heard(start.Add(seconds*time.Second), seconds+1000, 1000+at, apart)
		if got := g.since.Sub(start); got > time.Duration(at)*time.Second {
			t.Errorf("read up to what was the end after %ds, fresh since %v", at, got)
		}
	}
}

// monotonicBy returns t with a monotonic clock that shows d more, as on a machine whose
// wall clock was set, or that slept.
func monotonicBy(t time.Time, d time.Duration) time.Time {
	type layout struct {
		wall uint64
		ext  int64
		loc  *time.Location
	}
	(*layout)(unsafe.Pointer(&t)).ext += int64(d)
	return t
}

func TestElapsedIsByTheClockThatShowsMore(t *testing.T) {
	from := time.Now()
	if got := monotonicBy(from, time.Hour); got.Sub(from) != time.Hour || !got.Round(0).Equal(from.Round(0)) {
		t.Fatalf("the layout of time.Time has changed: %v after an hour on the monotonic clock", got.Sub(from))
	}
	for name, tc := range map[string]struct {
		wall, monotonic, want time.Duration
	}{
		"both":                     {time.Minute, time.Minute, time.Minute},
		"the machine slept":        {8 * time.Hour, time.Minute, 8 * time.Hour},
		"the wall clock went back": {-8 * time.Hour, time.Minute, time.Minute},
	} {
		to := monotonicBy(from.Add(tc.wall), tc.monotonic-tc.wall)
		if got := elapsed(from, to); got != tc.want {
			t.Errorf("%s: elapsed = %v, want %v", name, got, tc.want)
		}
	}
}

func TestAbsenceIsTheRetentionLessAMargin(t *testing.T) {
	for retention, want := range map[time.Duration]time.Duration{
		24 * time.Hour:   24*time.Hour - 144*time.Minute,
		time.Hour:        54 * time.Minute,
		10 * time.Minute: 9 * time.Minute,
		5 * time.Minute:  4 * time.Minute,
		2 * time.Minute:  time.Minute,
		time.Minute:      30 * time.Second,
		time.Second:      500 * time.Millisecond,
	} {
		if got := absence(retention); got != want {
			t.Errorf("absence(%v) = %v, want %v", retention, got, want)
		}
	}
}
