package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
)

func newTestVirtual(t *testing.T, opts VirtualOptions) *Virtual {
	t.Helper()
	v, err := NewVirtual(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

func TestWorldsOfOneWorkerEachHaveTheirOwnBubble(t *testing.T) {
	t.Parallel()
	v := newTestVirtual(t, VirtualOptions{Jobs: 1})
	for seed := range uint64(50) {
		res, err := v.Run(t.Context(), world.Job{Seed: seed, Plan: "relay"})
		if err != nil {
			t.Fatal(err)
		}
		if res.Seed != seed || res.Status != world.Held || res.Simulated != 100*time.Minute {
			t.Fatalf("world %d = seed %d, %v, %v simulated; want held, 100m", seed, res.Seed, res.Status, res.Simulated)
		}
	}
	if p := <-v.slots; p == nil || p.worlds != 50 {
		t.Errorf("the worlds did not share one worker")
	} else {
		v.slots <- p
	}
}

func TestWorkerIsReplacedAfterItsWorlds(t *testing.T) {
	t.Parallel()
	v := newTestVirtual(t, VirtualOptions{Jobs: 1, WorldsPerWorker: 2})
	pids := make(map[int]int)
	for range 5 {
		if _, err := v.Run(t.Context(), world.Job{Plan: "ok"}); err != nil {
			t.Fatal(err)
		}
		p := <-v.slots
		pids[p.cmd.Process.Pid]++
		v.slots <- p
	}
	if len(pids) != 3 {
		t.Errorf("5 worlds, 2 a worker, used %d workers, want 3", len(pids))
	}
}

func TestBrokenWorldIsReportedAndOthersGoOn(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		plan   string
		reason string
		text   string // part of the reason's text
		output string // part of the output
	}{
		{"panic out of cheese", reasonPanic, "out of cheese", "fakeWorld"},
		{"panic kvstore: broken invariant I2: done 7", ReasonInvariant, "I2: done 7", "fakeWorld"},
		{"panic-elsewhere redo from start", reasonPanic, "redo from start", "fakeWorld.func"},
		{"leak", reasonLeak, "left behind", "fakeWorld.func"},
		{"leak-ticker", reasonLeak, "left behind", "fakeWorld.func"},
		{"deadlock", reasonStuck, "did not return within 1h0m0s of simulated time", "fakeWorld"},
		{"sleep 61m", reasonStuck, "took 1h0m0s of simulated time", ""},
		{"exit", reasonExit, "exit status 7", ""},
	} {
		t.Run(tc.plan, func(t *testing.T) {
			t.Parallel()
			v := newTestVirtual(t, VirtualOptions{Jobs: 1, SimulatedLimit: time.Hour})
			for seed := range uint64(3) {
				job := world.Job{Seed: seed, Plan: "relay"}
				if seed == 1 {
					job.Plan = tc.plan
				}
				res, err := v.Run(t.Context(), job)
				if err != nil {
					t.Fatal(err)
				}
				if seed != 1 {
					// The relay takes 100 minutes, which is over this engine's limit.
					if res.Reason().Name != reasonStuck && res.Status != world.Held {
						t.Errorf("world %d beside it = %v, %+v", seed, res.Status, res.Reason())
					}
					continue
				}
				if res.Status != world.Broken || res.Seed != seed {
					t.Errorf("status = %v of seed %d, want %v of seed %d", res.Status, res.Seed, world.Broken, seed)
				}
				if got := res.Reason(); got.Name != tc.reason || !strings.Contains(got.Text, tc.text) {
					t.Errorf("reason = %+v, want %s with %q", got, tc.reason, tc.text)
				}
				if !strings.Contains(res.Output, tc.output) {
					t.Errorf("output = %s\nwant %q in it", res.Output, tc.output)
				}
			}
		})
	}
}

func TestWorldThatSpinsIsKilledWithItsGoroutines(t *testing.T) {
	t.Parallel()
	for plan, why := range map[string]string{"spin": "computes forever", "mutex": "waits for a mutex"} {
		t.Run(plan, func(t *testing.T) {
			t.Parallel()
			// However slow the machine is, the world never ends by itself.
			v := newTestVirtual(t, VirtualOptions{Jobs: 1, WallLimit: 200 * time.Millisecond})
			res, err := v.Run(t.Context(), world.Job{Seed: 9, Plan: plan})
			if err != nil {
				t.Fatal(err)
			}
			if got := res.Reason(); res.Status != world.Broken || got.Name != reasonWall || !strings.Contains(got.Text, why) {
				t.Errorf("status = %v, %+v; want %v, %s because it %s", res.Status, got, world.Broken, reasonWall, why)
			}
			if !strings.Contains(res.Output, "fakeWorld") {
				t.Errorf("output has no goroutine of the world:\n%s", res.Output)
			}
		})
	}
}

func TestWhatAWorldPrintsIsNoAnswer(t *testing.T) {
	t.Parallel()
	v := newTestVirtual(t, VirtualOptions{Jobs: 1})
	for range 2 {
		res, err := v.Run(t.Context(), world.Job{Plan: "noise"})
		if err != nil || res.Status != world.Held {
			t.Fatalf("Run = %+v, %v; want held", res, err)
		}
	}
}

func TestErrorsOfAWorldCrossTheProcess(t *testing.T) {
	t.Parallel()
	v := newTestVirtual(t, VirtualOptions{Jobs: 1})
	_, err := v.Run(t.Context(), world.Job{Plan: "sleep long"})
	if !errors.Is(err, world.ErrPlan) || !strings.Contains(err.Error(), `invalid duration "long"`) {
		t.Errorf("error = %v, want a world.ErrPlan about the duration", err)
	}
	_, err = v.Run(t.Context(), world.Job{Plan: "error no disk"})
	if err == nil || errors.Is(err, world.ErrPlan) || err.Error() != "no disk" {
		t.Errorf("error = %v, want: no disk", err)
	}
}

func TestWorldsRunInParallelAndKeepTheirResults(t *testing.T) {
	t.Parallel()
	v := newTestVirtual(t, VirtualOptions{Jobs: 3})
	dir := t.TempDir()
	var wg sync.WaitGroup
	for seed := range uint64(40) {
		wg.Go(func() {
			file := filepath.Join(dir, fmt.Sprint(seed))
			job := world.Job{Seed: seed, Plan: fmt.Sprintf("history %d", seed), History: file}
			if seed%10 == 9 {
				job.Plan = "panic"
			}
			res, err := v.Run(context.Background(), job)
			if err != nil || res.Seed != seed {
				t.Errorf("seed %d: %+v, %v", seed, res, err)
				return
			}
			if wrote, err := os.ReadFile(file); seed%10 != 9 && (err != nil || string(wrote) != fmt.Sprint(seed)) {
				t.Errorf("seed %d: history = %q, %v", seed, wrote, err)
			}
		})
	}
	wg.Wait()
}

func TestCancelledRunEndsItsWorker(t *testing.T) {
	t.Parallel()
	v := newTestVirtual(t, VirtualOptions{Jobs: 1})
	stop := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error)
	go func() {
		_, err := v.Run(ctx, world.Job{Plan: "spin"})
		done <- err
	}()
	cancel(stop)
	if err := <-done; !errors.Is(err, stop) {
		t.Errorf("Run = %v, want %v", err, stop)
	}
	if _, err := v.Run(ctx, world.Job{Plan: "ok"}); !errors.Is(err, stop) {
		t.Errorf("Run = %v, want %v", err, stop)
	}
	if res, err := v.Run(t.Context(), world.Job{Plan: "ok"}); err != nil || res.Status != world.Held {
		t.Errorf("Run after it = %+v, %v; want held", res, err)
	}
}

