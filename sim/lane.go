package sim

import (
	"context"
	"time"

	"github.com/kvsim/kvsim/internal/simnet"
)

// D2: everything that acts at times of its own does so in a lane of its own (see
// simnet.Lane), so that in virtual time no two of them, and none of them and a link of the
// network, ever act at the same instant, where their order would be undefined. A
// goroutine's context has its lane. When there are more of a kind than these numbers allow,
// some share a lane, and then the order of a coincidence, which is rare, may be decided by
// chance.
const (
	laneOfRun     simnet.Lane = 0
	lanesOfFaults             = 1
	faultLanes                = 398
	lanesOfSlots              = lanesOfFaults + faultLanes
	slotLanes                 = 600
	lanesOfWork               = lanesOfSlots + slotLanes
	workLanes                 = simnet.HarnessLanes - lanesOfWork
)

// faultLane is the lane of the i-th fault of the plan. The next one is that of a
// goroutine of the fault.
func faultLane(i int) simnet.Lane { return simnet.Lane(lanesOfFaults + 2*i%faultLanes) }

// slotLane is the lane for what a client does besides its operations: opening, storing,
// calling hooks.
func slotLane(n int) simnet.Lane { return simnet.Lane(lanesOfSlots + n%slotLanes) }

// workLane is the lane of the i-th worker of all.
func workLane(i int) simnet.Lane { return simnet.Lane(lanesOfWork + i%workLanes) }

type laneKey struct{}

// inLane returns a context for acting in a lane.
func inLane(ctx context.Context, l simnet.Lane) context.Context {
	return context.WithValue(ctx, laneKey{}, l)
}

// inNextLane returns a context in the lane after that of ctx, for another goroutine.
func inNextLane(ctx context.Context) context.Context {
	l, _ := ctx.Value(laneKey{}).(simnet.Lane)
	return inLane(ctx, l+1)
}

// after returns the first instant of the lane of ctx that is at least d from now.
func after(ctx context.Context, d time.Duration) time.Time {
	at := time.Now().Add(max(0, d))
	if l, ok := ctx.Value(laneKey{}).(simnet.Lane); ok {
		at = l.Next(at)
	}
	return at
}

// sleep waits for d and then for the lane of ctx, or for the end of ctx, whose
// cause it returns.
func sleep(ctx context.Context, d time.Duration) error {
	if d = time.Until(after(ctx, d)); d <= 0 {
		return context.Cause(ctx)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
