package outcome_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/kvsim/kvsim/internal/outcome"
	"github.com/kvsim/kvsim/kvstore"
	lin "github.com/kvsim/kvsim/linearizability"
)

func TestErrorsHaveTheClassOfWhatEndedTheCall(t *testing.T) {
	t.Parallel()
	write := func(how, cause error) error {
		return fmt.Errorf("put: %w", &kvstore.WriteError{Op: "put", Outcome: how, Revision: -1, Cause: cause})
	}
	unreachable := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	for name, c := range map[string]struct {
		err  error
		want lin.ErrorClass
	}{
		"none":                                {nil, lin.ErrorNone},
		"a closed client":                     {write(kvstore.ErrOutcomeUnknown, kvstore.ErrClientClosed), lin.ErrorClosed},
		"a topic that is gone":                {fmt.Errorf("get: %w", kvstore.ErrTopicDeleted), lin.ErrorTopic},
		"a key that is none":                  {write(kvstore.ErrRefused, kvstore.ErrInvalidKey), lin.ErrorArgument},
		"a value that is too large":           {write(kvstore.ErrRefused, &kvstore.SizeError{Records: 1}), lin.ErrorArgument},
		"a refusal for another reason":        {write(kvstore.ErrRefused, kerr.InvalidRecord), lin.ErrorArgument},
		"a call that was taken back":          {write(kvstore.ErrNotWritten, context.Canceled), lin.ErrorCanceled},
		"a deadline":                          {write(kvstore.ErrOutcomeUnknown, context.DeadlineExceeded), lin.ErrorDeadline},
		"a deadline while no broker answered": {&kvstore.WaitError{Err: context.DeadlineExceeded, Cause: unreachable}, lin.ErrorDeadline},
		"the life of a write":                 {write(kvstore.ErrOutcomeUnknown, kvstore.ErrDeliveryTimeout), lin.ErrorTimeout},
		"a loss":                              {fmt.Errorf("rebuild: %w", kvstore.ErrDataLoss), lin.ErrorLoss},
		"deletions that may be missing":       {kvstore.ErrTombstonesExpired, lin.ErrorAbsence},
		"records that were withheld":          {kvstore.ErrRecordsWithheld, lin.ErrorWithheld},
		"a right that is missing":             {write(kvstore.ErrRefused, kerr.TopicAuthorizationFailed), lin.ErrorDenied},
		"a quota":                             {kerr.ThrottlingQuotaExceeded, lin.ErrorThrottled},
		"a storage that panicked":             {&kvstore.PanicError{In: "storage", Panic: "no"}, lin.ErrorStorage},
		"a callback that panicked":            {&kvstore.PanicError{In: "progress callback", Panic: "no"}, lin.ErrorOther},
		"a network":                           {fmt.Errorf("sync: %w", unreachable), lin.ErrorUnavailable},
		"a broker that may answer later":      {write(kvstore.ErrNotWritten, kerr.NotEnoughReplicas), lin.ErrorUnavailable},
		"anything else":                       {errors.New("it failed"), lin.ErrorOther},
	} {
		if got := outcome.Class(c.err); got != c.want {
			t.Errorf("%s: Class(%v) = %q, want %q", name, c.err, got, c.want)
		}
	}
	op := recorded(t, lin.OpPut, func(call *lin.Call) {
		outcome.Wrote(call, position, -1, write(kvstore.ErrOutcomeUnknown, context.DeadlineExceeded))
	})
	if op.Class != lin.ErrorDeadline {
		t.Errorf("a write whose deadline passed is recorded with class %q", op.Class)
	}
	op = recorded(t, lin.OpSync, func(call *lin.Call) { outcome.Told(call, position, context.Canceled) })
	if op.Class != lin.ErrorCanceled {
		t.Errorf("a sync that was taken back is recorded with class %q", op.Class)
	}
}

func TestDeadlinesAreInTheTimeOfTheHistory(t *testing.T) {
	t.Parallel()
	start := time.Now()
	for name, c := range map[string]struct {
		at   time.Duration
		want time.Duration
	}{"later": {time.Minute, time.Minute}, "before the history": {-time.Minute, 1}} {
		ctx, cancel := context.WithDeadline(t.Context(), start.Add(c.at))
		defer cancel()
		if got := outcome.Deadline(ctx, start); got != c.want {
			t.Errorf("%s: Deadline() = %v, want %v", name, got, c.want)
		}
	}
	if got := outcome.Deadline(t.Context(), start); got != 0 {
		t.Errorf("without a deadline: %v", got)
	}
	if got := outcome.Deadline(nil, start); got != 0 { //nolint:staticcheck // callers of the store may do that
		t.Errorf("without a context: %v", got)
	}
}

func TestAStatusIsRecordedWithItsCause(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status kvstore.Status
		want   lin.ClientStatus
	}{
		"live": {kvstore.Status{State: kvstore.StateLive, Position: 4, End: 4}, lin.ClientStatus{State: lin.StateLive, Lag: 0, Position: 4}},
		"before the end is known": {
			kvstore.Status{State: kvstore.StateOpening, Position: -1, End: -1},
			lin.ClientStatus{State: lin.StateOpening, Lag: lin.None, Position: lin.None},
		},
		"live, while writing is blocked": {
			kvstore.Status{State: kvstore.StateLive, Position: 4, End: 7, Lag: 3, Writing: kvstore.Problem{Err: kerr.NotEnoughReplicas}},
			lin.ClientStatus{State: lin.StateLive, Lag: 3, Position: 4, Cause: lin.ErrorUnavailable, Err: kerr.NotEnoughReplicas.Error()},
		},
		"rebuilding": {
			kvstore.Status{State: kvstore.StateRebuilding, Err: kvstore.ErrDataLoss, Reading: kvstore.Problem{Err: context.Canceled}},
			lin.ClientStatus{State: lin.StateRebuilding, Cause: lin.ErrorLoss, Err: kvstore.ErrDataLoss.Error()},
		},
	} {
		c.want.Client, c.want.Process = "c1", 2
		if got := outcome.Status("c1", 2, c.status); got != c.want {
			t.Errorf("%s: Status() = %+v, want %+v", name, got, c.want)
		}
	}
}

// noClass are the errors of the store that say nothing about the class: the outcome of a write, that
// there is no value, and errors of typed clients, which no history has.
var noClass = []string{
	"ErrNotFound", "ErrNotWritten", "ErrRefused", "ErrOutcomeUnknown", "ErrNotVisible",
	"ErrLossyJSON", "ErrNilMessage", "ErrSchemaMismatch", "ErrRegistryUnavailable",
}

func TestEachErrorOfTheStoreHasAClass(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "../../kvstore/errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("class.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for _, id := range spec.Names {
			if !strings.HasPrefix(id.Name, "Err") {
				continue
			}
			found++
			if !strings.Contains(string(code), "kvstore."+id.Name) && !slices.Contains(noClass, id.Name) {
				t.Errorf("class.go gives kvstore.%s no class, and noClass does not say that it needs none", id.Name)
			}
		}
		return false
	})
	if found < 20 {
		t.Errorf("%d errors were found", found)
	}
}
