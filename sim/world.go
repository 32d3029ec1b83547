package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kvsim/kvsim/internal/simcluster"
	"github.com/kvsim/kvsim/internal/simnet"
	lin "github.com/kvsim/kvsim/linearizability"
)

// An Env is what a run gets besides its plan. The zero value is usable.
type Env struct {
	// History gets the history as it happens, in the format of package
	// linearizability. Nil: it is kept in memory only.
	History io.Writer
	// Logger gets what clients and brokers log. Nil discards it.
	Logger *slog.Logger
	// Open opens the clients. Nil means DefaultOpen.
	Open OpenFunc
	// Progress, if set, is called when a phase begins and, from the
	// goroutines of the run, after every hundredth operation.
	Progress func(Progress)
	// Judging, if set, is called when the run has ended and is about to be judged, and
	// again when the log witness has judged it and porcupine has not: with the outcome as
	// far as it is known then. A judge may take long, or need more memory than there is.
	Judging func(*Outcome)
	// LateTap has to be set where time is real: the log tap may then note a
	// record after a client has seen it, and the judge must allow for it.
	LateTap bool
}

// Progress says how far a run is.
type Progress struct {
	Phase string
	// Simulated is the time since the start of the run.
	Simulated time.Duration
	// Done of Total operations were begun.
	Done, Total int
}

// A world is one run.
type world struct {
	plan   Plan
	env    Env
	logger *slog.Logger
	start  time.Time

	ctx    context.Context //nolint:containedctx // the run's life
	cancel context.CancelCauseFunc

	cluster simcluster.Cluster
	net     *simnet.Network
	rec     *lin.Recorder
	tap     *tap
	keys    []string
	workers []*worker
	board   board
	downs   downs

	logMu         turn     // one change of the log by the harness at a time
	cleaned       int64    // the log's end at the last compaction
	partitions    int      // of the topic, if it grew
	troubles      troubles // of storages
	hookTroubles  troubles
	holds         holds // what kept clients from the log
	withheld      withholdings
	answers       answers
	poisons       poisons
	rights        rights
	altered       alterations
	endings       endings
	departed      departed
	findings      findings
	inflight      inflight
	sometimes     *counters
	foreigners    atomic.Int64 // foreign transactions so far
	foreign       openIDs
	foreignValues atomic.Int64

	slots      []*slot // the plan's clients
	mu         sync.Mutex
	extras     []*slot // readers that come and go
	acked      [3]int  // by phase
	phase      int
	begun      int // operations
	results    []FaultResult
	liveness   *Liveness
	background sync.WaitGroup
}

// newWorld starts the brokers and the log tap.
func newWorld(ctx context.Context, p Plan, env Env, out io.Writer) (*world, error) {
	if env.Open == nil {
		env.Open = DefaultOpen
	}
	w := &world{plan: p, env: env, logger: env.Logger, sometimes: newCounters(), downs: downs{all: map[int32]*down{}}, logMu: newTurn(), poisons: poisons{one: newTurn()}}
	if w.logger == nil {
		w.logger = slog.New(slog.DiscardHandler)
	}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	c, err := startCluster(w.ctx, &w.plan)
	if err != nil {
		return nil, err
	}
	w.cluster, w.net = c, c.Network()
	w.start = time.Now()
	tap := lin.TapExact
	if env.LateTap {
		tap = lin.TapLate
	}
	w.rec = lin.NewRecorder(func() time.Duration { return time.Since(w.start) }, lin.RecorderOptions{
		Header: lin.Header{Version: lin.FormatVersion, Tap: tap, Hooks: true, Meta: map[string]string{
			"scenario": p.Scenario, "seed": strconv.FormatUint(p.Seed, 10),
		}},
		Output: out,
	})
	w.tap = newTap(w)
	w.background.Go(func() { w.tap.run(w.ctx) })
	w.keys = keyNames(p.Workload.Keys)
	for i := range p.World.Clients {
		w.slots = append(w.slots, newSlot(w, clientName(i), i))
	}
	w.makeWorkers()
	return w, nil
}

func (w *world) makeWorkers() {
	keys := newZipf(len(w.keys), w.plan.Workload.Zipf)
	for _, s := range w.slots {
		for n := range max(1, w.plan.Workload.Workers) {
			id := s.name
			if n > 0 {
				id += "/" + strconv.Itoa(n+1)
			}
			k := &worker{
				w: w, slot: s, n: n, index: len(w.workers), id: id, keys: keys, ctx: inLane(w.ctx, workLane(len(w.workers))),
				rng: stream(w.plan.Seed, "worker", s.n, n),
			}
			if w.plan.Workload.Forms > 0 {
				k.odd = stream(w.plan.Seed, "forms", s.n, n)
			}
			w.workers = append(w.workers, k)
		}
	}
}

// close ends everything and waits for it.
func (w *world) close() {
	w.cancel(errEnded)
	for _, s := range w.everyone() {
		s.mu.Lock()
		p := s.current
		s.current = nil
		s.dead = true
		s.mu.Unlock()
		if p != nil {
			w.lookAt(p.client)
			_ = p.client.Close()
			p.leaves()
			p.cancel(errEnded)
		}
	}
	w.judgeLast()
	w.tap.refresh()
	_ = w.cluster.Close()
	w.background.Wait()
}

// errEnded is the cause with which everything is ended.
var errEnded = errors.New("the run has ended")

// fail ends the run because the harness itself failed.
func (w *world) fail(err error) {
	if err != nil && w.ctx.Err() == nil {
		w.cancel(fmt.Errorf("world: %w", err))
	}
}

// enlist makes slots for readers that are not among the plan's clients.
func (w *world) enlist(n int) []*slot {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []*slot
	for range n {
		i := len(w.extras) + 1
		s := newSlot(w, fmt.Sprintf("r%d", i), w.plan.World.Clients+i)
		w.extras = append(w.extras, s)
		out = append(out, s)
	}
	return out
}

// everyone returns all slots.
func (w *world) everyone() []*slot {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append(append([]*slot(nil), w.slots...), w.extras...)
}

// acknowledged counts a write that was acknowledged.
func (w *world) acknowledged() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acked[w.phase]++
}

// progress reports a phase, or an operation.
func (w *world) progress(phase int, ops int) {
	w.mu.Lock()
	w.phase = phase
	before := w.begun
	w.begun += ops
	p := Progress{Phase: phaseNames[phase], Done: w.begun, Total: len(w.slots) * w.plan.Workload.Ops}
	w.mu.Unlock()
	if w.env.Progress == nil || ops > 0 && before/100 == p.Done/100 {
		return
	}
	p.Simulated = time.Since(w.start)
	w.env.Progress(p)
}
