package registry

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

var errDown = fmt.Errorf("%w: connection refused", ErrUnavailable)

func TestPauseDoublesUpToItsBound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		failures int
		asked    time.Duration
		want     time.Duration
	}{
		{0, 0, time.Second},
		{1, 0, time.Second},
		{2, 0, 2 * time.Second},
		{4, 0, 8 * time.Second},
		{5, 0, 15 * time.Second},
		{1000, 0, 15 * time.Second},
		{1, 5 * time.Second, 5 * time.Second},
		{5, 5 * time.Second, 15 * time.Second},
		{1, time.Hour, time.Minute},
	} {
		if got := pauseAfter(c.failures, c.asked); got != c.want {
			t.Errorf("pauseAfter(%d, %v) = %v, want %v", c.failures, c.asked, got, c.want)
		}
	}
}

func TestRegistryThatFailedIsAskedByOneAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var a availability
		if patience, err := a.enter(); patience != 0 || err != nil {
			t.Fatalf("enter = %v, %v at first, want no limit", patience, err)
		}
		a.note(errDown, 0)
		a.note(errDown, 0) // it was on its way when the other one failed: no second failure
		if _, err := a.enter(); !errors.Is(err, ErrUnavailable) {
			t.Errorf("enter = %v right after a failure, want its cause", err)
		}
		time.Sleep(time.Second) // virtual
		if patience, err := a.enter(); patience != probePatience || err != nil {
			t.Errorf("enter = %v, %v after the pause, want %v", patience, err, probePatience)
		}
		if _, err := a.enter(); !errors.Is(err, ErrUnavailable) {
			t.Errorf("enter = %v while another one asks, want the cause", err)
		}
		a.note(errDown, 0)
		time.Sleep(time.Second) // virtual; the pause is two now
		if _, err := a.enter(); !errors.Is(err, ErrUnavailable) {
			t.Errorf("enter = %v after half of the second pause, want the cause", err)
		}
		time.Sleep(time.Second) // virtual
		if _, err := a.enter(); err != nil {
			t.Errorf("enter = %v after the second pause", err)
		}
		a.note(ErrMismatch, 0) // it has answered
		if patience, err := a.enter(); patience != 0 || err != nil {
			t.Errorf("enter = %v, %v after an answer, want no limit", patience, err)
		}
	})
}

func TestRetryAfterIsSecondsOrADate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for value, want := range map[string]time.Duration{
			"7":     7 * time.Second,
			"-3":    0,
			"86400": time.Minute,
			"soon":  0,
			"":      0,
			time.Now().Add(9 * time.Second).UTC().Format(http.TimeFormat):  9 * time.Second,
			time.Now().Add(-9 * time.Second).UTC().Format(http.TimeFormat): 0,
		} {
			var h notes
			h.set(value)
			if got := h.retryAfter(); got != want {
				t.Errorf("Retry-After: %s = %v, want %v", value, got, want)
			}
		}
	})
}
