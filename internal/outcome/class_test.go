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
	"path/filepath"
	"regexp"
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
		"an open transaction":                 {fmt.Errorf("%w at offset 3", kvstore.ErrOpenTransaction), lin.ErrorTransaction},
		"a deadline behind a transaction":     {&kvstore.WaitError{Err: context.DeadlineExceeded, Cause: kvstore.ErrOpenTransaction}, lin.ErrorDeadline},
		"a storage that failed":               {fmt.Errorf("%w: disk full", kvstore.ErrStorage), lin.ErrorStorage},
		"a quota that slows the client":       {fmt.Errorf("%w by broker 1", kvstore.ErrThrottled), lin.ErrorThrottled},
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
	"ErrLossyJSON", "ErrNilMessage", "ErrSchemaMismatch", "ErrRegistryUnavailable", "DecodeError", "errNoProtoSerde",
}

// wrapping are the types that have the class of what they wrap.
var wrapping = []string{
	"WriteError", "WaitError", "SizeError", "lostError", "anotherLogError", "hangUpError", "rightError", "PanicError", "errRolledBack",
	"laterError", "errStoring", "foreignError",
}

// other are those of which a history can only say that they are none of its classes: the brokers
// answer what makes no sense, the program's own code failed, or they go no further than the store itself.
var other = []string{
	"errNoContext", "errCorrupt", "errOutOfPlace", "errForeign", "errPartial", "errNothing", "errMismatch", "errEnough",
	"errNoPartition", "errNoProgress", "errUnseen", "errShorter", "errWithdrawn", "errRenamed", "errImpossible", "errLogger",
	"movedError", "unansweredError", "DecompressError", "HookError", "ErrCallbackBusy", "the leader says that the log ends at offset %d",
}

// TestEachCauseOfTheStoreHasAClass goes through all that the store can say that it met: its errors, the
// types of its errors, and texts by themselves of what blocks a client. A new one needs a
// class, or a reason why it has none.
func TestEachCauseOfTheStoreHasAClass(t *testing.T) {
	t.Parallel()
	code, err := os.ReadFile("class.go")
	if err != nil {
		t.Fatal(err)
	}
	known := append(append(slices.Clone(noClass), wrapping...), other...)
	names := causesOfTheStore(t)
	for _, name := range names {
		if !strings.Contains(string(code), "kvstore."+name) && !slices.ContainsFunc(known, func(k string) bool { return strings.HasPrefix(name, k) }) {
			t.Errorf("class.go gives %q of the store no class, and this test does not say that it needs none", name)
		}
	}
	for _, k := range known {
		if !slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, k) }) {
			t.Errorf("the store has no %q", k)
		}
	}
	if len(names) < 50 {
		t.Errorf("%d causes were found", len(names))
	}
}

// causesOfTheStore returns the names of the store's errors and of their types, and the texts that
// are given as what blocks a client and wrap none of them.
func causesOfTheStore(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("../../kvstore/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			names = append(names, declared(d)...)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if text := bare(n); text != "" {
				names = append(names, text)
			}
			return true
		})
	}
	return names
}

// declared returns the errors of a declaration, and the types of errors.
func declared(d ast.Decl) (names []string) {
	gen, ok := d.(*ast.GenDecl)
	if !ok {
		return nil
	}
	for _, s := range gen.Specs {
		if s, ok := s.(*ast.ValueSpec); ok && gen.Tok == token.VAR {
			for _, id := range s.Names {
				if strings.HasPrefix(strings.ToLower(id.Name), "err") {
					names = append(names, id.Name)
				}
			}
		}
		if s, ok := s.(*ast.TypeSpec); ok && strings.HasSuffix(s.Name.Name, "Error") {
			names = append(names, s.Name.Name)
		}
	}
	return names
}

// bare returns the text of an error that is made where it is given as what blocks the client, and wraps
// no other.
func bare(n ast.Node) string {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return ""
	}
	to, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !slices.Contains([]string{"held", "stall", "stalled", "say", "note", "met"}, to.Sel.Name) {
		return ""
	}
	for _, arg := range call.Args {
		made, ok := arg.(*ast.CallExpr)
		if !ok || len(made.Args) == 0 {
			continue
		}
		if text, ok := made.Args[0].(*ast.BasicLit); ok && !strings.Contains(text.Value, "%w") {
			return strings.Trim(text.Value, `"`)
		}
	}
	return ""
}

// TestRebuildsAreRecordedWithTheirCause goes through the causes that the documentation of
// kvstore.StateRebuilding names.
func TestRebuildsAreRecordedWithTheirCause(t *testing.T) {
	t.Parallel()
	causes := map[string]struct {
		err  error
		want lin.RebuildCause
	}{
		"ErrDataLoss":          {kvstore.ErrDataLoss, lin.RebuildLoss},
		"ErrTombstonesExpired": {kvstore.ErrTombstonesExpired, lin.RebuildAbsence},
		"ErrRecordsWithheld":   {kvstore.ErrRecordsWithheld, lin.RebuildWithheld},
	}
	for name, c := range causes {
		// While something blocks a rebuild, that comes first.
		for _, err := range []error{c.err, fmt.Errorf("fetch: %w; rebuilding because of: %w", kerr.NotLeaderForPartition, c.err)} {
			if got := outcome.Rebuild(err); got != c.want {
				t.Errorf("%s: Rebuild(%v) = %q, want %q", name, err, got, c.want)
			}
		}
	}
	if got := outcome.Rebuild(nil); got != lin.RebuildUnknown {
		t.Errorf("Rebuild(nil) = %q", got)
	}
	text, err := os.ReadFile("../../kvstore/status.go")
	if err != nil {
		t.Fatal(err)
	}
	_, doc, _ := strings.Cut(string(text), "// StateRebuilding: ")
	doc, _, _ = strings.Cut(doc, "StateRebuilding\n")
	named := regexp.MustCompile(`\[(Err\w+)\]`).FindAllStringSubmatch(doc, -1)
	for _, n := range named {
		if _, ok := causes[n[1]]; !ok {
			t.Errorf("kvstore.%s is a cause of rebuilds, and this test does not know it", n[1])
		}
	}
	if len(named) != len(causes) {
		t.Errorf("the documentation of StateRebuilding names %d causes, want %d", len(named), len(causes))
	}
}
