package kvstoretest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

// A write whose answer is lost may be in the log. It must not be taken for one
// that failed.
func Example_unknownOutcome() {
	run(func(t testing.TB) {
		kit := kvstoretest.New(t)
		kv := kit.Client()

		lost := kit.LoseAnswers(0) // every answer, until it is undone
		pause := kit.PauseFetches()
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			lost.Wait(1) // the broker has written it
			cancel()     // and the caller gives up
		}()
		err := kv.Put(ctx, []byte("theme"), []byte("dark"))
		fmt.Println("unknown:", errors.Is(err, kvstore.ErrOutcomeUnknown))
		fmt.Println("in the log:", kit.Log())

		// Later the client can tell.
		lost.Undo()
		pause.Undo()
		if err := kv.Sync(t.Context()); err != nil {
			t.Fatalf("%v", err)
		}
		kit.WantValue(kv, "theme", "dark")
	})
	// Output:
	// unknown: true
	// in the log: offset 0  "theme" = "dark"
}
