// Package settings keeps the settings of a program in a kvstore: an example of a
// module that uses the store and tests itself with kvstoretest.
package settings

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/kvsim/kvsim/kvstore"
)

// Store is what Settings need of a store. *kvstore.Client has it, and so has the
// recorded client of a test.
type Store interface {
	Put(ctx context.Context, key, value []byte) error
	Get(ctx context.Context, key []byte) ([]byte, error)
	Delete(ctx context.Context, key []byte) error
	Sync(ctx context.Context) error
}

// Settings are named values that many processes share.
type Settings struct{ store Store }

// New returns the settings in a store, which remains the caller's.
func New(store Store) *Settings { return &Settings{store} }

// SetLimit stores a limit. When the error is kvstore.ErrOutcomeUnknown the limit
// may have been stored.
func (s *Settings) SetLimit(ctx context.Context, name string, limit int) error {
	if limit < 0 {
		return fmt.Errorf("limit %q: %d is negative", name, limit)
	}
	return s.store.Put(ctx, key(name), []byte(strconv.Itoa(limit)))
}

// ClearLimit makes a limit the default again.
func (s *Settings) ClearLimit(ctx context.Context, name string) error {
	return s.store.Delete(ctx, key(name))
}

// Limit returns a limit as this process knows it, or fallback if there is none.
func (s *Settings) Limit(ctx context.Context, name string, fallback int) (int, error) {
	value, err := s.store.Get(ctx, key(name))
	switch {
	case errors.Is(err, kvstore.ErrNotFound):
		return fallback, nil
	case err != nil:
		return 0, err
	}
	return strconv.Atoi(string(value))
}

// LatestLimit is Limit with everything that any process has stored before.
func (s *Settings) LatestLimit(ctx context.Context, name string, fallback int) (int, error) {
	if err := s.store.Sync(ctx); err != nil {
		return 0, err
	}
	return s.Limit(ctx, name, fallback)
}

func key(name string) []byte { return []byte("limit/" + name) }
