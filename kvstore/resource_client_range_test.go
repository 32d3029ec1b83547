package kvstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/kvsim/kvsim/kvstore"
)

func TestTypedRangeGoesOnAfterABadValue(t *testing.T) {
	inTypedStore(t, func(t *testing.T, s *typedStore) {
		for _, kv := range [][2]string{{"a", "ii"}, {"b", "text"}, {"c", "iiii"}, {"d", "more text"}, {"e", ""}} {
			s.put(kv[0], kv[1])
		}
		numbers := kvstore.NewResourceClient(s.Client, evenSerde{})
		line := func(key []byte, value int, err error) string {
			if err == nil {
				return fmt.Sprintf("%s=%d", key, value)
			}
			var decode *kvstore.DecodeError
			if !errors.As(err, &decode) || string(decode.Key) != string(key) || !errors.Is(err, errText) || value != 0 {
				t.Errorf("key %q came with value %d and %v, want 0 and a DecodeError of that key", key, value, err)
			}
			return fmt.Sprintf("%s bad", key)
		}
		for _, c := range []struct {
			limit, stop int
			want        []string
		}{
			{0, 0, []string{"a=2", "b bad", "c=4", "d bad", "e=0"}},
			{4, 0, []string{"a=2", "b bad", "c=4", "d bad"}},
			{0, 2, []string{"a=2", "b bad"}},
		} {
			opts := kvstore.QueryOptions{Limit: c.limit}
			var pairs, entries []string
			for kv, err := range numbers.RangeAll(t.Context(), kvstore.KeyConstraint{}, opts) {
				pairs = append(pairs, line(kv.Key, kv.Value, err))
				if len(pairs) == c.stop {
					break
				}
			}
			for e, err := range numbers.RangeAllEntries(t.Context(), kvstore.KeyConstraint{}, opts) {
				entries = append(entries, line(e.Key, e.Value, err))
				if want := int64(e.Key[0] - 'a'); e.Revision != want || e.Time.IsZero() {
					t.Errorf("entry %q has revision %d and time %v, want %d and a time", e.Key, e.Revision, e.Time, want)
				}
				if len(entries) == c.stop {
					break
				}
			}
			if !slices.Equal(pairs, c.want) || !slices.Equal(entries, c.want) {
				t.Errorf("limit %d, stop after %d: RangeAll, RangeAllEntries = %q, %q; want %q", c.limit, c.stop, pairs, entries, c.want)
			}
		}
	})
}

// errEnds is a serde whose every value is bad and ends a context.
type errEnds struct{ end func() }

func (errEnds) Serialize(int) ([]byte, error) { return nil, errText }

func (s errEnds) Deserialize([]byte) (int, error) {
	s.end()
	return 0, errText
}

func TestTypedRangeOverBadValuesEndsWithItsContext(t *testing.T) {
	inTypedStore(t, func(t *testing.T, s *typedStore) {
		for _, key := range []string{"a", "b", "c"} {
			s.put(key, "text")
		}
		ctx, cancel := context.WithCancel(t.Context())
		numbers := kvstore.NewResourceClient(s.Client, errEnds{cancel})
		n := 0
		want := []error{errText, context.Canceled}
		for _, err := range numbers.RangeAll(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
			wantError(t, "RangeAll", err, want[min(n, 1)])
			n++
		}
		if n != 2 {
			t.Errorf("RangeAll yielded %d errors, want that of a value and then that of its context", n)
		}
		for _, err := range numbers.RangeAll(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
			n++
			wantError(t, "RangeAll", err, context.Canceled)
		}
		if n != 3 {
			t.Errorf("RangeAll with an ended context yielded %d values, want its error alone", n-2)
		}
	})
}

// A loop that takes a bad value, and whose context ends before it goes on, must not look complete.
func TestTypedRangeWhoseContextEndsAtABadValueSaysSo(t *testing.T) {
	inTypedStore(t, func(t *testing.T, s *typedStore) {
		for _, key := range []string{"a", "b", "c"} {
			s.put(key, "text")
		}
		numbers := kvstore.NewResourceClient(s.Client, evenSerde{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var last error
		n := 0
		for _, err := range numbers.RangeAll(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
			n, last = n+1, err
			cancel()
		}
		if n != 2 {
			t.Errorf("RangeAll yielded %d values, want the first one and the error of its context", n)
		}
		wantError(t, "RangeAll", last, context.Canceled)
	})
}
