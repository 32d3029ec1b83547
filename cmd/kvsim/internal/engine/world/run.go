package world

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/kvsim/kvsim/internal/simcluster"
	"github.com/kvsim/kvsim/linearizability"
	"github.com/kvsim/kvsim/sim"
)

// Env is what a world has besides its plan.
type Env struct {
	// History gets the history as it happens. Nil keeps it in memory only.
	History io.Writer
	// Log gets what the world logs, as text. Nil discards it.
	Log io.Writer
	// Judging, if not nil, is called with what is known about the result before
	// the world is judged, and again before porcupine judges it; see sim.Env.
	Judging func(*Result)
	// LateTap must be set if time is real; see sim.Env.
	LateTap bool
	// Open opens clients. Nil means the store's own.
	Open sim.OpenFunc
	// Cluster starts the brokers. Nil means kfake's.
	Cluster simcluster.StartFunc
}

// Run runs one world, and judges it. The error is an ErrPlan, or wraps the cause of ctx. Anything
// else that goes wrong is a result with the status Broken.
func Run(ctx context.Context, job Job, env Env) (*Result, error) {
	plan, err := sim.ParsePlan(job.Plan)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPlan, err)
	}
	simEnv := sim.Env{History: env.History, LateTap: env.LateTap, Open: env.Open}
	if env.Log != nil {
		// If time is real, the brokers may have logs of their own to compare with, so
		// ids are left as they are.
		simEnv.Logger = newLogger(env.Log, !env.LateTap)
	}
	if env.Judging != nil {
		simEnv.Judging = func(out *sim.Outcome) {
			res := resultOf(out)
			res.Seed = job.Seed
			env.Judging(res)
		}
	}
	out, err := sim.Run(simcluster.With(ctx, env.Cluster), plan, simEnv)
	switch {
	case errors.Is(err, sim.ErrPlan):
		return nil, fmt.Errorf("%w: %w", ErrPlan, err)
	case err != nil && out == nil && context.Cause(ctx) != nil:
		return nil, err
	case err != nil && out == nil:
		return BrokenResult(job.Seed, harnessReason, err.Error(), ""), nil
	}
	res := resultOf(out)
	res.Seed = job.Seed
	if err != nil {
		res.Status = Broken
		if len(res.Reasons) == 0 {
			res.Reasons = []Reason{{Name: harnessReason, Text: err.Error()}}
		}
		if res.Verdict == "" {
			res.Verdict = err.Error()
		}
	}
	return res, nil
}

// harnessReason is the name of a failure that package sim reports itself.
const harnessReason = "harness"

// RunInFiles is like Run, but writes the history and the log to the files that the job names. It
// writes them while the world runs, so that they exist even if this process dies.
func RunInFiles(ctx context.Context, job Job, env Env) (result *Result, err error) {
	open := func(name string) (io.Writer, error) {
		return os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) // a history may hold secrets
	}
	var files []io.Closer
	defer func() {
		for _, f := range files {
			if closeErr := f.Close(); err == nil && closeErr != nil {
				result, err = nil, fmt.Errorf("write what happened: %w", closeErr)
			}
		}
	}()
	for _, f := range []struct {
		name string
		to   *io.Writer
	}{{job.History, &env.History}, {job.Log, &env.Log}} {
		if f.name == "" {
			continue
		}
		if *f.to, err = open(f.name); err != nil {
			return nil, fmt.Errorf("write what happens: %w", err)
		}
		files = append(files, (*f.to).(io.Closer))
	}
	return Run(ctx, job, env)
}

// resultOf returns the parts of an outcome that the result needs.
func resultOf(out *sim.Outcome) *Result {
	res := &Result{
		Status:    StatusOf(out.Status),
		Hash:      out.HistoryHash,
		Events:    out.Events,
		Records:   out.Records,
		Simulated: out.Simulated,
		Sometimes: out.Sometimes,
		Answers:   out.Answers,

		Availability: out.Availability,
	}
	for _, r := range out.Reasons {
		res.Reasons = append(res.Reasons, Reason{Name: r.Name, Text: r.Text})
	}
	if out.Verdict != nil {
		res.Verdict = out.Verdict.String()
	}
	for _, n := range out.Ops {
		res.Operations.OK += n.OK
		res.Operations.Failed += n.Failed
		res.Operations.Unknown += n.Unknown + n.Pending
	}
	res.Operations.Total = res.Operations.OK + res.Operations.Failed + res.Operations.Unknown
	res.Operations.Acknowledged = out.Acked.Before + out.Acked.During + out.Acked.After
	for _, f := range out.Faults {
		res.Faults = append(res.Faults, FaultResult{Text: f.Fault, Kind: f.Kind, Injected: f.Injected, Hits: f.Hits})
	}
	return res
}

// StatusOf turns a verdict of the judges into a status.
func StatusOf(s linearizability.Status) Status {
	switch s {
	case linearizability.Held:
		return Held
	case linearizability.Inconclusive:
		return Inconclusive
	case linearizability.Violated:
		return Violated
	case linearizability.HarnessFailure:
	}
	return Broken
}
