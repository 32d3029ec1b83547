package linearizability_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	lin "github.com/kvsim/kvsim/linearizability"
)

// explodingHistory returns a history that porcupine can't decide in any reasonable time.
// Many clients write to each key at the same time, a lagging reader reads all the values, and then a
// client reads a value that it has overwritten itself. No order of the writes explains
// that, and porcupine has to try them all.
func explodingHistory(keys int) *lin.History {
	var now time.Duration
	r := lin.NewRecorder(func() time.Duration { now += time.Microsecond; return now }, lin.RecorderOptions{Header: lin.Header{Tap: lin.TapExact}})
	const writers = 24
	offset := int64(0)
	begin := func(client string, kind lin.OpKind, key, value string) *lin.Call {
		return r.Begin(lin.Operation{Client: client, Process: 1, Kind: kind, Key: key, Value: value})
	}
	put := func(client, key, value string) *lin.Call {
		call := begin(client, lin.OpPut, key, value)
		r.Append(lin.Record{Offset: offset, Key: key, Value: value})
		offset++
		return call.Revision(offset - 1)
	}
	for k := range keys {
		key := keyName(k)
		put("victim", key, key+"-first").OK()
		put("victim", key, key+"-second").OK()
		var calls []*lin.Call
		for w := range writers {
			calls = append(calls, put(fmt.Sprintf("w%d", w), key, fmt.Sprintf("%s-%d", key, w)))
		}
		for _, c := range calls {
			c.OK()
		}
		for w := range writers {
			begin("reader", lin.OpGet, key, "").Value(fmt.Sprintf("%s-%d", key, w)).OK()
		}
		begin("victim", lin.OpGet, key, "").Value(key + "-first").OK()
	}
	return r.History()
}

func TestCheck_ends_by_a_bound_on_all_pieces(t *testing.T) {
	h := explodingHistory(20)
	opts := lin.Options{Skip: witnessChecks(), Porcupine: lin.PorcupineOptions{MaxSteps: 5_000, TotalSteps: 20_000}}
	v := lin.Check(h, opts)
	if r := v.Result(lin.CheckPorcupineSession); r.Undecided == 0 {
		t.Fatalf("%s: nothing is undecided, so the bound was not needed", r)
	}
	if !slices.ContainsFunc(v.Undecided, func(s string) bool { return strings.Contains(s, "TotalSteps 20000") }) {
		t.Errorf("Undecided = %q, want the name of the bound", v.Undecided)
	}
	for _, workers := range []int{1, 3} {
		opts.Porcupine.Workers = workers
		if again := lin.Check(h, opts).String(); again != v.String() {
			t.Errorf("with %d workers the verdict is another one:\n%s\nand\n%s", workers, again, v)
		}
	}
}

func TestCheck_keeps_what_the_witness_found_when_porcupine_gives_up(t *testing.T) {
	h := explodingHistory(4)
	v := lin.Check(h, lin.Options{Porcupine: lin.PorcupineOptions{TotalSteps: 1, MaxSteps: 10}})
	if v.Status != lin.Violated || v.Result(lin.CheckPorcupineSession).Undecided == 0 {
		t.Errorf("verdict: %s", v)
	}
	if err := v.Err(); !errors.Is(err, lin.ErrViolation) {
		t.Errorf("Err() = %v, want a violation", err)
	}
}

func TestCheck_tells_what_the_witness_found_before_porcupine_searches(t *testing.T) {
	bad := busyHistory(5, 5, 500)
	staleRead(t, bad)
	for name, tc := range map[string]struct {
		h    *lin.History
		want lin.Status
	}{"held": {busyHistory(5, 5, 500), lin.Held}, "violated": {bad, lin.Violated}} {
		var early *lin.Verdict
		final := lin.Check(tc.h, lin.Options{Witnessed: func(v *lin.Verdict) { early = v }})
		if early == nil || early.Status != tc.want {
			t.Fatalf("%s: told %v, want %s", name, early, tc.want)
		}
		if r := early.Result(lin.CheckPorcupineSession); r.Ran || r.Reason != "not judged yet" {
			t.Errorf("%s: %s, want it not judged yet", name, r)
		}
		if plain := lin.Check(tc.h, lin.Options{}); plain.String() != final.String() {
			t.Errorf("%s: who is told gets another verdict:\n%s\nand\n%s", name, final, plain)
		}
	}
}

func TestCheckContext_that_ended_decides_nothing_by_porcupine(t *testing.T) {
	h := explodingHistory(4)
	stop := errors.New("enough of this")
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(stop)
	v := lin.CheckContext(ctx, h, lin.Options{Skip: witnessChecks()})
	if v.Status != lin.Inconclusive || !strings.Contains(v.Err().Error(), "enough of this") {
		t.Errorf("verdict: %s", v)
	}
	if w := lin.CheckContext(ctx, h, lin.Options{}); w.Status != lin.Violated {
		t.Errorf("with the log witness: %s", w)
	}
}

// The search itself must look at the context, because a single piece may take long.
func TestCheckContext_ends_inside_of_a_piece(t *testing.T) {
	h := explodingHistory(1)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	v := lin.CheckContext(ctx, h, lin.Options{
		Skip:      witnessChecks(),
		Porcupine: lin.PorcupineOptions{PieceOperations: 10_000, PieceUnknown: 1000, MaxSteps: 1 << 40, TotalSteps: 1 << 50},
	})
	if v.Status != lin.Inconclusive || !strings.Contains(v.Err().Error(), "stopped") {
		t.Errorf("verdict: %s", v)
	}
}
