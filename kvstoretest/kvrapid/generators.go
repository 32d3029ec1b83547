package kvrapid

import (
	"fmt"

	"pgregory.net/rapid"

	"github.com/kvsim/kvsim/kvstore"
)

// keys are few, so that they are written again and again. Some are prefixes of others, some
// have the lowest or the highest byte.
var keys = []string{"a", "a/", "a/1", "a/2", "a0", "b", "b\xff", "b\xff\xff", "c", "\x00", "\x00\x00", "\xff", "\xff\xff"}

// Keys generates keys: mostly one of a few that test ordering and prefixes, sometimes any
// bytes. They are never empty.
func Keys() *rapid.Generator[[]byte] {
	few := rapid.Map(rapid.SampledFrom(keys), func(k string) []byte { return []byte(k) })
	anything := rapid.SliceOfN(rapid.Byte(), 1, 20)
	return rapid.OneOf(few, few, few, anything)
}

// Values generates values: empty ones, short text, and any bytes up to a few kilobytes.
func Values() *rapid.Generator[[]byte] {
	short := rapid.Map(rapid.IntRange(0, 999), func(n int) []byte { return fmt.Appendf(nil, "v%d", n) })
	anything := rapid.SliceOfN(rapid.Byte(), 0, 40)
	large := rapid.Map(rapid.IntRange(1000, 9000), func(n int) []byte { return make([]byte, n) })
	empty := rapid.Just([]byte{})
	return rapid.OneOf(short, short, short, short, anything, empty, large)
}

// Change is one write of a batch.
type Change struct {
	Key    []byte
	Value  []byte // nil for a delete
	Delete bool
}

// String returns the change as a call.
func (c Change) String() string {
	if c.Delete {
		return fmt.Sprintf("delete(%q)", c.Key)
	}
	return fmt.Sprintf("put(%q, %s)", c.Key, show(c.Value))
}

// GoString returns what String does: rapid lists with it what was drawn.
func (c Change) GoString() string { return c.String() }

// Batches generates the changes of a batch, zero to six. A key may occur more than once.
func Batches(keys, values *rapid.Generator[[]byte]) *rapid.Generator[[]Change] {
	change := rapid.Custom(func(t *rapid.T) Change {
		c := Change{Key: drawBytes(t, keys, "key"), Delete: rapid.IntRange(0, 3).Draw(t, "delete") == 0}
		if !c.Delete {
			c.Value = drawBytes(t, values, "value")
		}
		return c
	})
	return rapid.SliceOfN(change, 0, 6)
}

// RangeQuery is a range query.
type RangeQuery struct {
	Constraint kvstore.KeyConstraint
	Limit      int
}

// String returns the query in the notation of intervals.
func (r RangeQuery) String() string {
	bound := func(b []byte) string {
		if b == nil {
			return "nil"
		}
		return fmt.Sprintf("%q", b)
	}
	return fmt.Sprintf("[%s, %s) limit %d", bound(r.Constraint.Start), bound(r.Constraint.End), r.Limit)
}

// GoString returns what String does.
func (r RangeQuery) GoString() string { return r.String() }

// Ranges generates range queries: all keys, prefixes, two bounds in any order,
// an open or an empty bound; with and without a limit.
func Ranges(keys *rapid.Generator[[]byte]) *rapid.Generator[RangeQuery] {
	return rapid.Custom(func(t *rapid.T) RangeQuery {
		var r RangeQuery
		switch rapid.IntRange(0, 4).Draw(t, "kind of range") {
		case 0:
		case 1:
			r.Constraint = kvstore.Prefix(string(drawBytes(t, keys, "prefix")))
		case 2:
			r.Constraint.Start = drawBytes(t, keys, "start")
		case 3:
			r.Constraint.Start, r.Constraint.End = drawBytes(t, keys, "start"), drawBytes(t, keys, "end")
		case 4:
			r.Constraint.End = append([]byte{}, rapid.OneOf(keys, rapid.Just([]byte{})).Draw(t, "end")...)
		}
		r.Limit = rapid.IntRange(-1, 4).Draw(t, "limit")
		return r
	})
}

// shown is a key or a value that rapid lists as text.
type shown []byte

// GoString returns the bytes as text, cut when they are many.
func (s shown) GoString() string { return show(s) }

// drawBytes draws bytes so that they are listed as text.
func drawBytes(t *rapid.T, g *rapid.Generator[[]byte], label string) []byte {
	return rapid.Map(g, func(b []byte) shown { return b }).Draw(t, label)
}

// show prints a value, cut when it is long.
func show(b []byte) string {
	const most = 24
	if len(b) > most {
		return fmt.Sprintf("%q... (%d bytes)", b[:most], len(b))
	}
	return fmt.Sprintf("%q", b)
}