func TestProgramThatIsNoWorkerIsAnError(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skipf("no program to stand in for a worker: %v", err)
	}
	// A shell waits for input that never comes.
	v := newTestVirtual(t, VirtualOptions{Jobs: 1, Program: sh})
	v.startTime = time.Millisecond
	_, err = v.Run(t.Context(), world.Job{Plan: "ok"})
	if !errors.Is(err, ErrEngine) || !strings.Contains(err.Error(), "engine.Serve") {
		t.Errorf("Run with a shell as worker = %v, want an ErrEngine that names engine.Serve", err)
	}
	v = newTestVirtual(t, VirtualOptions{Jobs: 1, Program: program + "-that-is-not-there"})
	if _, err = v.Run(t.Context(), world.Job{Plan: "ok"}); !errors.Is(err, ErrEngine) {
		t.Errorf("Run without a program = %v, want an ErrEngine", err)
	}
}

func TestEndsKeepsBothEnds(t *testing.T) {
	t.Parallel()
	var e ends
	for i := range 100_000 {
		fmt.Fprintf(&e, "line %d\n", i)
	}
	s := e.String()
	if !strings.HasPrefix(s, "line 0\n") || !strings.HasSuffix(s, "line 99999\n") || len(s) > 2*endBytes+100 {
		t.Errorf("kept %d bytes, %.20q to %q", len(s), s, s[len(s)-20:])
	}
}

// The limits of a world must not apply to its judges. What the judges have found when they
// reach a bound of their own must not be lost.
func TestWorldThatIsJudgedForLongIsNoFailureOfTheHarness(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		plan    string
		status  world.Status
		reasons []string
	}{
		{"judge held quickly", world.Held, nil},
		{"judge held spin", world.Inconclusive, []string{reasonJudging}},
		{"judge inconclusive spin", world.Inconclusive, []string{reasonJudging}},
		{"judge violation spin", world.Violated, []string{"read-your-writes", reasonJudging}},
		{"judge violation panic", world.Violated, []string{"read-your-writes", reasonPanic}},
		{"judge held panic", world.Broken, []string{reasonPanic}},
	} {
		t.Run(tc.plan, func(t *testing.T) {
			t.Parallel()
			// Only the case whose judge never ends sets a limit for it.
			opts := VirtualOptions{Jobs: 1, WallLimit: time.Hour, JudgeLimit: time.Hour}
			if strings.HasSuffix(tc.plan, "spin") {
				opts.JudgeLimit = 200 * time.Millisecond
			}
			v := newTestVirtual(t, opts)
			res, err := v.Run(t.Context(), world.Job{Seed: 7, Plan: tc.plan})
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, r := range res.Reasons {
				names = append(names, r.Name)
			}
			if res.Status != tc.status || !slices.Equal(names, tc.reasons) || res.Seed != 7 {
				t.Errorf("status = %v because of %v, want %v because of %v", res.Status, res.Reasons, tc.status, tc.reasons)
			}
			v.opts.JudgeLimit = time.Hour
			if again, err := v.Run(t.Context(), world.Job{Plan: "ok"}); err != nil || again.Status != world.Held {
				t.Errorf("the next world = %+v, %v; want held", again, err)
			}
		})
	}
}

func TestWorldsOwnBoundHoldsUntilItIsJudged(t *testing.T) {
	t.Parallel()
	v := newTestVirtual(t, VirtualOptions{Jobs: 1, WallLimit: 200 * time.Millisecond, JudgeLimit: time.Hour})
	res, err := v.Run(t.Context(), world.Job{Plan: "spin"})
	if err != nil || res.Status != world.Broken || res.Reason().Name != reasonWall {
		t.Errorf("a world that spins = %+v, %v; want %s", res, err, reasonWall)
	}
}
