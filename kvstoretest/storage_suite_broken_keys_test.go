package kvstoretest

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

// brokenStorages has at least one storage for every rule.
var brokenStorages = slices.Concat(brokenKeys(), brokenRanges(), brokenBatches(), brokenRecords())

// without is ctx without its end, for storages that do not look at it.
func without(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

// soon waits until the condition holds. It gives up after many tries, so that a
// suite that fails to do its part is a finding and not a hang.
func soon(condition func() bool) {
	for range 20_000_000 {
		if condition() {
			return
		}
		runtime.Gosched()
	}
}

func brokenKeys() []brokenStorage {
	return []brokenStorage{
		{"starts-empty", "holds what an earlier one wrote", func() kvstore.Storage {
			s := memory.New()
			_ = s.Set(context.Background(), []byte("key0"), []byte("earlier"))
			return s
		}},
		{"get-returns-what-was-set", "cuts values at 64 KiB", bend(func(b *bentStorage) {
			b.onSet = func(ctx context.Context, key, value []byte) error {
				return b.good.Set(ctx, key, value[:min(len(value), 1<<16)])
			}
		})},
		{"get-missing-is-not-found", "returns nil without an error", bend(func(b *bentStorage) {
			b.onGet = func(ctx context.Context, key []byte) ([]byte, error) {
				v, err := b.good.Get(ctx, key)
				if errors.Is(err, kvstore.ErrNotFound) {
					return nil, nil
				}
				return v, err
			}
		})},
		{"get-missing-is-not-found", "has an error of its own", bend(func(b *bentStorage) {
			b.onGet = func(ctx context.Context, key []byte) ([]byte, error) {
				v, err := b.good.Get(ctx, key)
				if err != nil {
					return nil, errors.New(err.Error())
				}
				return v, nil
			}
		})},
		{"set-overwrites", "keeps the first value", bend(func(b *bentStorage) {
			b.onSet = func(ctx context.Context, key, value []byte) error {
				if _, err := b.good.Get(ctx, key); err == nil {
					return nil
				}
				return b.good.Set(ctx, key, value)
			}
		})},
		{"empty-value-is-a-value", "takes an empty value for a delete", bend(func(b *bentStorage) {
			b.onSet = func(ctx context.Context, key, value []byte) error {
				if len(value) == 0 {
					return b.good.Delete(ctx, key)
				}
				return b.good.Set(ctx, key, value)
			}
		})},
		{"keys-are-any-bytes", "ends keys at a zero byte", bend(func(b *bentStorage) {
			b.onSet = func(ctx context.Context, key, value []byte) error {
				short, _, _ := bytes.Cut(key, []byte{0})
				return b.good.Set(ctx, short, value)
			}
		})},
		{"keys-are-any-bytes", "mends invalid UTF-8", bend(func(b *bentStorage) {
			b.onSet = func(ctx context.Context, key, value []byte) error {
				return b.good.Set(ctx, bytes.ToValidUTF8(key, []byte("?")), value)
			}
		})},
		{"keys-are-any-bytes", "ignores case", bend(func(b *bentStorage) {
			b.onSet = func(ctx context.Context, key, value []byte) error {
				return b.good.Set(ctx, bytes.ToLower(key), value)
			}
		})},
		{"delete-removes", "stores an empty value instead", bend(func(b *bentStorage) {
			b.onDelete = func(ctx context.Context, key []byte) error { return b.good.Set(ctx, key, nil) }
		})},
		{"delete-only-that-key", "deletes the whole prefix", bend(func(b *bentStorage) {
			b.onDelete = func(ctx context.Context, key []byte) error {
				for kv, err := range b.good.Range(ctx, kvstore.Prefix(string(key)), options{}) {
					if err := errors.Join(err, b.good.Delete(ctx, kv.Key)); err != nil {
						return err
					}
				}
				return nil
			}
		})},
		{"delete-only-that-key", "deletes the neighbour with a zero byte", bend(func(b *bentStorage) {
			b.onDelete = func(ctx context.Context, key []byte) error {
				next := append(bytes.Clone(key), 0)
				return errors.Join(b.good.Delete(ctx, key), b.good.Delete(ctx, next))
			}
		})},
		{"delete-missing-is-no-error", "returns ErrNotFound", bend(func(b *bentStorage) {
			b.onDelete = func(ctx context.Context, key []byte) error {
				if _, err := b.good.Get(ctx, key); err != nil {
					return err
				}
				return b.good.Delete(ctx, key)
			}
		})},
		{"delete-missing-is-no-error", "deletes the next key instead", bend(func(b *bentStorage) {
			b.onDelete = func(ctx context.Context, key []byte) error {
				for kv, err := range b.good.Range(ctx, limits{Start: key}, options{Limit: 1}) {
					return errors.Join(err, b.good.Delete(ctx, kv.Key))
				}
				return nil
			}
		})},
		{"set-and-delete-can-be-repeated", "appends to what is there", bend(func(b *bentStorage) {
			b.onSet = func(ctx context.Context, key, value []byte) error {
				old, _ := b.good.Get(ctx, key)
				return b.good.Set(ctx, key, append(bytes.Clone(old), value...))
			}
		})},
		{"arguments-stay-unchanged", "overwrites the key it was given", bend(func(b *bentStorage) {
			b.onSet = func(ctx context.Context, key, value []byte) error {
				err := b.good.Set(ctx, key, value)
				copy(key, bytes.ToUpper(key))
				return err
			}
		})},
		{"returned-slices-stay-unchanged", "reads into one buffer", bend(func(b *bentStorage) {
			var buffer []byte
			b.onGet = func(ctx context.Context, key []byte) ([]byte, error) {
				v, err := b.good.Get(ctx, key)
				buffer = append(buffer[:0], v...)
				return buffer, err
			}
		})},
		{"returned-slices-stay-unchanged", "overwrites values in place", bend(func(b *bentStorage) {
			values := map[string][]byte{}
			b.onSet = func(_ context.Context, key, value []byte) error {
				if old := values[string(key)]; len(old) == len(value) {
					copy(old, value)
				} else {
					values[string(key)] = value
				}
				return nil
			}
			b.onGet = func(_ context.Context, key []byte) ([]byte, error) { return values[string(key)], nil }
		})},
		{"get-with-ended-context", "does not look at the context", bend(func(b *bentStorage) {
			b.onGet = func(ctx context.Context, key []byte) ([]byte, error) { return b.good.Get(without(ctx), key) }
		})},
		{"set-with-ended-context", "does not look at the context", bend(func(b *bentStorage) {
			b.onSet = func(ctx context.Context, key, value []byte) error { return b.good.Set(without(ctx), key, value) }
		})},
		{"set-with-ended-context", "writes and then returns the error", bend(func(b *bentStorage) {
			b.onSet = func(ctx context.Context, key, value []byte) error {
				return errors.Join(b.good.Set(without(ctx), key, value), ctx.Err())
			}
		})},
		{"delete-with-ended-context", "does not look at the context", bend(func(b *bentStorage) {
			b.onDelete = func(ctx context.Context, key []byte) error { return b.good.Delete(without(ctx), key) }
		})},
		{"delete-with-ended-context", "deletes and then returns the error", bend(func(b *bentStorage) {
			b.onDelete = func(ctx context.Context, key []byte) error {
				return errors.Join(b.good.Delete(without(ctx), key), ctx.Err())
			}
		})},
		{"concurrent-reads-and-writes", "overwrites by deleting first", bend(overwriteByDeleting)},
	}
}

// overwriteByDeleting leaves a gap, once, until a read has fallen into it.
func overwriteByDeleting(b *bentStorage) {
	var missed atomic.Bool
	var once sync.Once
	b.onGet = func(ctx context.Context, key []byte) ([]byte, error) {
		v, err := b.good.Get(ctx, key)
		if err != nil && string(key) != "flicker" {
			missed.Store(true)
		}
		return v, err
	}
	b.onSet = func(ctx context.Context, key, value []byte) error {
		if strings.Contains(string(value), "#100#") {
			once.Do(func() {
				_ = b.good.Delete(ctx, key)
				soon(missed.Load)
			})
		}
		return b.good.Set(ctx, key, value)
	}
}
