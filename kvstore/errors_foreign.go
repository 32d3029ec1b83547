package kvstore

import (
	"errors"
	"slices"
)

// foreignError is an error that comes from the program, as the cause of a context or an error of
// a serde, and is one of another call of this package. It says the same, and matches what it
// matches otherwise, but not what says how a call has ended: for that it would be taken for the
// outcome of the call that returns it. For example, errgroup ends the context of all its
// functions with the first error, which may be ErrNotFound.
type foreignError struct{ err error }

// foreign returns err as part of the error of another call.
func foreign(err error) error {
	of := slices.ContainsFunc(endsOfCalls, func(e error) bool { return errors.Is(err, e) })
	if _, ok := errors.AsType[*WaitError](err); !ok && !of {
		return err
	}
	return &foreignError{err}
}

var endsOfCalls = []error{
	ErrNotFound, ErrNotWritten, ErrRefused, ErrOutcomeUnknown, ErrNotVisible, ErrInvalidKey, ErrInvalidRevision, ErrReadOnly,
	ErrHookReentry, ErrBatchExecuted, ErrValueTooLarge, ErrBatchTooLarge,
}

func (e *foreignError) Error() string { return e.err.Error() }

func (e *foreignError) Is(target error) bool {
	return !slices.Contains(endsOfCalls, target) && errors.Is(e.err, target)
}

func (e *foreignError) As(target any) bool {
	switch target.(type) {
	case **WriteError, **WaitError, **SizeError:
		return false
	}
	return errors.As(e.err, target)
}
