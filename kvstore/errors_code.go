package kvstore

import (
	"errors"
	"fmt"
)

// HookError is reported when a hook panics. The record that it was called for is visible
// anyway, and the hooks after it are called.
type HookError struct {
	// Key is the key of the record.
	Key []byte

	// Revision is the offset of the record; -1 when there is none, because a
	// rebuild found that the key is gone.
	Revision int64

	// Panic is the value that the hook panicked with.
	Panic any

	// Stack is the stack of the panic, as text.
	Stack []byte
}

// Error names the key, the revision and the panic's value.
func (e *HookError) Error() string {
	switch {
	case e == nil:
		return noError
	case e.Revision < 0:
		return fmt.Sprintf("hook panicked on key %s, which is gone after a rebuild: %v", quoteKey(e.Key), e.Panic)
	}
	return fmt.Sprintf("hook panicked on key %s at revision %d: %v", quoteKey(e.Key), e.Revision, e.Panic)
}

// Unwrap returns the value of the panic if that is an error.
func (e *HookError) Unwrap() error {
	if e == nil {
		return nil
	}
	err, _ := e.Panic.(error)
	return err
}

// PanicError is the error of a client that ended because code which it was given panicked:
// its storage, its decompressor, or a callback that is not a hook. The state of such code
// is unknown, so the client does not call it again: every operation fails with this error,
// the process goes on, and Close works.
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
	_, ok := errors.AsType[*PanicError](err)
	return ok
}

// DecodeError is the error of a stored value that could not be deserialized.
// The value stays as it is in the store and in the log.
type DecodeError struct {
	// Key is the key that the value is stored under.
	Key []byte

	// Cause is what the serde returned.
	Cause error
}

// Error names the key and the cause.
func (e *DecodeError) Error() string {
	if e == nil {
		return noError
	}
	return fmt.Sprintf("deserialize value of %s: %v", quoteKey(e.Key), e.Cause)
}

// Unwrap returns the cause.
func (e *DecodeError) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Cause
}
