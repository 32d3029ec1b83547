package engine

import (
	"context"
	"errors"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
)

// The default limits of a world.
const (
	// DefaultSimulatedLimit is far above what any plan takes. A world that
	// reaches it is stuck.
	DefaultSimulatedLimit = 2 * time.Hour
	// DefaultWallLimit is far above what a world takes, even on a slow machine.
	DefaultWallLimit = time.Minute
	// DefaultJudgeLimit is far above what judging a world takes. The searches of
	// the judges have bounds of their own.
	DefaultJudgeLimit = 10 * time.Minute
)

// ErrEngine matches errors, in errors.Is, that every other world would meet too: no
// worker can be started, or the guest does not build.
var ErrEngine = errors.New("engine does not run")

// An Engine runs worlds.
type Engine interface {
	// Name is the name on the command line.
	Name() string
	// Run runs one world and blocks until it has ended. A world that breaks
	// the engine gives a result with the status world.Broken, not an error. The
	// error is a world.ErrPlan, an ErrEngine, or wraps the cause of ctx.
	// It is safe for concurrent use; calls beyond Jobs wait for their turn.
	Run(ctx context.Context, job world.Job) (*world.Result, error)
	// Jobs returns how many worlds run at the same time.
	Jobs() int
	// Close ends the processes that Run started. It must not be called during a
	// Run.
	Close() error
}

// Func runs one world, and takes the time from package time. It is world.Run, except in
// tests. It calls judging when the world has ended and is about to be judged, and again
// whenever more is known about the result.
type Func func(ctx context.Context, job world.Job, judging func(*world.Result)) (*world.Result, error)
