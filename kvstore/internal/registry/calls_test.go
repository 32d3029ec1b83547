package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
)

var errPanicked = errors.New("panicked")

// guardedConfig is a config whose calls are guarded as kvstore guards them.
func guardedConfig() *Config {
	return &Config{
		Timeout: 10 * time.Second,
		Guard: func(fn func() error) (err error) {
			defer func() {
				if p := recover(); p != nil {
					err = fmt.Errorf("%w: %v", errPanicked, p)
				}
			}()
			return fn()
		},
		Panicked: func(err error) bool { return errors.Is(err, errPanicked) },
	}
}

func TestAnswersAreSorted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err     error
		want    error
		passing bool
	}{
		{errors.New("connection refused"), ErrUnavailable, true},
		{&sr.ResponseError{StatusCode: 500}, ErrUnavailable, true},
		{&sr.ResponseError{StatusCode: http.StatusTooManyRequests}, ErrUnavailable, true},
		{&sr.ResponseError{StatusCode: http.StatusUnauthorized}, ErrUnavailable, false},
		{&sr.ResponseError{StatusCode: http.StatusNotFound}, ErrUnavailable, false}, // a wrong address
		{&sr.ResponseError{StatusCode: http.StatusNotFound, ErrorCode: 40403}, ErrMismatch, false},
		{&sr.ResponseError{StatusCode: http.StatusConflict}, ErrMismatch, false},
		{&sr.ResponseError{StatusCode: http.StatusUnprocessableEntity}, ErrMismatch, false},
		{&json.SyntaxError{}, ErrUnavailable, false},
		{errPanicked, ErrUnavailable, false},
	} {
		got := sorted(c.err)
		other := ErrMismatch
		if errors.Is(c.want, ErrMismatch) {
			other = ErrUnavailable
		}
		if !errors.Is(got, c.want) || errors.Is(got, other) || !errors.Is(got, c.err) {
			t.Errorf("sorted(%v) = %v, want %v", c.err, got, c.want)
		}
		if passes := passing(guardedConfig(), got); passes != c.passing {
			t.Errorf("passing(%v) = %v, want %v", got, passes, c.passing)
		}
	}
	if err := sorted(nil); err != nil {
		t.Errorf("sorted(nil) = %v", err)
	}
}

func TestInsistOnAsksUntilTheTimeIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start, tries := time.Now(), 0
		_, err := insistOn(t.Context(), guardedConfig(), func(context.Context) (int, error) {
			tries++
			return 0, errors.New("connection refused")
		})
		if took := time.Since(start); !errors.Is(err, ErrUnavailable) || tries != 4 || took != 7*time.Second {
			t.Errorf("insistOn = %v after %d tries and %v, want 4 tries with pauses of 1, 2 and 4 s", err, tries, took)
		}
		answer, err := insistOn(t.Context(), guardedConfig(), func(context.Context) (int, error) { return 7, nil })
		if answer != 7 || err != nil {
			t.Errorf("insistOn = %v, %v, want 7", answer, err)
		}
	})
}

func TestCallLeavesATransportBehindThatIgnoresItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start, free := time.Now(), make(chan struct{})
		_, _, err := call(t.Context(), guardedConfig(), func(context.Context) (int, error) {
			<-free
			return 0, nil
		})
		if took := time.Since(start); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || took != 10*time.Second {
			t.Errorf("call = %v after %v, want %v after the timeout", err, took, ErrUnavailable)
		}
		close(free)
	})
}

func TestCallTurnsAPanicOfTheTransportIntoAnError(t *testing.T) {
	t.Parallel()
	_, _, err := call(t.Context(), guardedConfig(), func(context.Context) (int, error) { panic("boom") })
	if !errors.Is(err, ErrUnavailable) || !errors.Is(err, errPanicked) {
		t.Errorf("call = %v, want %v", err, errPanicked)
	}
}
