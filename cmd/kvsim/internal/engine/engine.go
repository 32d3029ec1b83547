package engine

import (
	"context"
	"errors"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
)

// Limits of a world that Options do not set.
const (
	// DefaultSimulatedLimit is far above what a plan takes: a world that gets
	// there is stuck.
	DefaultSimulatedLimit = 2 * time.Hour
	// DefaultWallLimit is far above what a world takes, on a slow machine too.
	DefaultWallLimit = time.Minute
	// DefaultJudgeLimit is far above what judging a world takes, whose searches
	// have bounds of their own.
	DefaultJudgeLimit = 10 * time.Minute
)

// ErrEngine is what an error that no other world would escape is, by errors.Is:
// no worker can be started, the guest does not build.
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
	// Jobs is how many worlds run at the same time.
	Jobs() int
	// Close ends what Run started. It must not be called during a Run.
	Close() error
}

// Func runs one world in the time that its caller has. It is world.Run, but for
// tests that put something else in its place. It calls judging when the world has
// ended and is about to be judged, and whenever more is known of the result.
type Func func(ctx context.Context, job world.Job, judging func(*world.Result)) (*world.Result, error)
