package kvstore_test

import (
	"context"
	"sync"

	"github.com/kvsim/kvsim/kvstore"
)

// flaky is a plain storage that fails, or hangs, when it is told to.
type flaky struct {
	*plainStorage

	mu    sync.Mutex
	err   error
	hangs bool
	after int // changes that still work before err
	calls int
}

func newFlaky() *flaky { return &flaky{plainStorage: newPlain()} }

func (f *flaky) fail(err error) { f.failAfter(0, err) }

// failAfter makes n more changes work and those behind fail.
func (f *flaky) failAfter(n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.after, f.err = n, err
}

func (f *flaky) hang() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hangs = true
}

func (f *flaky) changes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// trouble is what happens before a change.
func (f *flaky) trouble(ctx context.Context) error {
	f.mu.Lock()
	f.calls++
	err, hangs := f.err, f.hangs
	if err != nil && f.after > 0 {
		f.after--
		err = nil
	}
	f.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

func (f *flaky) Set(ctx context.Context, key, value []byte) error {
	if err := f.trouble(ctx); err != nil {
		return err
	}
	return f.plainStorage.Set(ctx, key, value)
}

func (f *flaky) Delete(ctx context.Context, key []byte) error {
	if err := f.trouble(ctx); err != nil {
		return err
	}
	return f.plainStorage.Delete(ctx, key)
}

var _ kvstore.Storage = (*flaky)(nil)
