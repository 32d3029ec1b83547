package kvstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestBatchIsTooLargeAfterHangUpsOnly(t *testing.T) {
	hang := answer{sent: true, err: &hangUpError{bytes: leastLarge, cause: io.EOF}}
	lost := answer{sent: true, err: io.ErrNoProgress}
	for name, tc := range map[string]struct {
		answers []answer
		step    time.Duration
		bytes   int
		want    bool
	}{
		"enough":             {[]answer{hang, hang, hang, hang, hang}, 1300 * time.Millisecond, leastLarge, true},
		"too few":            {[]answer{hang, hang, hang, hang}, time.Hour, leastLarge, false},
		"too soon":           {[]answer{hang, hang, hang, hang, hang}, 1200 * time.Millisecond, leastLarge, false},
		"a small batch":      {[]answer{hang, hang, hang, hang, hang}, 1300 * time.Millisecond, leastLarge - 1, false},
		"something between":  {[]answer{hang, hang, lost, hang, hang, hang}, 1300 * time.Millisecond, leastLarge, false},
		"something at last":  {[]answer{hang, hang, hang, hang, hang, lost}, 1300 * time.Millisecond, leastLarge, false},
		"nothing but others": {[]answer{lost, lost, lost, lost, lost, lost}, 1300 * time.Millisecond, leastLarge, false},
	} {
		var h hangUps
		now := time.Unix(0, 0)
		for i, a := range tc.answers {
			if i > 0 {
				now = now.Add(tc.step)
			}
			h.add(a, now)
		}
		if got := h.tooLarge(tc.bytes, now); got != tc.want {
			t.Errorf("%s: too large: %t, want %t", name, got, tc.want)
		}
	}
}

func TestHangUpsAreTold(t *testing.T) {
	for _, err := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, fmt.Errorf("write: %w", syscall.EPIPE)} {
		if hungUp(err) == nil {
			t.Errorf("%v is no hang-up", err)
		}
	}
	for _, err := range []error{context.DeadlineExceeded, errNoPartition, syscall.ECONNREFUSED, errors.New("EOF")} {
		if hungUp(err) != nil {
			t.Errorf("%v is a hang-up", err)
		}
	}
	for _, tc := range []struct {
		bytes, taken int
		hint         bool
	}{{100, 0, false}, {leastLarge, 0, true}, {2 * leastLarge, leastLarge, true}, {leastLarge, 2 * leastLarge, false}} {
		text := (&hangUpError{1, tc.bytes, tc.taken, io.EOF}).Error()
		if !strings.Contains(text, fmt.Sprint(tc.bytes)) || strings.Contains(text, "socket.request.max.bytes") != tc.hint {
			t.Errorf("%d bytes, %d taken: %q", tc.bytes, tc.taken, text)
		}
	}
}
