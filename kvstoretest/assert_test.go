package kvstoretest

import (
	"context"
	"fmt"
	"iter"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/kvsim/kvsim/kvstore"
)

func TestAssertionsHold(t *testing.T) {
	t.Parallel()
	f := onFake(t, func(t testing.TB) {
		kit := New(t)
		kv := kit.Client()
		put(t, kv, "k", "v")
		ok := kit.WantValue(kv, "k", "v") && kit.WantMissing(kv, "gone") &&
			kit.WantContents(kv, map[string]string{"k": "v"}) && kit.WantSnapshot(map[string]string{"k": "v"})
		if !ok {
			t.Errorf("an assertion that holds returned false")
		}
	})
	f.wantErrors(t)
}

// TestAssertionMessages holds the whole text of each message.
func TestAssertionMessages(t *testing.T) {
	t.Parallel()
	const scene = `    client "b" at position 2, live
    the last 4 of 4 records of the log:
        offset 0  "theme" = "light"
        offset 1  "size" = "10"
        offset 2  "theme" = "dark" (not applied yet)
        offset 3  "size" deleted (not applied yet)
    fault: stall client=b dir=to-client api=fetch, 1 hit`
	for _, c := range []struct {
		name, want string
		assert     func(k *Kit, kv Reader) bool
	}{
		{
			"WantValue", `Get("theme") = "light" (revision 0), want "dark"` + "\n" + scene,
			func(k *Kit, kv Reader) bool { return k.WantValue(kv, "theme", "dark") },
		},
		{
			"WantValue of a missing key", `Get("font") = key not found, want "serif"` + "\n" + scene,
			func(k *Kit, kv Reader) bool { return k.WantValue(kv, "font", "serif") },
		},
		{
			"WantMissing", `Get("size") = "10" (revision 1), want key not found` + "\n" + scene,
			func(k *Kit, kv Reader) bool { return k.WantMissing(kv, "size") },
		},
		{
			"WantContents", `Range differs from what is wanted:
    "size" = "10" (revision 1), want no such key
    "theme" = "light" (revision 0), want "dark"
    "font" is missing, want "serif"
` + scene,
			func(k *Kit, kv Reader) bool {
				return k.WantContents(kv, map[string]string{"theme": "dark", "font": "serif"})
			},
		},
		{
			"WantSnapshot", `the log differs from what is wanted:
    "theme" = "dark" (revision 2), want "light"
    the last 4 of 4 records of the log:
        offset 0  "theme" = "light"
        offset 1  "size" = "10"
        offset 2  "theme" = "dark"
        offset 3  "size" deleted
    fault: stall client=b dir=to-client api=fetch, 1 hit`,
			func(k *Kit, _ Reader) bool { return k.WantSnapshot(map[string]string{"theme": "light"}) },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := onFake(t, func(t testing.TB) {
					kit := New(t)
					a, b := kit.Open("a"), kit.Open("b")
					put(t, a, "theme", "light")
					put(t, a, "size", "10")
					kit.CaughtUp(b)
					pause := kit.PauseFetches("b")
					put(t, a, "theme", "dark")
					pause.Wait(1)
					kit.Append(Tombstone("size"))
					if c.assert(kit, b) {
						t.Errorf("returned true")
					}
				})
				if d := cmp.Diff([]string{c.want}, f.errors); d != "" {
					t.Errorf("reported (-want +got):\n%s", d)
				}
			})
		})
	}
}

func TestDifferenceIsCut(t *testing.T) {
	t.Parallel()
	want := map[string]string{}
	for i := range 15 {
		want[fmt.Sprintf("k%02d", i)] = "v"
	}
	f := onFake(t, func(t testing.TB) { New(t).WantSnapshot(want) })
	f.wantErrors(t, "    and 5 more\n    the log is empty")
}

// unordered yields its keys in descending order.
type unordered struct{ *kvstore.Client }

func (u unordered) RangeEntries(context.Context, kvstore.KeyConstraint, kvstore.QueryOptions) iter.Seq2[kvstore.Entry, error] {
	return func(yield func(kvstore.Entry, error) bool) {
		_ = yield(kvstore.Entry{Key: []byte("b")}, nil) && yield(kvstore.Entry{Key: []byte("a")}, nil)
	}
}

func TestWantContentsSeesTheOrder(t *testing.T) {
	t.Parallel()
	f := onFake(t, func(t testing.TB) {
		kit := New(t)
		kit.WantContents(unordered{kit.Client()}, map[string]string{"a": "", "b": ""})
	})
	f.wantErrors(t, "the keys are not in ascending order")
}

func TestAssertionsOnAClosedClient(t *testing.T) {
	t.Parallel()
	f := onFake(t, func(t testing.TB) {
		kit := New(t)
		kv := kit.Client()
		_ = kv.Close()
		kit.WantValue(kv, "k", "v")
		kit.WantMissing(kv, "k")
		kit.WantContents(kv, nil)
	})
	f.wantErrors(t, `Get("k") = get "k": client is closed, want "v"`, "client is closed, want key not found", "Range = range: client is closed")
}
