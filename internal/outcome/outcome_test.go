package outcome_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/kvsim/kvsim/internal/outcome"
	"github.com/kvsim/kvsim/kvstore"
	lin "github.com/kvsim/kvsim/linearizability"
)

// recorded returns the operation that a history has of one call.
func recorded(t *testing.T, kind lin.OpKind, end func(*lin.Call)) lin.Operation {
	t.Helper()
	r := lin.NewRecorder(func() time.Duration { return 0 }, lin.RecorderOptions{})
	end(r.Begin(lin.Operation{Client: "c", Process: 1, Kind: kind, Key: "k"}))
	return r.History().Ops[0]
}

func position() int64 { return 9 }

// Only what the store says is certain is recorded as failed.
func TestWritesAreRecordedAsTheStoreReportsThem(t *testing.T) {
	t.Parallel()
	write := func(how error, revision int64) error {
		return fmt.Errorf("put: %w", &kvstore.WriteError{Op: "put", Outcome: how, Revision: revision, Cause: context.Canceled})
	}
	for name, c := range map[string]struct {
		revision int64
		err      error
		want     lin.Outcome
		at       int64 // the revision of the history
		placed   bool
	}{
		"acknowledged":               {4, nil, lin.OK, 4, false},
		"a batch without changes":    {-1, nil, lin.OK, lin.None, false},
		"not written":                {-1, write(kvstore.ErrNotWritten, -1), lin.Failed, lin.None, false},
		"refused":                    {-1, write(kvstore.ErrRefused, -1), lin.Failed, lin.None, false},
		"refused before it was sent": {-1, fmt.Errorf("put: %w", kvstore.ErrRefused), lin.Failed, lin.None, false},
		"unknown":                    {-1, write(kvstore.ErrOutcomeUnknown, -1), lin.Unknown, lin.None, false},
		"written and not visible":    {-1, write(kvstore.ErrOutcomeUnknown, 4), lin.Unknown, 4, true},
		"an error of another store":  {-1, errors.New("it failed"), lin.Unknown, lin.None, false},
		"a context's error":          {-1, context.Canceled, lin.Unknown, lin.None, false},
	} {
		var placed bool
		op := recorded(t, lin.OpPut, func(call *lin.Call) { placed = outcome.Wrote(call, position, c.revision, c.err) })
		if op.Outcome != c.want || op.Revision != c.at || placed != c.placed {
			t.Errorf("%s: recorded as %v at revision %d, placed %v, want %v at %d, %v", name, op.Outcome, op.Revision, placed, c.want, c.at, c.placed)
		}
		if known := op.Position == position(); known != (c.want == lin.OK) {
			t.Errorf("%s: recorded with position %d", name, op.Position)
		}
	}
}

func TestThatThereIsNoValueIsAnAnswer(t *testing.T) {
	t.Parallel()
	id := func(value []byte) string { return "id of " + string(value) }
	broken := errors.New("it can't be read")
	for name, c := range map[string]struct {
		entry kvstore.Entry
		err   error
		want  lin.Outcome
		value string
		at    int64
	}{
		"a value":            {kvstore.Entry{Value: []byte("v"), Revision: 4}, nil, lin.OK, "id of v", 4},
		"an unknown record":  {kvstore.Entry{Value: []byte("v"), Revision: -1}, nil, lin.OK, "id of v", lin.None},
		"no value":           {kvstore.Entry{Revision: -1}, fmt.Errorf("get: %w", kvstore.ErrNotFound), lin.OK, "", lin.None},
		"it can not be read": {kvstore.Entry{Revision: -1}, broken, lin.Failed, "", lin.None},
	} {
		op := recorded(t, lin.OpGet, func(call *lin.Call) {
			outcome.Told(call, position, outcome.Got(call, id, c.entry, c.err))
		})
		if op.Outcome != c.want || op.Value != c.value || op.Revision != c.at {
			t.Errorf("%s: recorded as %v of %q at revision %d, want %v of %q at %d", name, op.Outcome, op.Value, op.Revision, c.want, c.value, c.at)
		}
		if known := op.Position == position(); known != (c.want == lin.OK) {
			t.Errorf("%s: recorded with position %d", name, op.Position)
		}
	}
}
