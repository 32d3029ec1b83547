package kvstoretest_test

import (
	"fmt"
	"testing"

	"github.com/kvsim/kvsim/kvstoretest"
)

// A client reads what it has written, immediately.
func Example_readYourWrite() {
	run(func(t testing.TB) {
		kv := kvstoretest.NewStore(t)
		ctx := t.Context()

		if err := kv.Put(ctx, []byte("theme"), []byte("dark")); err != nil {
			t.Fatalf("%v", err)
		}
		value, err := kv.Get(ctx, []byte("theme"))
		fmt.Printf("%s, %v\n", value, err)
	})
	// Output: dark, <nil>
}
