package kvstoretest_test

import (
	"fmt"
	"testing"

	"github.com/kvsim/kvsim/kvstoretest"
)

// Another client's reads may lag. WaitRevision carries a write over to it.
func Example_lag() {
	run(func(t testing.TB) {
		kit := kvstoretest.New(t)
		writer, reader := kit.Open("writer"), kit.Open("reader")
		ctx := t.Context()

		pause := kit.PauseFetches("reader")
		revision, err := writer.PutRevision(ctx, []byte("theme"), []byte("dark"))
		if err != nil {
			t.Fatalf("%v", err)
		}
		pause.Wait(1) // the record is on its way to the reader, and held
		_, err = reader.Get(ctx, []byte("theme"))
		fmt.Println("while it lags:", err)

		pause.Undo()
		if err := reader.WaitRevision(ctx, revision); err != nil {
			t.Fatalf("%v", err)
		}
		value, _ := reader.Get(ctx, []byte("theme"))
		fmt.Printf("after WaitRevision: %s\n", value)
	})
	// Output:
	// while it lags: key not found
	// after WaitRevision: dark
}
