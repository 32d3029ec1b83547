package linearizability_test

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	lin "github.com/kvsim/kvsim/linearizability"
)

// ticker returns a clock that advances by a microsecond each time it is read.
func ticker() func() time.Duration {
	var now time.Duration
	return func() time.Duration { now += time.Microsecond; return now }
}

// recordAll records one of everything.
func recordAll(r *lin.Recorder) {
	r.Begin(lin.Operation{Client: "c1", Process: 1, Kind: lin.OpOpen}).Position(0).OK()
	put := r.Begin(lin.Operation{Client: "c1", Process: 1, Kind: lin.OpPut, Key: "a\x00\xff%\"é\\", Value: "v1"})
	r.Append(lin.Record{Offset: 0, Key: "a\x00\xff%\"é\\", Value: "v1"})
	r.Hook(lin.Hook{Client: "c1", Process: 1, Key: "a\x00\xff%\"é\\", Value: "v1", Offset: 0})
	put.Revision(0).Position(1).OK()
	r.Begin(lin.Operation{Client: "c1", Process: 1, Kind: lin.OpGet, Key: "b"}).Position(1).OK()
	heal := r.Fault("restart broker 1 for 2s")
	batch := r.Begin(lin.Operation{Client: "c1", Process: 1, Kind: lin.OpBatch, Items: []lin.Item{
		{Key: "b", Value: "v2", Revision: lin.None}, {Key: "c", Revision: lin.None},
	}})
	r.Append(lin.Record{Offset: 1, Key: "b", Value: "v2"})
	r.Append(lin.Record{Offset: 2, Key: "c"})
	batch.Items([]lin.Item{{Key: "b", Value: "v2", Revision: 1}, {Key: "c", Revision: 2}}).Revision(2).OK()
	r.Begin(lin.Operation{Client: "c1", Process: 1, Kind: lin.OpDelete, Key: "b"}).Unknown(errors.New("deadline\x01 exceeded"))
	heal()
	r.Begin(lin.Operation{Client: "c1", Process: 1, Kind: lin.OpPut, Key: "", Value: "v3"}).Failed(errors.New("no key"))
	r.Begin(lin.Operation{Client: "c1", Process: 1, Kind: lin.OpRange, Start: "a", End: "c", Limit: 2}).
		Items([]lin.Item{{Key: "b", Value: "v2", Revision: 1}}).OK()
	r.Begin(lin.Operation{Client: "c1", Process: 1, Kind: lin.OpSync}).Position(3).OK()
	r.Begin(lin.Operation{Client: "c1", Process: 1, Kind: lin.OpWait, Revision: 2}).OK()
	r.Begin(lin.Operation{Client: "c1", Process: 1, Kind: lin.OpGet, Key: "b", Barrier: true}).Value("v2").Revision(1).OK()
	r.Append(lin.Record{Offset: 3, Key: "x", Value: "f1", Txn: "t1", Foreign: true})
	r.Append(lin.Record{Offset: 4})
	r.Transaction("t1", false)
	r.Append(lin.Record{Offset: 5, Key: "x", Value: "f2", Txn: "t2", Foreign: true})
	r.Transaction("t2", true)
	r.End(6)
	r.Rebuild(lin.Rebuild{Client: "c1", Process: 1, Err: "it did not say why"})
	r.Compact([]int64{1, 3})
	r.Uncompact([]int64{3})
	r.Trim(1)
	r.Truncate(5)
	r.Snapshot(lin.Snapshot{Kind: lin.SnapshotFinal, Client: "c1", Process: 1, Position: 5, Items: []lin.Item{{Key: "b", Value: "v2", Revision: 1}}})
	r.Snapshot(lin.Snapshot{Kind: lin.SnapshotCold, Client: "reader", Position: lin.None})
	r.Recreate()
	r.Fault("lag c1")
	r.Begin(lin.Operation{Client: "c1", Process: 1, Kind: lin.OpClose})
}

