package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
)

// smallPlan is a world that the exact engine runs in well under a second.
const smallPlan = `kvsim-plan 1
scenario small
seed %d
world clients=2 brokers=1 latency.min=100µs latency.mean=300µs latency.max=5ms
workload ops=12 keys=3 timeout=5s put=5 delete=1 batch=1 get=3 range=1
phases before=100ms faults=200ms after=100ms converge=1m0s
lag client=c2 from=50ms for=50ms
`

// testExact shares one guest among the tests, which run in any order.
var testExact = sync.OnceValues(func() (*Exact, error) {
	return NewExact(context.Background(), ExactOptions{Progress: os.Stderr})
})

func exactEngine(t *testing.T) *Exact {
	t.Helper()
	if testing.Short() {
		t.Skip("builds a guest and runs worlds in it; not with -short")
	}
	e, err := testExact()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestExactEngineRepeatsEverySeedToTheByte(t *testing.T) {
	t.Parallel()
	e := exactEngine(t)
	dir := t.TempDir()
	const seeds = 50
	type ran struct {
		result  *world.Result
		history string
	}
	var rans [seeds][2]ran
	var wg sync.WaitGroup
	for seed := range seeds {
		for again := range 2 {
			wg.Go(func() {
				job := world.Job{
					Seed: uint64(seed), Plan: fmt.Sprintf(smallPlan, seed),
					History: filepath.Join(dir, fmt.Sprintf("%d.%d.jsonl", seed, again)),
				}
				if again == 1 {
					// Asking for the log must not change what happens.
					job.Log = job.History + ".log"
				}
				result, err := e.Run(t.Context(), job)
				if err != nil {
					t.Errorf("seed %d: %v", seed, err)
					return
				}
				result.Wall = 0
				history, err := os.ReadFile(job.History)
				if err != nil {
					t.Errorf("seed %d: %v", seed, err)
				}
				rans[seed][again] = ran{result: result, history: string(history)}
			})
		}
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	schedules := make(map[uint64]bool)
	for seed, r := range rans {
		first, _ := r[0].result.Encode()
		second, _ := r[1].result.Encode()
		if !bytes.Equal(first, second) || r[0].history != r[1].history {
			t.Errorf("seed %d: two runs differ:\n%s\n%s", seed, first, second)
		}
		if r[0].result.Status != world.Held || r[0].history == "" {
			t.Errorf("seed %d: %s", seed, first)
		}
		schedules[r[0].result.Schedule] = true
	}
	if len(schedules) != seeds {
		t.Errorf("%d seeds gave %d schedules, want as many", seeds, len(schedules))
	}
}

func TestExactEngineReportsBrokenWorlds(t *testing.T) {
	t.Parallel()
	shared := exactEngine(t)
	plan := fmt.Sprintf(smallPlan, 1)

	_, err := shared.Run(t.Context(), world.Job{Plan: "kvsim-plan 1\nworld wheels=4\n"})
	if !errors.Is(err, world.ErrPlan) {
		t.Errorf("Run of a bad plan = %v, want a world.ErrPlan", err)
	}
	for _, tc := range []struct {
		name   string
		limit  func(*Exact)
		reason string
	}{
		{"steps", func(e *Exact) { e.opts.MaxSteps = 1_000_000 }, reasonSteps},
		{"simulated time", func(e *Exact) { e.opts.SimulatedLimit = 100 * time.Millisecond }, reasonStuck},
	} {
		e := &Exact{opts: shared.opts, guest: shared.guest, slots: make(chan struct{}, 1)}
		tc.limit(e)
		res, err := e.Run(t.Context(), world.Job{Seed: 1, Plan: plan})
		if err != nil || res.Status != world.Broken || res.Reason().Name != tc.reason {
			t.Errorf("Run beyond its bound of %s = %+v, %v; want %s", tc.name, res, err, tc.reason)
		}
	}
	stop := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	if _, err := shared.Run(ctx, world.Job{Plan: plan}); !errors.Is(err, stop) {
		t.Errorf("Run with a context that ended = %v, want %v", err, stop)
	}
}

// If the bound on steps stops a guest while its world is judged, the world is inconclusive,
// and no failure of the harness.
func TestExactEngineStoppedWhileItJudgesIsInconclusive(t *testing.T) {
	t.Parallel()
	shared := exactEngine(t)
	job := world.Job{Seed: 1, Plan: fmt.Sprintf(smallPlan, 1)}
	whole, err := shared.Run(t.Context(), job)
	if err != nil || whole.Status != world.Held {
		t.Fatalf("Run = %+v, %v; want held", whole, err)
	}
	e := &Exact{opts: shared.opts, guest: shared.guest, slots: make(chan struct{}, 1)}
	e.opts.MaxSteps = whole.Steps - 1
	res, err := e.Run(t.Context(), job)
	if err != nil || res.Status != world.Inconclusive || res.Reason().Name != reasonJudging || res.Hash != whole.Hash {
		t.Errorf("Run with a step less than it needs = %+v, %v; want inconclusive because of %s", res, err, reasonJudging)
	}
}

func TestRealEngineRunsOneWorldAtATime(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	running := 0
	r := NewReal(func(_ context.Context, job world.Job, _ func(*world.Result)) (*world.Result, error) {
		if !mu.TryLock() {
			t.Error("two worlds run at once")
		}
		defer mu.Unlock()
		running++
		if job.Seed == 3 {
			panic("a planted panic")
		}
		return &world.Result{Seed: job.Seed}, nil
	}, nil)
	var wg sync.WaitGroup
	for seed := range uint64(6) {
		wg.Go(func() {
			res, err := r.Run(t.Context(), world.Job{Seed: seed})
			if err != nil || res.Seed != seed || (res.Status == world.Broken) != (seed == 3) {
				t.Errorf("seed %d = %+v, %v", seed, res, err)
			}
		})
	}
	wg.Wait()
	if running != 6 {
		t.Errorf("%d worlds ran, want 6", running)
	}
}
