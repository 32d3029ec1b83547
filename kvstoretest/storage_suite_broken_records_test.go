package kvstoretest

import (
	"context"
	"errors"
	"slices"

	"github.com/kvsim/kvsim/kvstore"
)

// bendEachRecord changes every record before it is applied.
func bendEachRecord(f func(*kvstore.Record)) func() kvstore.Storage {
	return bendRecords(func(b *bentRecords) {
		b.onApplyRecords = func(ctx context.Context, records []kvstore.Record) error {
			records = slices.Clone(records)
			for i := range records {
				f(&records[i])
			}
			return b.good.ApplyRecords(ctx, records)
		}
	})
}

func brokenRecords() []brokenStorage {
	return slices.Concat(brokenApplies(), brokenSnapshots(), brokenResets())
}

func brokenApplies() []brokenStorage {
	return []brokenStorage{
		{"records-keep-revision-and-time", "is off by one revision", bendEachRecord(func(r *kvstore.Record) { r.Revision++ })},
		{"records-keep-revision-and-time", "keeps 32 bits of a revision", bendEachRecord(func(r *kvstore.Record) { r.Revision = int64(int32(r.Revision)) })},
		{"records-keep-revision-and-time", "cuts times to seconds", bendEachRecord(func(r *kvstore.Record) { r.TimeMillis -= r.TimeMillis % 1000 })},
		{"records-keep-revision-and-time", "keeps the old revision when the value is the same", bendRecords(func(b *bentRecords) {
			b.onApplyRecords = func(ctx context.Context, records []kvstore.Record) error {
				records = slices.DeleteFunc(slices.Clone(records), func(r kvstore.Record) bool {
					old, err := b.good.Get(ctx, r.Key)
					return err == nil && !r.Delete && string(old) == string(r.Value)
				})
				return b.good.ApplyRecords(ctx, records)
			}
		})},
		{"records-apply-in-order", "applies the records backwards", bendRecords(func(b *bentRecords) {
			b.onApplyRecords = func(ctx context.Context, records []kvstore.Record) error {
				records = slices.Clone(records)
				slices.Reverse(records)
				return b.good.ApplyRecords(ctx, records)
			}
		})},
		{"records-apply-in-order", "ignores tombstones", bendEachRecord(func(r *kvstore.Record) { r.Delete = false })},
		{"records-empty-value", "takes an empty value for a tombstone", bendEachRecord(func(r *kvstore.Record) { r.Delete = len(r.Value) == 0 })},
		{"records-show-in-get-and-range", "answers Get from what Set and ApplyBatch wrote", bendRecords(func(b *bentRecords) {
			b.onGet = func(context.Context, []byte) ([]byte, error) { return nil, kvstore.ErrNotFound }
		})},
		{"records-are-copied", "keeps the slices", bendRecords(keepSlices)},
		{"records-can-be-repeated", "counts revisions itself", bendRecords(func(b *bentRecords) {
			var next int64
			b.onApplyRecords = func(ctx context.Context, records []kvstore.Record) error {
				records = slices.Clone(records)
				for i := range records {
					records[i].Revision = next
					next++
				}
				return b.good.ApplyRecords(ctx, records)
			}
		})},
		{"records-are-atomic", "applies halves, seen by a snapshot", bendRecords(func(b *bentRecords) {
			g := &gap{}
			b.onSnapshot = func(ctx context.Context) (kvstore.Snapshot, error) {
				inside := g.open.Load()
				s, err := b.good.Snapshot(ctx)
				if inside {
					g.seen.Store(true)
				}
				return s, err
			}
			b.onApplyRecords = recordsInHalves(b, g)
		})},
		{"records-are-atomic", "applies halves, seen by a range", bendRecords(func(b *bentRecords) {
			g := &gap{}
			b.onRange = g.ranged(b.good)
			b.onApplyRecords = recordsInHalves(b, g)
		})},
		{"records-with-ended-context", "does not look at the context", bendRecords(func(b *bentRecords) {
			b.onApplyRecords = func(ctx context.Context, records []kvstore.Record) error {
				return b.good.ApplyRecords(without(ctx), records)
			}
		})},
		{"records-with-ended-context", "applies and then returns the error", bendRecords(func(b *bentRecords) {
			b.onApplyRecords = func(ctx context.Context, records []kvstore.Record) error {
				return errors.Join(b.good.ApplyRecords(without(ctx), records), ctx.Err())
			}
		})},
		{"entry-missing-is-not-found", "returns an empty entry", bendRecords(func(b *bentRecords) {
			b.onGetEntry = func(ctx context.Context, key []byte) (kvstore.Entry, error) {
				e, err := b.good.GetEntry(ctx, key)
				if errors.Is(err, kvstore.ErrNotFound) {
					return kvstore.Entry{Key: key, Revision: -1}, nil
				}
				return e, err
			}
		})},
		{"entry-with-ended-context", "does not look at the context of GetEntry", bendRecords(func(b *bentRecords) {
			b.onGetEntry = func(ctx context.Context, key []byte) (kvstore.Entry, error) {
				return b.good.GetEntry(without(ctx), key)
			}
		})},
		{"entry-with-ended-context", "does not look at the context of Snapshot", bendRecords(func(b *bentRecords) {
			b.onSnapshot = func(ctx context.Context) (kvstore.Snapshot, error) { return b.good.Snapshot(without(ctx)) }
		})},
	}
}

// keepSlices hands out the values that it was given, as a storage that keeps
// the slices of a fetch does.
func keepSlices(b *bentRecords) {
	kept := map[string][]byte{}
	b.onApplyRecords = func(ctx context.Context, records []kvstore.Record) error {
		for _, r := range records {
			kept[string(r.Key)] = r.Value
		}
		return b.good.ApplyRecords(ctx, records)
	}
	b.onGet = func(_ context.Context, key []byte) ([]byte, error) { return kept[string(key)], nil }
}

