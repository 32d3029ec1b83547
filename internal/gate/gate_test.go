package gate_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvsim/kvsim/internal/gate"
)

func TestGateOpensWhenNobodyShutsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g gate.Gate
		if waited, err := g.Pass(t.Context()); waited || err != nil {
			t.Errorf("Pass through an open gate = %v, %v, want false, nil", waited, err)
		}
		g.Shut()
		g.Shut()
		passed, done := false, false
		go func() {
			waited, err := g.Pass(t.Context())
			passed = waited && err == nil
		}()
		go g.Do(func() { done = true })
		synctest.Wait()
		g.Lift()
		synctest.Wait()
		if passed || done || g.Held() != 2 {
			t.Errorf("shut by one: passed %v, done %v, held %d; want false, false, 2", passed, done, g.Held())
		}
		g.Lift()
		synctest.Wait()
		if !passed || !done {
			t.Errorf("open: passed %v, done %v, want both", passed, done)
		}
	})
}

func TestWaitAtAGateEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var g gate.Gate
		g.Shut()
		over := errors.New("over")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, over)
		defer cancel()
		if waited, err := g.Pass(ctx); !waited || !errors.Is(err, over) {
			t.Errorf("Pass = %v, %v, want true and the cause", waited, err)
		}
	})
}
