package kvstoretest_test

import (
	"fmt"
	"testing"

	"github.com/kvsim/kvsim/kvstoretest"
)

// Brokers and clients restart, and nothing is lost.
func Example_restart() {
	run(func(t testing.TB) {
		kit := kvstoretest.New(t, kvstoretest.WithBrokers(3))
		kv := kit.Open("app")
		kit.Seed(map[string]string{"theme": "light"})

		kit.RestartBrokers()
		kit.StopBroker(kit.Leader()) // permanently
		kit.MoveLeader(1)
		if err := kv.Put(t.Context(), []byte("theme"), []byte("dark")); err != nil {
			t.Fatalf("%v", err)
		}

		kv.Close()
		again := kit.Open("app") // reads the log again
		kit.WantValue(again, "theme", "dark")
		fmt.Println(kit.Contents(again))
	})
	// Output: "theme"="dark" (1)
}
