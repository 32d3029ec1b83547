// Package outcome enters into a history what calls to the store returned.
//
// The test kit and the simulator record different clients at different moments. What an error of
// the store means in a history they must not decide differently.
package outcome

import (
	"errors"

	"github.com/kvsim/kvsim/kvstore"
	lin "github.com/kvsim/kvsim/linearizability"
)

// Wrote ends the call of a write. It has failed only if the store says that nothing was written;
// after any other error its outcome is unknown. position is that of the client, read if the write
// succeeded. Wrote reports whether the write has a place in the log although the call failed.
func Wrote(call *lin.Call, position func() int64, revision int64, err error) (placed bool) {
	var we *kvstore.WriteError
	switch {
	case err == nil:
		if revision >= 0 {
			call.Revision(revision)
		}
		call.Position(position()).OK()
	case errors.Is(err, kvstore.ErrNotWritten), errors.Is(err, kvstore.ErrRefused):
		call.Class(Class(err)).Failed(err)
	default:
		if placed = errors.As(err, &we) && we.Revision >= 0; placed {
			call.Revision(we.Revision)
		}
		call.Class(Class(err)).Unknown(err)
	}
	return placed
}

// Told ends the call of a read or of a wait. position is that of the client, read if the call
// succeeded.
func Told(call *lin.Call, position func() int64, err error) {
	if err != nil {
		call.Class(Class(err)).Failed(err)
		return
	}
	call.Position(position()).OK()
}

// Got enters what a client has for a key, and does not end the call. That there is no value is an
// answer, not a failure; Got returns every other error. id returns the id of a value.
func Got(call *lin.Call, id func(value []byte) string, e kvstore.Entry, err error) error {
	switch {
	case err == nil:
		call.Value(id(e.Value))
		if e.Revision >= 0 {
			call.Revision(e.Revision)
		}
	case errors.Is(err, kvstore.ErrNotFound):
		err = nil
	}
	return err
}

// Item returns an entry of a range as a history has it. id returns the id of a value.
func Item(id func(value []byte) string, e kvstore.Entry) lin.Item {
	return lin.Item{Key: string(e.Key), Value: id(e.Value), Revision: e.Revision}
}
