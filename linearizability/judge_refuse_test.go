package linearizability_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	lin "github.com/kvsim/kvsim/linearizability"
)

// A history that holds, with one thing more. The judges say what it is that they do not know,
// and judge nothing, not even a violation that they would see.
func TestCheck_refuses_what_the_judges_do_not_know(t *testing.T) {
	op := func(o lin.Operation) func(*lin.Recorder) {
		return func(r *lin.Recorder) {
			o.Client, o.Process = "c1", max(1, o.Process)
			r.Begin(o).Class(lin.ErrorConflict).Failed(nil)
		}
	}
	details := func(change func(*lin.Details)) *lin.Details {
		d := &lin.Details{At: lin.None, From: lin.None}
		change(d)
		return d
	}
	leased := details(func(d *lin.Details) { d.Lease = "l" })
	absent := details(func(d *lin.Details) { d.If = []lin.Condition{{Kind: lin.IfAbsent, Key: "a"}} })
	at := details(func(d *lin.Details) { d.At = 0 })
	for name, c := range map[string]struct {
		record func(*lin.Recorder)
		want   string // in the verdict; empty: it is judged
	}{
		"a conditional put":         {op(lin.Operation{Kind: lin.OpPut, Key: "a", Value: "v2", Details: absent}), "conditional writes (first: operation 4, put(\"a\", v2, if \"a\" has no value)"},
		"a conditional delete":      {op(lin.Operation{Kind: lin.OpDelete, Key: "a", Details: absent}), "conditional writes"},
		"a conditional batch":       {op(lin.Operation{Kind: lin.OpBatch, Items: []lin.Item{{Key: "a", Revision: lin.None}}, Details: absent}), "conditional writes"},
		"a transaction":             {op(lin.Operation{Kind: lin.OpTxn, Details: absent}), "transactions"},
		"a put with a lease":        {op(lin.Operation{Kind: lin.OpPut, Key: "a", Value: "v2", Details: leased}), "leases"},
		"a get at a revision":       {op(lin.Operation{Kind: lin.OpGet, Key: "a", Details: at}), "reads at a revision"},
		"a range at a revision":     {op(lin.Operation{Kind: lin.OpRange, Details: at}), "reads at a revision"},
		"a watch":                   {op(lin.Operation{Kind: lin.OpWatch}), "watches"},
		"a grant":                   {op(lin.Operation{Kind: lin.OpGrant, Details: leased}), "leases"},
		"a renewal":                 {op(lin.Operation{Kind: lin.OpRenew, Details: leased}), "leases"},
		"a revocation":              {op(lin.Operation{Kind: lin.OpRevoke, Details: leased}), "leases"},
		"a storage that is not new": {op(lin.Operation{Process: 2, Kind: lin.OpOpen, Details: details(func(d *lin.Details) { d.From = 1 })}), "storage that is not empty"},
		"an update": {func(r *lin.Recorder) {
			r.Watched(lin.WatchEvent{Kind: lin.WatchUpdate, Client: "c1", Process: 1, Watch: 1, Position: lin.None})
		}, "watches"},
		"an expiry":           {func(r *lin.Recorder) { r.Expire(lin.Expiry{Client: "c1", Process: 1, Lease: "l"}) }, "leases"},
		"a record of a lease": {func(r *lin.Recorder) { r.Append(lin.Record{Offset: 1, Key: "a", Lease: "l"}) }, "leases"},

		"a rebuild because records were withheld": {func(r *lin.Recorder) {
			r.Rebuild(lin.Rebuild{Client: "c1", Process: 1, Cause: lin.RebuildWithheld, Away: true})
		}, ""},
		"a deadline": {op(lin.Operation{Kind: lin.OpSync, Deadline: time.Second}), ""},
		"a storage":  {op(lin.Operation{Process: 2, Kind: lin.OpOpen, Details: details(func(d *lin.Details) { d.Storage = "disk" })}), ""},
		"a status": {func(r *lin.Recorder) {
			r.Status(lin.ClientStatus{Client: "c1", Process: 1, State: lin.StateFailed, Lag: 99, Position: 0, Cause: lin.ErrorTopic})
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			r := lin.NewRecorder(ticker(), lin.RecorderOptions{Header: lin.Header{Version: 2, Tap: lin.TapExact}, Output: &out})
			r.Begin(lin.Operation{Client: "c1", Process: 1, Kind: lin.OpOpen}).OK()
			put := r.Begin(lin.Operation{Client: "c1", Process: 1, Kind: lin.OpPut, Key: "a", Value: "v1"})
			r.Append(lin.Record{Offset: 0, Key: "a", Value: "v1"})
			put.Revision(0).Position(1).OK()
			r.Begin(lin.Operation{Client: "c1", Process: 1, Kind: lin.OpGet, Key: "a"}).Value("v1").Position(1).OK()
			c.record(r)
			v := lin.Check(r.History(), lin.Options{})
			var picture bytes.Buffer
			drawn := lin.VisualizeKey(&picture, r.History(), "a", lin.Options{})
			if c.want == "" {
				if v.Status != lin.Held || drawn != nil {
					t.Errorf("%s\nVisualizeKey() = %v, want that it holds, and a picture", v, drawn)
				}
				return
			}
			if v.Status != lin.Inconclusive || len(v.Undecided) != 1 || !strings.HasPrefix(v.Undecided[0], "the judges do not know ") || !strings.Contains(v.Undecided[0], c.want) {
				t.Errorf("%s, %q, want inconclusive because of %s", v.Status, v.Undecided, c.want)
			}
			if drawn == nil || picture.Len() > 0 {
				t.Errorf("VisualizeKey() = %v and %d bytes, want an error", drawn, picture.Len())
			}
		})
	}
}