// recordEverything records one of everything, with what only version 2 of the format can say.
func recordEverything(r *lin.Recorder) {
	recordAll(r)
	begin := func(op lin.Operation) *lin.Call {
		op.Client, op.Process = "c2", 1
		return r.Begin(op)
	}
	begin(lin.Operation{Kind: lin.OpOpen, Details: &lin.Details{At: lin.None, Storage: "disk %1", From: 3}}).Position(5).OK()
	for s := lin.StateOpening; s <= lin.StateClosed; s++ {
		r.Status(lin.ClientStatus{Client: "c2", Process: 1, State: s, Lag: int64(s), Position: lin.None})
	}
	for c := lin.ErrorArgument; c <= lin.ErrorOther; c++ {
		r.Status(lin.ClientStatus{Client: "c2", Process: 1, State: lin.StateStalled, Lag: lin.None, Position: 5, Cause: c, Err: "why"})
	}
	r.Rebuild(lin.Rebuild{Client: "c2", Process: 1, Cause: lin.RebuildWithheld})
	r.Hook(lin.Hook{Client: "c2", Process: 1, Key: "b", Delete: true, Offset: lin.None, Away: true})
	none := lin.Details{At: lin.None, From: lin.None}
	with := func(change func(*lin.Details)) *lin.Details {
		d := none
		change(&d)
		return &d
	}
	all := with(func(d *lin.Details) {
		d.Lease = "l\xff"
		d.If = []lin.Condition{
			{Kind: lin.IfRevision, Key: "a", Revision: 0},
			{Kind: lin.IfValue, Key: "b\x00", Value: "v2"},
			{Kind: lin.IfAbsent, Key: "c"},
			{Kind: lin.IfUnchanged, Start: "a", Position: 7},
			{Kind: lin.IfUnchanged, End: "b"},
		}
	})
	begin(lin.Operation{Kind: lin.OpPut, Key: "a", Value: "v4", Details: all, Deadline: time.Second}).Class(lin.ErrorConflict).Failed(errors.New("no"))
	begin(lin.Operation{Kind: lin.OpDelete, Key: "a", Details: with(func(d *lin.Details) { d.If = all.If[:1] })}).Class(lin.ErrorOther).Unknown(nil)
	items := []lin.Item{{Key: "a", Value: "v5", Revision: lin.None}, {Key: "b", Revision: lin.None}}
	begin(lin.Operation{Kind: lin.OpTxn, Items: items, Details: all}).
		Items([]lin.Item{{Key: "a", Value: "v5", Revision: 6}, {Key: "b", Revision: 9}}).Revision(9).OK()
	begin(lin.Operation{Kind: lin.OpTxn, Details: with(func(d *lin.Details) { d.If = all.If[2:] })}).OK()
	begin(lin.Operation{Kind: lin.OpGet, Key: "a", Details: with(func(d *lin.Details) { d.At = 0 })}).Value("v1").OK()
	begin(lin.Operation{Kind: lin.OpRange, Limit: 1, Details: with(func(d *lin.Details) { d.At = 3 })}).Class(lin.ErrorCompacted).Failed(nil)
	watch := begin(lin.Operation{Kind: lin.OpWatch, Start: "a", End: "c", Details: with(func(d *lin.Details) { d.From = 2 })})
	r.Watched(lin.WatchEvent{Kind: lin.WatchUpdate, Client: "c2", Process: 1, Watch: watch.ID(), Items: items, Position: lin.None})
	watch.Position(2).OK()
	r.Watched(lin.WatchEvent{Kind: lin.WatchReset, Client: "c2", Process: 1, Watch: watch.ID(), Position: 4})
	r.Watched(lin.WatchEvent{Kind: lin.WatchEnd, Client: "c2", Process: 1, Watch: watch.ID(), Position: lin.None, Class: lin.ErrorClosed, Err: "closed"})
	lease := with(func(d *lin.Details) { d.Lease, d.TTL = "l1", time.Minute })
	begin(lin.Operation{Kind: lin.OpGrant, Details: lease}).Until(time.Hour).OK()
	begin(lin.Operation{Kind: lin.OpRenew, Details: lease}).Class(lin.ErrorLease).Failed(nil)
	begin(lin.Operation{Kind: lin.OpRevoke, Details: with(func(d *lin.Details) { d.Lease = "l1" })}).OK()
	r.Expire(lin.Expiry{Client: "c2", Process: 1, Lease: "l1"})
	r.Append(lin.Record{Offset: 0, Key: "a", Lease: "l1"})
}

// Each version of the format, with everything that it can say.
func TestHistory_written_and_read_back_is_the_same(t *testing.T) {
	for version, record := range map[int]func(*lin.Recorder){1: recordAll, 2: recordEverything} {
		writtenAndReadBack(t, version, record)
	}
}

