package position_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/kvsim/kvsim/kvstore/internal/position"
)

var errGate = errors.New("rebuilding")

func pass(ctx context.Context, g *position.Gate) (*position.GateState, error) {
	return g.Pass(ctx, func(context.Context) error { return errGate })
}

// A read that passed before a rebuild does not count after it, also when the gate is
// open again: the storage was emptied in between.
func TestReadDoesNotCountAcrossARebuild(t *testing.T) {
	t.Parallel()
	g := position.NewGate()
	before, err := pass(t.Context(), g)
	if err != nil || !g.Still(before) || g.Closed() {
		t.Fatalf("Pass of an open gate = %v; still %v, closed %v", err, g.Still(before), g.Closed())
	}
	g.Shut()
	if g.Still(before) || !g.Closed() {
		t.Errorf("after Shut: still %v, closed %v, want false, true", g.Still(before), g.Closed())
	}
	g.Open()
	if g.Still(before) || g.Closed() {
		t.Errorf("after Open: still %v, closed %v, want false, false", g.Still(before), g.Closed())
	}
}

func TestReadsWaitForTheGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := position.NewGate()
		g.Shut()
		g.Shut() // changes nothing: those who wait are released by the one Open
		if _, err := pass(over(), g); !errors.Is(err, errGate) {
			t.Errorf("Pass with an ended context = %v, want %v", err, errGate)
		}
		result := make(chan error, 1)
		go func() {
			_, err := pass(t.Context(), g)
			result <- err
		}()
		synctest.Wait()
		select {
		case err := <-result:
			t.Fatalf("Pass of a shut gate = %v", err)
		default:
		}
		g.Open()
		if err := <-result; err != nil {
			t.Errorf("Pass = %v", err)
		}
	})
}

func TestFailureOfTheGateIsForGood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := position.NewGate()
		g.Shut()
		result := make(chan error, 1)
		go func() {
			_, err := pass(t.Context(), g)
			result <- err
		}()
		synctest.Wait()
		g.Fail(errDead)
		if err := <-result; !errors.Is(err, errDead) {
			t.Errorf("Pass = %v, want %v", err, errDead)
		}
		g.Open()
		g.Shut()
		if err := g.Err(); !errors.Is(err, errDead) || g.Closed() {
			t.Errorf("after Open and Shut: %v, closed %v, want %v and not closed", err, g.Closed(), errDead)
		}
		g.Fail(errLost)
		if _, err := pass(t.Context(), g); !errors.Is(err, errLost) {
			t.Errorf("Pass = %v, want the later failure", err)
		}
	})
}
