package kvstore

import (
	"iter"
	"runtime/debug"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
)

// guarded calls the user's code and turns a panic in it into a *PanicError.
func guarded(in string, fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if invariant.On {
				invariant.Rethrow(p)
			}
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

// guardedUnless is guarded, but lets a panic through while *not is true.
func guardedUnless(not *bool, in string, fn func()) (err error) {
	defer func() {
		if *not {
			return
		}
		if p := recover(); p != nil {
			if invariant.On {
				invariant.Rethrow(p)
			}
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
