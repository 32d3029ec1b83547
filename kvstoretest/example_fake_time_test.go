package kvstoretest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvsim/kvsim/kvstoretest"
)

// TestFakeTime is an example that needs a *testing.T: in a synctest bubble the
// whole world runs in simulated time. The test takes a day, and some
// milliseconds.
func TestFakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit := kvstoretest.New(t)
		writer, reader := kit.Open("writer"), kit.Open("reader")

		pause := kit.PauseFetches("reader")
		if err := writer.Put(t.Context(), []byte("theme"), []byte("dark")); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		time.Sleep(24 * time.Hour)
		kit.WantMissing(reader, "theme")

		pause.Undo()
		kit.CaughtUp(reader)
		kit.WantValue(reader, "theme", "dark")
		if d := time.Since(start); d < 24*time.Hour {
			t.Errorf("%v have passed, want a day", d)
		}
	})
}
