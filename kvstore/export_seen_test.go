package kvstore

import (
	"context"
	"log/slog"
	"time"

	"github.com/kvsim/kvsim/kvstore/internal/position"
)

// DigestAfter applies records to a storage, and does with it what a client does that is about to
// reread its log. What it returns can be compared.
func DigestAfter(ctx context.Context, s Storage, records []Record) (any, error) {
	logger := slog.New(slog.DiscardHandler)
	t := &tail{
		health: newHealth(), view: newView(s, logger), log: &repeatLog{logger: logger},
		track: position.NewTracker(position.Errors{}), backoff: func(int) time.Duration { return 0 },
	}
	if err := t.view.apply(ctx, records); err != nil {
		return nil, err
	}
	return t.digest(ctx)
}
