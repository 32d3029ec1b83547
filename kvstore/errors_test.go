package kvstore_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/kvsim/kvsim/kvstore"
)

// Each error of the API: what it says and what it matches, filled in, empty, and
// as a nil pointer in an interface.
func TestErrorsSayAndMatchWhatTheyHold(t *testing.T) {
	sentinels := []error{
		kvstore.ErrNotWritten, kvstore.ErrRefused, kvstore.ErrOutcomeUnknown, kvstore.ErrNotVisible,
		kvstore.ErrValueTooLarge, kvstore.ErrBatchTooLarge, io.ErrUnexpectedEOF, context.Canceled,
	}
	for _, tc := range []struct {
		err   error
		says  []string
		match []error // of sentinels; all others must not match
	}{
		{
			&kvstore.WriteError{Op: "put", Key: []byte("k"), Outcome: kvstore.ErrNotWritten, Revision: -1, Cause: context.Canceled},
			[]string{`put "k"`, "not written", "context canceled"},
			[]error{kvstore.ErrNotWritten, context.Canceled},
		},
		{
			&kvstore.WriteError{Op: "execute", Outcome: kvstore.ErrOutcomeUnknown, Revision: 7, Cause: context.Canceled},
			[]string{"execute: ", "not yet visible at revision 7"},
			[]error{kvstore.ErrOutcomeUnknown, kvstore.ErrNotVisible, context.Canceled},
		},
		{
			&kvstore.WriteError{Op: "delete", Key: []byte{}, Outcome: kvstore.ErrOutcomeUnknown, Revision: 0, Cause: io.ErrUnexpectedEOF},
			[]string{`delete ""`, "not yet visible at revision 0"},
			[]error{kvstore.ErrOutcomeUnknown, kvstore.ErrNotVisible, io.ErrUnexpectedEOF},
		},
		{&kvstore.WriteError{Op: "put", Outcome: kvstore.ErrRefused, Revision: 3}, []string{"put: refused"}, []error{kvstore.ErrRefused}},
		{&kvstore.WriteError{}, []string{"<nil>"}, nil},
		{(*kvstore.WriteError)(nil), []string{"<nil>"}, nil},

		{&kvstore.WaitError{Position: 3, Target: 9, Cause: io.ErrUnexpectedEOF, Err: context.Canceled}, []string{"position 3", "9", "context canceled", "unexpected EOF"}, []error{io.ErrUnexpectedEOF, context.Canceled}},
		{&kvstore.WaitError{Position: -1, Target: -1, Err: context.Canceled}, []string{"position -1", "end of the log, not known yet"}, []error{context.Canceled}},
		{&kvstore.WaitError{}, []string{"position 0"}, nil},
		{(*kvstore.WaitError)(nil), []string{"<nil>"}, nil},

		{&kvstore.SizeError{Records: 1, Bytes: 100, Limit: 99, LimitedBy: "x"}, []string{"value too large", "100 bytes", "limit is 99 (x)"}, []error{kvstore.ErrValueTooLarge}},
		{&kvstore.SizeError{Records: 2, Bytes: 100, Limit: 0, LimitedBy: "x"}, []string{"batch too large", "2 records", "limit is 0 (x)"}, []error{kvstore.ErrBatchTooLarge}},
		{&kvstore.SizeError{Records: 1, Bytes: 100}, []string{"limit is not known"}, []error{kvstore.ErrValueTooLarge}},
		{&kvstore.SizeError{Records: 1, Bytes: 100, Limit: 50}, []string{"limit is 50"}, []error{kvstore.ErrValueTooLarge}},
		{&kvstore.SizeError{}, []string{"0 records"}, []error{kvstore.ErrBatchTooLarge}},
		{(*kvstore.SizeError)(nil), []string{"<nil>"}, nil},

		{&kvstore.HookError{Key: []byte("k"), Revision: 4, Panic: io.ErrUnexpectedEOF}, []string{`key "k"`, "revision 4", "unexpected EOF"}, []error{io.ErrUnexpectedEOF}},
		{&kvstore.HookError{Key: []byte("k"), Revision: -1, Panic: "text"}, []string{`key "k"`, "gone after a rebuild", "text"}, nil},
		{&kvstore.HookError{}, []string{"<nil>"}, nil},
		{(*kvstore.HookError)(nil), []string{"<nil>"}, nil},

		{&kvstore.DecodeError{Key: []byte(strings.Repeat("k", 100)), Cause: io.ErrUnexpectedEOF}, []string{"100 bytes", "unexpected EOF"}, []error{io.ErrUnexpectedEOF}},
		{&kvstore.DecodeError{}, []string{`""`}, nil},
		{(*kvstore.DecodeError)(nil), []string{"<nil>"}, nil},

		{&kvstore.PanicError{In: "storage", Panic: io.ErrUnexpectedEOF}, []string{"storage panicked: unexpected EOF"}, []error{io.ErrUnexpectedEOF}},
		{&kvstore.PanicError{In: "storage", Panic: 7}, []string{"storage panicked: 7"}, nil},
		{&kvstore.PanicError{}, []string{"panicked"}, nil},
		{(*kvstore.PanicError)(nil), []string{"<nil>"}, nil},
	} {
		for _, s := range tc.says {
			if !strings.Contains(tc.err.Error(), s) {
				t.Errorf("%#v says %q, want it to say %q", tc.err, tc.err.Error(), s)
			}
		}
		for _, s := range sentinels {
			want := false
			for _, m := range tc.match {
				want = want || m == s
			}
			if got := errors.Is(tc.err, s); got != want {
				t.Errorf("errors.Is(%#v, %q) = %t, want %t", tc.err, s, got, want)
			}
		}
	}
}
