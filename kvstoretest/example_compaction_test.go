package kvstoretest_test

import (
	"fmt"
	"testing"

	"github.com/kvsim/kvsim/kvstoretest"
)

// Compaction keeps the last record of each key, and with it all that a new client
// needs.
func Example_compaction() {
	run(func(t testing.TB) {
		kit := kvstoretest.New(t)
		kit.Append(
			kvstoretest.Set("theme", "light"),
			kvstoretest.Set("size", "10"),
			kvstoretest.Set("theme", "dark"),
		)
		compaction := kit.Compact()
		fmt.Println("records removed:", compaction.Hits())
		fmt.Println(kit.Log())
		kit.WantContents(kit.Client(), map[string]string{"theme": "dark", "size": "10"})
	})
	// Output:
	// records removed: 1
	// offset 1  "size" = "10"
	// offset 2  "theme" = "dark"
	// offset 3  marker: aborted
}
