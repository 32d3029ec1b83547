package kvstore

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// errNoContext refuses a call without a context before it has done anything.
var errNoContext = errors.New("context is nil: use context.Background() for a call that nothing bounds")

// contextError returns the error of an ended context, with its cause when that
// says more.
func contextError(ctx context.Context) error {
	err := ctx.Err()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, err) {
		return fmt.Errorf("%w: %w", err, foreign(cause))
	}
	return err
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
