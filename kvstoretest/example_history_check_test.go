package kvstoretest_test

import (
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/kvsim/kvsim/kvstoretest"
)

// The last line of a test judges everything that all clients did.
func Example_historyCheck() {
	run(func(t testing.TB) {
		kit := kvstoretest.New(t)
		var all sync.WaitGroup
		for _, name := range []string{"a", "b", "c"} {
			kv := kit.Record(kit.Open(name))
			all.Go(func() {
				for i := range 20 {
					_ = kv.Put(t.Context(), []byte("counter"), []byte(name+strconv.Itoa(i)))
					_, _ = kv.Get(t.Context(), []byte("counter"))
				}
			})
		}
		kit.LoseAnswers(2)
		kit.RestartBrokers()
		all.Wait()
		verdict := kit.CheckHistory()
		fmt.Println(verdict.Status, "after", verdict.Operations, "operations")
	})
	// Output: held after 120 operations
}
