package kvstore

import (
	"context"
	"errors"
	"fmt"
)

// errNoContext refuses a call without a context before it has done anything.
var errNoContext = errors.New("context is nil: use context.Background() for a call that nothing bounds")

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }

// contextError returns the error of an ended context, with its cause when that
// says more.
func contextError(ctx context.Context) error {
	err := ctx.Err()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, err) {
		return fmt.Errorf("%w: %w", err, cause)
	}
	return err
}
