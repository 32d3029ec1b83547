package exact

import (
	"errors"
	"fmt"
	"time"
)

var (
	// ErrTooManySteps says that a run passed RunOptions.MaxSteps. It is
	// deterministic: the same guest, seed, arguments and bound always stop
	// at the same step.
	ErrTooManySteps = errors.New("too many steps")

	// ErrTooLong says that the simulated time reached RunOptions.MaxElapsed. It
	// is as deterministic as ErrTooManySteps.
	ErrTooLong = errors.New("too much simulated time")

	// ErrNotGuest says that a file is not a WebAssembly module built by Go
	// for GOOS=wasip1 GOARCH=wasm.
	ErrNotGuest = errors.New("not a guest built by Go for GOOS=wasip1 GOARCH=wasm")
)

// PatchError says that a change to a file of the Go runtime does not fit the
// user's Go: the text that it looks for was found Found times, not once.
type PatchError struct {
	GoVersion string // as "go env GOVERSION" prints it
	File      string // the file of GOROOT that was read
	Purpose   string // what the change is for
	Want      string // the text that was looked for
	Found     int    // how often it occurs in File
}

func (e *PatchError) Error() string {
	return fmt.Sprintf("the random scheduler does not fit %s (it is written for %s): %s: wanted once, found %d times, in order to %s:\n%s\n"+
		"use a supported Go, or go without with --scheduler=stock", e.GoVersion, supportedGo, e.File, e.Found, e.Purpose, e.Want)
}

// BoundError says that a bound of RunOptions stopped a run. It wraps ErrTooManySteps or
// ErrTooLong.
type BoundError struct {
	Err     error         // ErrTooManySteps or ErrTooLong
	Steps   uint64        // steps made when the run was stopped
	Elapsed time.Duration // simulated time that had passed
	Where   string        // innermost functions of the guest at that step, if known
}

func (e *BoundError) Error() string {
	s := fmt.Sprintf("%v: stopped after %d steps and %v of simulated time", e.Err, e.Steps, e.Elapsed)
	if e.Where != "" {
		s += ", in " + e.Where
	}
	return s
}

func (e *BoundError) Unwrap() error { return e.Err }
