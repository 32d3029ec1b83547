package kvstoretest_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
)

// The examples are tests without a *testing.T, which examples do not have. In a
// test of your own, give New your t.

// test is the testing.TB of the examples: it prints what fails.
type test struct {
	testing.TB
	failed   bool
	cleanups []func()
}

// run runs an example as a test.
func run(fn func(t testing.TB)) {
	t := &test{}
	defer func() {
		for _, cleanup := range slices.Backward(t.cleanups) {
			cleanup()
		}
	}()
	fn(t)
}

func (t *test) Helper()                           {}
func (t *test) Name() string                      { return "Example" }
func (t *test) Context() context.Context          { return context.Background() }
func (t *test) Cleanup(fn func())                 { t.cleanups = append(t.cleanups, fn) }
func (t *test) Failed() bool                      { return t.failed }
func (t *test) Errorf(format string, args ...any) { t.failed = true; fmt.Printf(format+"\n", args...) }
func (t *test) Logf(string, ...any)               {}
func (t *test) Log(...any)                        {}
func (t *test) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
