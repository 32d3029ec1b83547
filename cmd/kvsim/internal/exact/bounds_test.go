package exact

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestSpinningWorldIsReportedAtTheSameStep(t *testing.T) {
	g := guestFor(t, "guest", SchedulerRandom)
	for mode, where := range map[string]string{
		"spin":    "main.spin",
		"yield":   "",
		"recurse": "",
		"ticker":  "",
	} {
		opts := RunOptions{Seed: 3, Args: []string{mode}, MaxSteps: 3_000_000}
		first, err := g.Run(t.Context(), opts)
		if mode == "recurse" && err == nil {
			// Go's own bound on the stack may come first.
			if !strings.Contains(first.Panic, "stack") {
				t.Errorf("recurse ended with %+v", first)
			}
			continue
		}
		var bound *BoundError
		if !errors.As(err, &bound) || !errors.Is(err, ErrTooManySteps) {
			t.Fatalf("%s: Run = %v, want %v", mode, err, ErrTooManySteps)
		}
		if bound.Steps != opts.MaxSteps {
			t.Errorf("%s: stopped after %d steps, want %d", mode, bound.Steps, opts.MaxSteps)
		}
		if !strings.HasPrefix(bound.Where, where) || bound.Where == "" {
			t.Errorf("%s: stopped in %q, want %q", mode, bound.Where, where)
		}
		again, err := g.Run(t.Context(), opts)
		var second *BoundError
		if !errors.As(err, &second) || *second != *bound || again != first {
			t.Errorf("%s: stopped at %+v, %+v, then at %+v, %+v", mode, bound, first, second, again)
		}
	}
}

// A bound that a run does not reach must not change the run. Nor must the chunks in which
// steps are granted.
func TestUnreachedBoundChangesNothing(t *testing.T) {
	g := guestFor(t, "guest", SchedulerRandom)
	free := run(t, g, RunOptions{Seed: 9, Args: []string{"trace"}})
	bounded := run(t, g, RunOptions{Seed: 9, Args: []string{"trace"}, MaxSteps: free.Steps + 1, MaxElapsed: time.Hour})
	if bounded != free {
		t.Errorf("bounded %+v, free %+v", bounded.Result, free.Result)
	}
	_, err := g.Run(t.Context(), RunOptions{Seed: 9, Args: []string{"trace"}, MaxSteps: free.Steps - 1})
	if !errors.Is(err, ErrTooManySteps) {
		t.Errorf("with one step too few Run = %v", err)
	}
}

func TestSimulatedTimeIsBounded(t *testing.T) {
	g := guestFor(t, "guest", SchedulerRandom)
	result, err := g.Run(t.Context(), RunOptions{Args: []string{"ticker"}, MaxElapsed: 100 * time.Hour})
	if !errors.Is(err, ErrTooLong) || result.Elapsed != 100*time.Hour {
		t.Errorf("Run = %+v, %v, want %v after 100h", result, err, ErrTooLong)
	}
}

func TestCancelStopsABusyLoop(t *testing.T) {
	g := guestFor(t, "guest", SchedulerRandom)
	stop := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	spinning, ended := make(chan struct{}), make(chan error)
	go func() {
		_, err := g.Run(ctx, RunOptions{Args: []string{"spin"}, MaxSteps: 1 << 62, Stdout: onWrite(func() { close(spinning) })})
		ended <- err
	}()
	<-spinning
	cancel(stop)
	if err := <-ended; !errors.Is(err, stop) {
		t.Errorf("Run = %v, want %v", err, stop)
	}
}

// onWrite is a writer that calls a function when it is written to.
type onWrite func()

func (f onWrite) Write(data []byte) (int, error) {
	f()
	return len(data), nil
}
