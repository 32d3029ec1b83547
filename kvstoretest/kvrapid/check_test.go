package kvrapid

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
)

// TestMain keeps rapid from writing files and from reducing the failures that
// the tests provoke for long. Flags on the command line come later and win.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.nofailfile": "true", "rapid.checks": "60", "rapid.shrinktime": "1ms"} {
		if err := flag.Set(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	os.Exit(m.Run())
}

func TestStoreKeepsItsPromisesInSimulatedTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { Check(t, Config{}) })
}

func TestStoreKeepsItsPromisesInRealTime(t *testing.T) {
	t.Parallel()
	Check(t, Config{})
}
