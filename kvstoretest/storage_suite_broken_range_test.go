package kvstoretest

import (
	"context"
	"slices"
	"strings"

	"github.com/kvsim/kvsim/kvstore"
)

// reshaped is a range whose pairs were changed by f before they are yielded.
func reshaped(seq pairSeq, f func([]kvstore.KeyValue) []kvstore.KeyValue) pairSeq {
	return func(yield func(kvstore.KeyValue, error) bool) {
		var all []kvstore.KeyValue
		for kv, err := range seq {
			if err != nil {
				yield(kvstore.KeyValue{}, err)
				return
			}
			all = append(all, kv)
		}
		for _, kv := range f(all) {
			if !yield(kv, nil) {
				return
			}
		}
	}
}

// bendRange replaces Range by one that reads other bounds and changes what it
// read.
func bendRange(
	ask func(limits, options) (limits, options), f func([]kvstore.KeyValue, limits, options) []kvstore.KeyValue,
) func() kvstore.Storage {
	return bend(func(b *bentStorage) {
		b.onRange = func(ctx context.Context, c limits, o options) pairSeq {
			askC, askO := c, o
			if ask != nil {
				askC, askO = ask(c, o)
			}
			return reshaped(b.good.Range(ctx, askC, askO), func(all []kvstore.KeyValue) []kvstore.KeyValue {
				if f == nil {
					return all
				}
				return f(all, c, o)
			})
		}
	})
}

// sorted sorts pairs by a changed key.
func sorted(all []kvstore.KeyValue, by func(string) string) []kvstore.KeyValue {
	slices.SortFunc(all, func(a, b kvstore.KeyValue) int {
		return strings.Compare(by(string(a.Key)), by(string(b.Key)))
	})
	return all
}

func brokenRanges() []brokenStorage {
	return []brokenStorage{
		{"range-is-in-byte-order", "sorts bytes as signed numbers", bendRange(nil,
			func(all []kvstore.KeyValue, _ limits, _ options) []kvstore.KeyValue {
				return sorted(all, func(k string) string {
					flipped := []byte(k)
					for i := range flipped {
						flipped[i] ^= 0x80
					}
					return string(flipped)
				})
			})},
		{"range-is-in-byte-order", "sorts short keys first", bendRange(nil,
			func(all []kvstore.KeyValue, _ limits, _ options) []kvstore.KeyValue {
				return sorted(all, func(k string) string { return string(rune(len(k))) + k })
			})},
		{"range-is-in-byte-order", "loses a key where a page ends", bendRange(nil,
			func(all []kvstore.KeyValue, _ limits, _ options) []kvstore.KeyValue {
				if len(all) > 512 {
					return slices.Delete(all, 512, 513)
				}
				return all
			})},
		{"range-keeps-its-bounds", "includes the end", bendRange(
			func(c limits, o options) (limits, options) {
				if c.End != nil {
					c.End = append(slices.Clone(c.End), 0)
				}
				return c, o
			}, nil)},
		{"range-keeps-its-bounds", "excludes the start", bendRange(
			func(c limits, o options) (limits, options) {
				if c.Start != nil {
					c.Start = append(slices.Clone(c.Start), 0)
				}
				return c, o
			}, nil)},
		{"range-bounds-nil-and-empty", "takes an empty end for an open one", bendRange(
			func(c limits, o options) (limits, options) {
				if len(c.End) == 0 {
					c.End = nil
				}
				return c, o
			}, nil)},
		{"range-bounds-nil-and-empty", "exchanges bounds in the wrong order", bendRange(
			func(c limits, o options) (limits, options) {
				if c.Start != nil && c.End != nil && string(c.Start) > string(c.End) {
					c.Start, c.End = c.End, c.Start
				}
				return c, o
			}, nil)},
		{"range-prefix", "ends an open range at 0xff 0xff", bendRange(
			func(c limits, o options) (limits, options) {
				if c.End == nil {
					c.End = []byte("\xff\xff")
				}
				return c, o
			}, nil)},
		{"range-limit", "yields one pair too many", bendRange(
			func(c limits, o options) (limits, options) {
				if o.Limit > 0 {
					o.Limit++
				}
				return c, o
			}, nil)},
		{"range-limit", "takes zero for nothing", bendRange(nil,
			func(all []kvstore.KeyValue, _ limits, o options) []kvstore.KeyValue {
				return all[:min(len(all), max(0, o.Limit))]
			})},
		{"range-limit", "yields the last pairs", bendRange(
			func(c limits, _ options) (limits, options) { return c, options{} },
			func(all []kvstore.KeyValue, _ limits, o options) []kvstore.KeyValue {
				if o.Limit > 0 && o.Limit < len(all) {
					return all[len(all)-o.Limit:]
				}
				return all
			})},
		{"range-limit", "counts before it looks at the bounds", bendRange(
			func(_ limits, o options) (limits, options) { return limits{}, o },
			func(all []kvstore.KeyValue, c limits, _ options) []kvstore.KeyValue {
				return slices.DeleteFunc(all, func(kv kvstore.KeyValue) bool { return !c.Contains(kv.Key) })
			})},
		{"range-stops-early", "yields on", bend(func(b *bentStorage) {
			b.onRange = func(ctx context.Context, c limits, o options) pairSeq {
				return func(yield func(kvstore.KeyValue, error) bool) {
					for kv, err := range b.good.Range(ctx, c, o) {
						yield(kv, err)
					}
				}
			}
		})},
		{"range-with-ended-context", "does not look at the context", bend(func(b *bentStorage) {
			b.onRange = func(ctx context.Context, c limits, o options) pairSeq {
				return b.good.Range(without(ctx), c, o)
			}
		})},
		{"range-with-ended-context", "ends without a word", bend(func(b *bentStorage) {
			b.onRange = func(ctx context.Context, c limits, o options) pairSeq {
				return func(yield func(kvstore.KeyValue, error) bool) {
					for kv, err := range b.good.Range(ctx, c, o) {
						if err != nil || !yield(kv, nil) {
							return
						}
					}
				}
			}
		})},
		{"range-with-ended-context", "yields the error with every pair", bend(func(b *bentStorage) {
			b.onRange = func(ctx context.Context, c limits, o options) pairSeq {
				return func(yield func(kvstore.KeyValue, error) bool) {
					for kv := range b.good.Range(without(ctx), c, o) {
						if !yield(kv, ctx.Err()) {
							return
						}
					}
				}
			}
		})},
	}
}
