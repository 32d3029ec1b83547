package kvstore

import (
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
)

// PanicError is the error of a client that ended because code which it was given
// panicked: its storage, its decompressor, or a callback that is no hook. Nobody knows
// what state such code is in, so the client does not call it again: every operation fails
// with this error, the process goes on, and Close works.
//
// Two kinds of panic do not end the client. A hook that panics is reported as a
// [HookError], and if a transport of the Schema Registry panics, the call that asked for
// a schema fails.
type PanicError struct {
	// In says whose code it was: "storage", "progress callback",
	// "kgo.WithDecompressor" or "transport of the Schema Registry".
	In string

	// Panic is the value that it panicked with.
	Panic any

	// Stack is the stack of the panic, as text.
	Stack []byte
}

// Error says who panicked with what.
func (e *PanicError) Error() string {
	if e == nil {
		return noError
	}
	return fmt.Sprintf("%s panicked: %v", e.In, e.Panic)
}

// Unwrap returns the value of the panic if that is an error.
func (e *PanicError) Unwrap() error {
	if e == nil {
		return nil
	}
	err, _ := e.Panic.(error)
	return err
}

func isPanic(err error) bool {
	var p *PanicError
	return errors.As(err, &p)
}

// guarded calls code of the user and turns a panic of it into a *PanicError.
func guarded(in string, fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{In: in, Panic: p, Stack: debug.Stack()}
		}
	}()
	return fn()
}

// guardedSeq yields what seq yields. A panic of seq, but not one of the loop over
// it, is handed to failed and becomes the last error, unless the loop was left.
func guardedSeq[T any](in string, seq iter.Seq2[T, error], failed func(error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		inLoop, left := false, false
		err := guardedUnless(&inLoop, in, func() {
			seq(func(t T, err error) bool {
				inLoop = true
				left = !yield(t, err)
				inLoop = false
				return !left
			})
		})
		if err == nil {
			return
		}
		failed(err)
		if !left {
			var none T
			yield(none, err)
		}
	}
}

// guardedUnless is guarded, but lets a panic pass that comes while *not is true.
func guardedUnless(not *bool, in string, fn func()) (err error) {
	defer func() {
		if *not {
			return
		}
		if p := recover(); p != nil {
			err = &PanicError{In: in, Panic: p, Stack: debug.Stack()}
		}
	}()
	fn()
	return nil
}

// crash ends the client because of a *PanicError, unless it is closed.
func (c *Client) crash(err error) {
	if c.gateError() == nil {
		c.fail(err)
	}
}