func writtenAndReadBack(t *testing.T, version int, record func(*lin.Recorder)) {
	t.Helper()
	var out bytes.Buffer
	r := lin.NewRecorder(ticker(), lin.RecorderOptions{
		Header: lin.Header{Version: version, Tap: lin.TapExact, Hooks: true, Meta: map[string]string{"seed": "7"}},
		Output: &out,
	})
	record(r)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	got, err := lin.ReadHistory(bytes.NewReader(out.Bytes()))
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if diff := cmp.Diff(r.History(), got); diff != "" {
		t.Errorf("history read back differs (-recorded +read):\n%s", diff)
	}
	var again bytes.Buffer
	if err := lin.WriteHistory(&again, got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(out.String(), again.String()); diff != "" {
		t.Errorf("history written again differs (-first +second):\n%s", diff)
	}
}

func TestRecorder_writes_one_line_for_each_event_as_it_happens(t *testing.T) {
	var lines countingWriter
	r := lin.NewRecorder(ticker(), lin.RecorderOptions{Output: &lines, Discard: true})
	recordAll(r)
	if lines.bad != "" {
		t.Errorf("a write is not one line: %q", lines.bad)
	}
	kept := lin.NewRecorder(ticker(), lin.RecorderOptions{})
	recordAll(kept)
	if want := 1 + kept.History().Events(); lines.writes != want {
		t.Errorf("%d writes, want %d: a header and each event", lines.writes, want)
	}
	if n := r.History().Events(); n != 0 {
		t.Errorf("a recorder that discards keeps %d events", n)
	}
}

type countingWriter struct {
	writes int
	bad    string
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.writes++
	if bytes.IndexByte(p, '\n') != len(p)-1 {
		w.bad = string(p)
	}
	return len(p), nil
}

func TestRecorder_keeps_the_first_error_and_goes_on_in_memory(t *testing.T) {
	full := errors.New("disk full")
	r := lin.NewRecorder(ticker(), lin.RecorderOptions{Output: failingWriter{full}})
	r.Begin(lin.Operation{Client: "c1", Kind: lin.OpSync}).OK()
	if err := r.Err(); !errors.Is(err, full) {
		t.Errorf("Err() = %v, want %v", err, full)
	}
	if n := len(r.History().Ops); n != 1 {
		t.Errorf("%d operations in memory, want 1", n)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestRecorder_is_safe_for_concurrent_use(t *testing.T) {
	var out bytes.Buffer
	r := lin.NewRecorder(ticker(), lin.RecorderOptions{Output: &out})
	var wg sync.WaitGroup
	for c := range 8 {
		wg.Go(func() {
			client := string(rune('a' + c))
			for range 100 {
				call := r.Begin(lin.Operation{Client: client, Kind: lin.OpGet, Key: "k"})
				heal := r.Fault("f")
				r.Hook(lin.Hook{Client: client, Key: "k", Offset: lin.None})
				_ = r.History()
				heal()
				call.Value("v").Position(3).OK()
			}
		})
	}
	wg.Wait()
	h, err := lin.ReadHistory(&out)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r.History(), h); diff != "" {
		t.Errorf("history read back differs (-recorded +read):\n%s", diff)
	}
}

func TestRecorder_panics_when_an_operation_ends_twice(t *testing.T) {
	r := lin.NewRecorder(ticker(), lin.RecorderOptions{})
	call := r.Begin(lin.Operation{Client: "c1", Kind: lin.OpSync})
	call.OK()
	defer func() {
		if p, _ := recover().(string); !strings.Contains(p, "ended twice") {
			t.Errorf("panic = %q, want one that says it ended twice", p)
		}
	}()
	call.OK()
}

func TestReadHistory_says_which_line_is_wrong_and_why(t *testing.T) {
	const head = `{"kvsim_history":1}` + "\n"
	for _, tt := range []struct{ name, in, want string }{
		{"empty", "", "no header"},
		{"no header", `{"seq":1,"t":0,"ev":"invoke"}`, "line 1: no header"},
		{"newer version", `{"kvsim_history":3}`, "line 1: version 3 of the format, this program reads versions 1 to 2"},
		{"bad tap", `{"kvsim_history":1,"tap":"maybe"}`, `"tap" is "maybe"`},
		{"not json", head + "put k v\n", "line 2: not a line of a history"},
		{"unknown field", head + `{"seq":1,"ev":"invoke","revison":3}` + "\n", `line 2: not a line of a history: json: unknown field "revison"`},
		{"two values", head + `{"seq":1,"ev":"recreate"}{}` + "\n", "more on the line than a JSON object"},
		{"second header", head + head, "line 2: a second header"},
		{"no event", head + `{"seq":1}` + "\n", `"ev" is missing`},
		{"no seq", head + `{"ev":"recreate"}` + "\n", `"seq" is missing`},
		{"unknown event", head + `{"seq":1,"ev":"explode"}` + "\n", "explode: there is no such event"},
		{"unknown call", head + `{"seq":1,"ev":"invoke","client":"c","op":1,"call":"upsert"}` + "\n", `"call" is "upsert"`},
		{"no client", head + `{"seq":1,"ev":"invoke","op":1,"call":"sync"}` + "\n", `"client" is missing`},
		{"no op", head + `{"seq":1,"ev":"invoke","client":"c","call":"sync"}` + "\n", `"op" is 0`},
		{"put without key", head + `{"seq":1,"ev":"invoke","client":"c","op":1,"call":"put","value":"v"}` + "\n", `put without a "key"`},
		{"put without value", head + `{"seq":1,"ev":"invoke","client":"c","op":1,"call":"put","key":"k"}` + "\n", `put without a "value"`},
		{"wait without rev", head + `{"seq":1,"ev":"invoke","client":"c","op":1,"call":"wait"}` + "\n", `wait without a "rev"`},
		{"empty batch", head + `{"seq":1,"ev":"invoke","client":"c","op":1,"call":"batch"}` + "\n", `batch without "items"`},
		{"bad escape", head + `{"seq":1,"ev":"invoke","client":"c","op":1,"call":"get","key":"100%"}` + "\n", "two hexadecimal digits"},
		{"bad revision", head + `{"seq":1,"ev":"invoke","client":"c","op":1,"call":"wait","rev":-4}` + "\n", "-4 is no offset"},
		{"ok without invoke", head + `{"seq":1,"ev":"ok","op":4}` + "\n", "operation 4 was never invoked"},
		{"ended twice", head + invokeSync + `{"seq":2,"ev":"ok","op":1}` + "\n" + `{"seq":3,"ev":"ok","op":1}` + "\n", "line 4: ok: operation 1 has ended before, at event 2"},
		{"wrong process", head + invokeSync + `{"seq":2,"ev":"ok","op":1,"client":"c","proc":2}` + "\n", "is of c (process 0), not of c (process 2)"},
		{"append without offset", head + `{"seq":1,"ev":"append","key":"k"}` + "\n", `"offset" is missing`},
		{"commit without txn", head + `{"seq":1,"ev":"commit"}` + "\n", `"txn" is missing`},
		{"hook of unknown kind", head + `{"seq":1,"ev":"hook","client":"c","call":"put","key":"k"}` + "\n", `want "set" or "delete"`},
		{"snapshot of what", head + `{"seq":1,"ev":"snapshot","client":"c","of":"all"}` + "\n", `"of" is "all"`},
		{"fault twice", head + `{"seq":1,"ev":"fault","fault":1}` + "\n" + `{"seq":2,"ev":"fault","fault":1}` + "\n", "line 3: fault"},
		{"heal of nothing", head + `{"seq":1,"ev":"heal","fault":1}` + "\n", "fault 1 is not active"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := lin.ReadHistory(strings.NewReader(tt.in))
			var format *lin.FormatError
			if !errors.As(err, &format) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ReadHistory() = %v, want a FormatError with %q", err, tt.want)
			}
		})
	}
}

const invokeSync = `{"seq":1,"ev":"invoke","client":"c","op":1,"call":"sync"}` + "\n"

func TestReadHistory_leaves_out_a_last_line_that_was_cut_off(t *testing.T) {
	h, err := lin.ReadHistory(strings.NewReader(`{"kvsim_history":1}` + "\n" + invokeSync + `{"seq":2,"ev":"ok","o`))
	if err != nil {
		t.Fatal(err)
	}
	if !h.Torn || len(h.Ops) != 1 || h.Ops[0].Outcome != lin.Pending {
		t.Errorf("torn = %v with %d operations, want a torn history with one that is pending", h.Torn, len(h.Ops))
	}
}

func TestReadHistory_reads_lines_longer_than_its_buffer(t *testing.T) {
	key := strings.Repeat("k", 1<<18)
	var out bytes.Buffer
	r := lin.NewRecorder(ticker(), lin.RecorderOptions{Output: &out})
	r.Begin(lin.Operation{Client: "c", Kind: lin.OpGet, Key: key}).OK()
	h, err := lin.ReadHistory(&out)
	if err != nil {
		t.Fatal(err)
	}
	if h.Ops[0].Key != key {
		t.Error("the long key did not survive")
	}
}
