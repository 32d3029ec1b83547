package kvstoretest

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"

	"github.com/kvsim/kvsim/kvstore"
)

// edgeKeys are keys next to each other in ways that go wrong: prefixes, trailing
// zeros, 0xff bytes, bytes above 0x7f.
var edgeKeys = []string{
	"\x00", "\x00\x00", "a", "a\x00", "a\x00\xff", "ab", "ab\x00", "ab\xff", "ab\xff\xff", "abc", "ac", "b",
	"\x7f", "\x80", "\xfe\xff", "\xff", "\xff\x00", "\xff\xff", "\xff\xff\xff",
}

// rangeOrder goes well beyond what fits one node or page, in an order that is
// not the keys', with a part deleted again.
func rangeOrder(p *storageProbe) {
	p.setAll(edgeKeys...)
	const size, step = 1000, 617 // coprime, so every number comes once
	var keys []string
	for i := range size {
		keys = append(keys, fmt.Sprint("n", i*step%size))
	}
	p.setAll(keys...)
	for _, k := range keys[:size/3] {
		p.delete(k)
	}
	all := append(slices.Clone(edgeKeys), keys[size/3:]...)
	p.wantRange(kvstore.KeyConstraint{}, 0, within(all, kvstore.KeyConstraint{}, 0))
}

// edgeConstraints pairs every key, and bytes that are no key, with every other.
func edgeConstraints() []kvstore.KeyConstraint {
	bounds := []([]byte){nil}
	for _, k := range append([]string{"aa", "ab\xfe", "zzz"}, edgeKeys...) {
		bounds = append(bounds, []byte(k))
	}
	var all []kvstore.KeyConstraint
	for _, start := range bounds {
		for _, end := range bounds {
			all = append(all, kvstore.KeyConstraint{Start: start, End: end})
		}
	}
	return all
}

func rangeBounds(p *storageProbe) {
	p.setAll(edgeKeys...)
	for _, c := range edgeConstraints() {
		p.wantRange(c, 0, within(edgeKeys, c, 0))
	}
}

func rangeEmptyBounds(p *storageProbe) {
	p.setAll(edgeKeys...)
	empty, all := []byte{}, within(edgeKeys, kvstore.KeyConstraint{}, 0)
	p.wantRange(kvstore.KeyConstraint{}, 0, all)
	p.wantRange(kvstore.KeyConstraint{Start: empty}, 0, all)
	p.wantRange(kvstore.KeyConstraint{End: empty}, 0, nil)
	p.wantRange(kvstore.KeyConstraint{Start: empty, End: empty}, 0, nil)
	p.wantRange(kvstore.KeyConstraint{Start: []byte("a"), End: empty}, 0, nil)
	p.wantRange(kvstore.KeyConstraint{Start: []byte("a"), End: []byte("a")}, 0, nil)
	p.wantRange(kvstore.KeyConstraint{Start: []byte("b"), End: []byte("a")}, 0, nil)
}

func rangePrefix(p *storageProbe) {
	p.setAll(edgeKeys...)
	for _, prefix := range append([]string{"", "aa", "abcd", "\xfe", "\xff\xff\xff\xff"}, edgeKeys...) {
		var want []string
		for _, k := range slices.Sorted(slices.Values(edgeKeys)) {
			if strings.HasPrefix(k, prefix) {
				want = append(want, k, valueOf(k))
			}
		}
		p.wantRange(kvstore.Prefix(prefix), 0, want)
	}
}

func rangeLimit(p *storageProbe) {
	p.setAll(edgeKeys...)
	for _, limit := range []int{-7, 0, 1, 2, len(edgeKeys) - 1, len(edgeKeys), len(edgeKeys) + 1, math.MaxInt} {
		for _, c := range []kvstore.KeyConstraint{{}, kvstore.Prefix("ab"), kvstore.Prefix("none")} {
			p.wantRange(c, limit, within(edgeKeys, c, limit))
		}
	}
}

// rangeStopsEarly calls the sequence as a range statement does, but counts the
// calls that a range statement would answer with a panic.
func rangeStopsEarly(p *storageProbe) {
	p.setAll(edgeKeys...)
	for _, after := range []int{1, 2, len(edgeKeys)} {
		calls := 0
		seq := p.s.Range(context.Background(), kvstore.KeyConstraint{}, kvstore.QueryOptions{})
		seq(func(kvstore.KeyValue, error) bool {
			calls++
			return calls < after
		})
		if calls != after {
			p.errorf("Range yields %d times, want %d: the loop was left there", calls, after)
		}
		p.set("written after", "1")
		p.wantGet("written after", "1")
		p.delete("written after")
	}
}

func rangeEnded(p *storageProbe) {
	p.setAll("a", "b")
	for _, ctx := range endedContexts() {
		wantRangeEnded(ctx, p, "Range", p.s.Range(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}))
	}
}

// wantRangeEnded wants no pair, and the context's error once.
func wantRangeEnded[T any](ctx context.Context, p *storageProbe, call string, seq iter.Seq2[T, error]) {
	var last error
	good, bad := 0, 0
	for _, err := range seq {
		if last = err; err == nil {
			good++
		} else {
			bad++
		}
	}
	p.wantEnded(ctx, call, last)
	if good != 0 || bad != 1 {
		p.errorf("%s with a context that has ended yields %d pairs and %d errors, want its error only", call, good, bad)
	}
}
