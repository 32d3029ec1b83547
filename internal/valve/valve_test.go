package valve_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvsim/kvsim/internal/valve"
)

func TestValveOpensWhenNobodyShutsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var v valve.Valve
		if waited, err := v.Pass(t.Context()); waited || err != nil {
			t.Errorf("Pass through an open valve = %v, %v, want false, nil", waited, err)
		}
		v.Shut()
		v.Shut()
		passed, done := false, false
		go func() {
			waited, err := v.Pass(t.Context())
			passed = waited && err == nil
		}()
		go v.Do(func() { done = true })
		synctest.Wait()
		v.Open()
		synctest.Wait()
		if passed || done || v.Held() != 2 {
			t.Errorf("shut by one: passed %v, done %v, held %d; want false, false, 2", passed, done, v.Held())
		}
		v.Open()
		synctest.Wait()
		if !passed || !done {
			t.Errorf("open: passed %v, done %v, want both", passed, done)
		}
	})
}

func TestWaitAtAValveEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var v valve.Valve
		v.Shut()
		over := errors.New("over")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, over)
		defer cancel()
		if waited, err := v.Pass(ctx); !waited || !errors.Is(err, over) {
			t.Errorf("Pass = %v, %v, want true and the cause", waited, err)
		}
	})
}
