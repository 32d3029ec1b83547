package kvstore_test

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

// Each number that an option takes, at its extremes: a client opens and works, or
// the error names the option and the number.
func TestExtremesOfOptionsWorkOrAreRefusedByNameAndNumber(t *testing.T) {
	const forever = time.Duration(math.MaxInt64)
	for name, tc := range map[string]struct {
		opt  kvstore.ClientOption
		says string // "" = it works
	}{
		"replication -1":           {kvstore.WithReplicationFactor(-1), ""},
		"replication 1":            {kvstore.WithReplicationFactor(1), ""},
		"replication 0":            {kvstore.WithReplicationFactor(0), "WithReplicationFactor(0)"},
		"replication -2":           {kvstore.WithReplicationFactor(-2), "WithReplicationFactor(-2)"},
		"replication, least":       {kvstore.WithReplicationFactor(math.MinInt16), "WithReplicationFactor(-32768)"},
		"replication, most":        {kvstore.WithReplicationFactor(math.MaxInt16), "INVALID_REPLICATION_FACTOR"},
		"validation -1":            {kvstore.WithTopicValidation(-1), "WithTopicValidation(-1)"},
		"validation 3":             {kvstore.WithTopicValidation(3), "WithTopicValidation(3)"},
		"tombstones 0":             {kvstore.WithTombstoneRetention(0), "WithTombstoneRetention(0s)"},
		"tombstones below zero":    {kvstore.WithTombstoneRetention(math.MinInt64), "WithTombstoneRetention(-2562047h"},
		"tombstones forever":       {kvstore.WithTombstoneRetention(forever), ""},
		"delivery 0":               {kvstore.WithDeliveryTimeout(0), "WithDeliveryTimeout(0s)"},
		"delivery below zero":      {kvstore.WithDeliveryTimeout(math.MinInt64), "WithDeliveryTimeout(-2562047h"},
		"delivery forever":         {kvstore.WithDeliveryTimeout(forever), ""},
		"topic gone below zero":    {kvstore.WithTopicGoneAfter(-1), "WithTopicGoneAfter(-1ns)"},
		"topic gone after nothing": {kvstore.WithTopicGoneAfter(0), ""},
		"topic gone forever":       {kvstore.WithTopicGoneAfter(forever), ""},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, noTopic(), func(t *testing.T, w *world) {
				c, err := kvstore.NewClient(w.within(time.Minute), topic, memory.New(), w.options("c", tc.opt)...)
				if tc.says != "" {
					if err == nil {
						_ = c.Close()
					}
					wantError(t, "NewClient", err, nil, tc.says)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = c.Close() }()
				w.put(c, "k", "v")
				w.want(c, "k", "v")
			})
		})
	}
}

func TestExtremesOfRangeLimits(t *testing.T) {
	for name, s := range map[string]func() kvstore.Storage{
		"memory": func() kvstore.Storage { return memory.New() },
		"plain":  func() kvstore.Storage { return newPlain() },
	} {
		inWorld(t, noTopic(), func(t *testing.T, w *world) {
			c := w.openOn("c", s())
			for _, k := range []string{"a", "b", "c"} {
				w.put(c, k, k)
			}
			for limit, want := range map[int]int{math.MinInt: 3, -1: 3, 0: 3, 1: 1, 2: 2, 3: 3, 4: 3, math.MaxInt: 3} {
				var pairs, entries []string
				for kv, err := range c.Range(t.Context(), kvstore.KeyConstraint{}, kvstore.QueryOptions{Limit: limit}) {
					if err != nil {
						t.Fatal(err)
					}
					pairs = append(pairs, string(kv.Key))
				}
				for e, err := range c.RangeEntries(t.Context(), kvstore.KeyConstraint{}, kvstore.QueryOptions{Limit: limit}) {
					if err != nil {
						t.Fatal(err)
					}
					entries = append(entries, string(e.Key))
				}
				if all := []string{"a", "b", "c"}[:want]; !slices.Equal(pairs, all) || !slices.Equal(entries, all) {
					t.Errorf("%s, limit %d: Range, RangeEntries = %q, %q; want %q", name, limit, pairs, entries, all)
				}
			}
		})
	}
}

// Bounds that are empty, crossed, or longer than any key.
func TestExtremesOfRangeBounds(t *testing.T) {
	high := bytes.Repeat([]byte{0xff}, 100)
	for name, s := range map[string]func() kvstore.Storage{
		"memory": func() kvstore.Storage { return memory.New() },
		"plain":  func() kvstore.Storage { return newPlain() },
	} {
		inWorld(t, noTopic(), func(t *testing.T, w *world) {
			c := w.openOn("c", s())
			for _, k := range []string{"\x00", "a", "a\x00", "b", "\xff", "\xff\xff"} {
				w.put(c, k, "")
			}
			for _, tc := range []struct {
				bounds kvstore.KeyConstraint
				want   string
			}{
				{kvstore.KeyConstraint{}, `["\x00" "a" "a\x00" "b" "\xff" "\xff\xff"]`},
				{kvstore.KeyConstraint{Start: []byte{}, End: nil}, `["\x00" "a" "a\x00" "b" "\xff" "\xff\xff"]`},
				{kvstore.KeyConstraint{Start: []byte("a"), End: []byte("a")}, `[]`},
				{kvstore.KeyConstraint{Start: []byte("b"), End: []byte("a")}, `[]`},
				{kvstore.KeyConstraint{Start: []byte("a"), End: []byte("a\x00")}, `["a"]`},
				{kvstore.KeyConstraint{Start: high}, `[]`},
				{kvstore.KeyConstraint{End: high}, `["\x00" "a" "a\x00" "b" "\xff" "\xff\xff"]`},
				{kvstore.Prefix(""), `["\x00" "a" "a\x00" "b" "\xff" "\xff\xff"]`},
				{kvstore.Prefix("\xff"), `["\xff" "\xff\xff"]`},
				{kvstore.Prefix("\xff\xff"), `["\xff\xff"]`},
				{kvstore.Prefix("a"), `["a" "a\x00"]`},
			} {
				keys := []string{}
				for kv, err := range c.Range(t.Context(), tc.bounds, kvstore.QueryOptions{}) {
					if err != nil {
						t.Fatal(err)
					}
					keys = append(keys, string(kv.Key))
				}
				if got := fmt.Sprintf("%q", keys); got != tc.want {
					t.Errorf("%s: Range(%q, %q) = %s, want %s", name, tc.bounds.Start, tc.bounds.End, got, tc.want)
				}
			}
		})
	}
}