// A recorder whose output is of version 1 does not write what that version cannot say, and says
// so; in memory it has all of it, and WriteHistory chooses the version that can say it.
func TestRecorder_of_version_1_says_what_it_cannot_write(t *testing.T) {
	for name, record := range map[string]func(*lin.Recorder){
		"a deadline": func(r *lin.Recorder) { r.Begin(lin.Operation{Client: "c1", Kind: lin.OpSync, Deadline: 1}) },
		"a class": func(r *lin.Recorder) {
			r.Begin(lin.Operation{Client: "c1", Kind: lin.OpSync}).Class(lin.ErrorOther).Failed(nil)
		},
		"a call":   func(r *lin.Recorder) { r.Begin(lin.Operation{Client: "c1", Kind: lin.OpWatch}) },
		"a status": func(r *lin.Recorder) { r.Status(lin.ClientStatus{Client: "c1", State: lin.StateLive}) },
		"a record": func(r *lin.Recorder) { r.Append(lin.Record{Key: "a", Lease: "l"}) },
		"a cause":  func(r *lin.Recorder) { r.Rebuild(lin.Rebuild{Client: "c1", Cause: lin.RebuildWithheld}) },
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			r := lin.NewRecorder(ticker(), lin.RecorderOptions{Output: &out})
			record(r)
			if err := r.Err(); err == nil || !strings.Contains(err.Error(), "version 2") {
				t.Errorf("Err() = %v, want one that names version 2", err)
			}
			if _, err := lin.ReadHistory(&out); err != nil {
				t.Errorf("what was written: %v", err)
			}
			text := dump(r.History())
			if h, err := lin.ReadHistory(strings.NewReader(text)); err != nil || h.Header.Version != 2 || h.Events() != r.History().Events() {
				t.Errorf("WriteHistory writes %s\n%v, want all events in version 2", text, err)
			}
			plain := lin.NewRecorder(ticker(), lin.RecorderOptions{Header: lin.Header{Version: 2}, Output: &out})
			if record(plain); plain.Err() != nil {
				t.Errorf("in version 2: %v", plain.Err())
			}
		})
	}
}