// recordsInHalves applies the records of one round in two parts, with a gap
// between them.
func recordsInHalves(b *bentRecords, g *gap) func(context.Context, []kvstore.Record) error {
	return func(ctx context.Context, records []kvstore.Record) error {
		if records[0].Revision != 100 {
			return b.good.ApplyRecords(ctx, records)
		}
		half := len(records) / 2
		err := b.good.ApplyRecords(ctx, records[:half])
		g.wait()
		return errors.Join(err, b.good.ApplyRecords(ctx, records[half:]))
	}
}

func brokenSnapshots() []brokenStorage {
	return []brokenStorage{
		{"snapshot-never-changes", "reads entries from the live storage", bendSnapshots(func(b *bentRecords, s *bentSnapshot) {
			s.onGetEntry = b.good.GetEntry
		})},
		{"snapshot-never-changes", "ranges over the live storage", bendSnapshots(func(b *bentRecords, s *bentSnapshot) {
			s.onRange = func(ctx context.Context, c limits, o options) entrySeq {
				return func(yield func(kvstore.Entry, error) bool) {
					live, err := b.good.Snapshot(ctx)
					if err != nil {
						yield(kvstore.Entry{}, err)
						return
					}
					live.Range(ctx, c, o)(yield)
				}
			}
		})},
		{"snapshot-never-changes", "reads on in the live storage within a range", bendSnapshots(func(b *bentRecords, s *bentSnapshot) {
			s.onRange = func(ctx context.Context, c limits, o options) entrySeq {
				return func(yield func(kvstore.Entry, error) bool) {
					for e, err := range s.Snapshot.Range(ctx, c, o) {
						if live, liveErr := b.good.GetEntry(ctx, e.Key); liveErr == nil {
							e = live
						}
						if !yield(e, err) {
							return
						}
					}
				}
			}
		})},
		{"snapshot-range", "forgets the limit", bendSnapshots(func(_ *bentRecords, s *bentSnapshot) {
			s.onRange = func(ctx context.Context, c limits, _ options) entrySeq {
				return s.Snapshot.Range(ctx, c, options{})
			}
		})},
		{"snapshot-range", "forgets the end", bendSnapshots(func(_ *bentRecords, s *bentSnapshot) {
			s.onRange = func(ctx context.Context, c limits, o options) entrySeq {
				return s.Snapshot.Range(ctx, limits{Start: c.Start}, o)
			}
		})},
		{"snapshot-range-stops-with-its-context", "looks at the context only when it begins", bendSnapshots(func(_ *bentRecords, s *bentSnapshot) {
			s.onRange = func(ctx context.Context, c limits, o options) entrySeq {
				return func(yield func(kvstore.Entry, error) bool) {
					if err := ctx.Err(); err != nil {
						yield(kvstore.Entry{}, err)
						return
					}
					s.Snapshot.Range(without(ctx), c, o)(yield)
				}
			}
		})},
		{"snapshot-range-stops-with-its-context", "stops without the error", bendSnapshots(func(_ *bentRecords, s *bentSnapshot) {
			s.onRange = func(ctx context.Context, c limits, o options) entrySeq {
				return func(yield func(kvstore.Entry, error) bool) {
					for e, err := range s.Snapshot.Range(ctx, c, o) {
						if err != nil || !yield(e, nil) {
							return
						}
					}
				}
			}
		})},
		{"snapshot-with-ended-context", "does not look at the context of GetEntry", bendSnapshots(func(_ *bentRecords, s *bentSnapshot) {
			s.onGetEntry = func(ctx context.Context, key []byte) (kvstore.Entry, error) {
				return s.Snapshot.GetEntry(without(ctx), key)
			}
		})},
		{"snapshot-with-ended-context", "does not look at the context of Range", bendSnapshots(func(_ *bentRecords, s *bentSnapshot) {
			s.onRange = func(ctx context.Context, c limits, o options) entrySeq {
				return s.Snapshot.Range(without(ctx), c, o)
			}
		})},
	}
}

func brokenResets() []brokenStorage {
	return []brokenStorage{
		{"reset-removes-everything", "does nothing", bendRecords(func(b *bentRecords) {
			b.onReset = func(context.Context) error { return nil }
		})},
		{"reset-removes-everything", "forgets the last key", bendRecords(func(b *bentRecords) {
			b.onReset = func(ctx context.Context) error {
				return b.good.ApplyBatch(ctx, []kvstore.KeyValue{removeItem("a"), removeItem("b")})
			}
		})},
		{"reset-leaves-snapshots", "empties the snapshots too", bendSnapshots(func(b *bentRecords, s *bentSnapshot) {
			reset := false
			b.onReset = func(ctx context.Context) error {
				reset = true
				return b.good.Reset(ctx)
			}
			s.onGetEntry = func(ctx context.Context, key []byte) (kvstore.Entry, error) {
				if reset {
					return kvstore.Entry{}, kvstore.ErrNotFound
				}
				return s.Snapshot.GetEntry(ctx, key)
			}
		})},
		{"reset-with-ended-context", "does not look at the context", bendRecords(func(b *bentRecords) {
			b.onReset = func(ctx context.Context) error { return b.good.Reset(without(ctx)) }
		})},
		{"reset-with-ended-context", "empties and then returns the error", bendRecords(func(b *bentRecords) {
			b.onReset = func(ctx context.Context) error {
				return errors.Join(b.good.Reset(without(ctx)), ctx.Err())
			}
		})},
	}
}
