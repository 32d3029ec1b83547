package kvstore

import (
	"context"
	"fmt"

	"github.com/kvsim/kvsim/kvstore/internal/position"
)

// recentRecords is how many applied records are remembered. Once the producer's id is known
// only its own are, and one batch of writes has no more than maxGroup; of a larger batch
// only the last record matters.
const recentRecords = maxGroup

// errRolledBack ends a wait whose target belongs to records that are gone.
var errRolledBack = fmt.Errorf("%w: the position went back while waiting", ErrDataLoss)

func newTracker() *position.Tracker {
	return position.NewTracker(position.Errors{RolledBack: errRolledBack, Ended: waitEnded})
}

// waitEnded makes the error of a wait that ctx ended.
func waitEnded(ctx context.Context, at, target int64, why position.Reason) error {
	return &WaitError{Position: at, Target: target, Cause: why.Err, Count: why.Count, Err: contextError(ctx)}
}
