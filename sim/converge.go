package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/kvsim/kvsim/internal/recordlog"
	"github.com/kvsim/kvsim/kvstore"
	lin "github.com/kvsim/kvsim/linearizability"
)

// Liveness says whether the clients that are alive made progress once everything was
// healed.
type Liveness struct {
	// Clients is the number of clients that had to converge, a fresh one among
	// them, and Dead that of clients that had died permanently.
	Clients int `json:"clients"`
	Dead    int `json:"dead"`
	// DeadBroker is the broker that had died permanently, if any.
	DeadBroker string `json:"dead_broker,omitempty"`
	// Deadline is how long they had, Took how long they needed, in simulated time.
	Deadline time.Duration `json:"deadline_ns"`
	Took     time.Duration `json:"took_ns"`
	// Stuck says in a line for each client what did not end in time.
	Stuck []string `json:"stuck,omitempty"`
}

var errDeadline = errors.New("the clients did not converge in time")

// converge brings every client that is alive to the end of the log, opens a
// fresh one, and records the full states of all and of the log itself.
//
// First each client writes once more and waits for the answer. A client sends
// one record batch at a time, so when that write is acknowledged none of its
// earlier ones, whose outcome may be unknown, can still get into the log.
func (w *world) converge() error {
	begin := time.Now()
	slots := w.alive()
	l := &Liveness{
		Clients: len(slots) + 1, Dead: len(w.slots) - len(slots), DeadBroker: w.plan.Phases.DeadBroker,
		Deadline: w.plan.Phases.Converge,
	}
	w.liveness = l
	ctx, cancel := context.WithTimeoutCause(inLane(w.ctx, laneOfRun), l.Deadline, errDeadline)
	defer cancel()
	w.stuck(slots, w.each(ctx, slots, w.lastWrite), "write")
	if len(l.Stuck) == 0 && w.ctx.Err() == nil {
		if err := w.endInMarker(); err != nil {
			return err
		}
		w.stuck(slots, w.each(ctx, slots, w.lastSync), "read up to the end of the log")
	}
	if len(l.Stuck) > 0 || w.ctx.Err() != nil {
		l.Took = time.Since(begin)
		return context.Cause(w.ctx)
	}
	if err := w.tap.sync(); err != nil {
		return err
	}
	end, err := w.cluster.EndOffset()
	if err != nil {
		return err
	}
	w.rec.End(end)
	fresh := w.enlist(1)
	w.stuck(fresh, w.each(ctx, fresh, func(ctx context.Context, s *slot) error { return s.open(ctx) }), "open")
	l.Took = time.Since(begin)
	if len(l.Stuck) > 0 || w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	w.stuck(slots, w.each(ctx, append(slots, fresh...), w.snapshot), "be read as a whole")
	if err := w.strays(); err != nil {
		return err
	}
	if err := w.cold(); err != nil {
		return err
	}
	return context.Cause(w.ctx)
}

// endInMarker makes an aborted transaction the end of the log. No record tells a client
// that it has reached it.
func (w *world) endInMarker() error {
	t, err := w.cluster.Begin(w.stranger())
	if err != nil {
		return err
	}
	if err := t.Append(w.foreignRecords("end", 0, 1, true)...); err != nil {
		return err
	}
	return t.Abort()
}

// stuck notes the clients that did not complete a step.
func (w *world) stuck(slots []*slot, errs []error, what string) {
	for i, err := range errs {
		if err == nil || w.ctx.Err() != nil {
			continue
		}
		name := "the fresh client"
		if i < len(slots) {
			name = slots[i].name
		}
		w.liveness.Stuck = append(w.liveness.Stuck, fmt.Sprintf("%s could not %s within %v of simulated time: %v", name, what, w.liveness.Deadline, err))
	}
}

// lastWrite writes a key of the client's own until it is acknowledged.
func (w *world) lastWrite(ctx context.Context, s *slot) error {
	for n := 1; ; n++ {
		p, _, err := s.live(ctx)
		if err != nil {
			return err
		}
		id := fmt.Sprintf("%s/end.%d", s.name, n)
		key := "end/" + s.name
		octx, cancel := context.WithDeadline(ctx, after(ctx, w.plan.Workload.Timeout))
		op := &operation{worker: w.caller(s), p: p, ctx: octx}
		call := op.begin(lin.Operation{Kind: lin.OpPut, Key: key, Value: id})
		rev, err := p.client.PutRevision(octx, []byte(key), encodePayload(id, 0))
		op.ended(call, key, rev, err)
		cancel()
		if err == nil {
			return nil
		}
		if sleep(ctx, 100*time.Millisecond) != nil {
			return err
		}
	}
}

// caller is a worker that makes the calls of the convergence for a client.
func (w *world) caller(s *slot) *worker {
	return &worker{w: w, slot: s, rng: stream(w.plan.Seed, "converge", s.n)}
}

// lastSync reads up to the end of the log. A hook may close its client meanwhile; then the next one does.
func (w *world) lastSync(ctx context.Context, s *slot) error {
	for {
		p, _, err := s.live(ctx)
		if err != nil {
			return err
		}
		op := &operation{worker: w.caller(s), p: p, ctx: ctx}
		call := op.begin(lin.Operation{Kind: lin.OpSync})
		err = p.client.Sync(ctx)
		op.judgeServed(err)
		op.end(func() { op.told(call, err) })
		if !errors.Is(err, kvstore.ErrClientClosed) || s.openProcess() == p || sleep(ctx, 100*time.Millisecond) != nil {
			return err
		}
	}
}

// snapshot records everything that a client holds.
func (w *world) snapshot(ctx context.Context, s *slot) error {
	p, _, err := s.live(ctx)
	if err != nil {
		return err
	}
	items, err := entries(ctx, p.client, "", "", 0)
	if err != nil {
		return err
	}
	w.rec.Snapshot(lin.Snapshot{
		Kind: lin.SnapshotFinal, Client: s.name, Process: p.number, Position: p.client.Position(), Items: items,
	})
	return nil
}

// cold records the state that a reader of the remaining log gets.
func (w *world) cold() error {
	info, err := w.cluster.Partition()
	if err != nil {
		return err
	}
	batches, err := w.cluster.ReadLog(0)
	if err != nil {
		return err
	}
	outcomes := recordlog.Outcomes(batches)
	end := int64(0)
	state := map[string]lin.Item{}
	for i := range batches {
		end = batches[i].LastOffset + 1
		// What has no marker has not been committed.
		if o := outcomes[i]; batches[i].Control || o == recordlog.Open || o == recordlog.Aborted {
			continue
		}
		for j := range batches[i].Records {
			r := &batches[i].Records[j]
			switch {
			case len(r.Key) == 0:
			case r.Offset < info.LogStartOffset: // deleted, but the log starts with its batch
			case r.Value == nil:
				delete(state, string(r.Key))
			default:
				state[string(r.Key)] = lin.Item{Key: string(r.Key), Value: decodePayload(r.Value), Revision: r.Offset}
			}
		}
	}
	items := slices.SortedFunc(maps.Values(state), func(a, b lin.Item) int { return cmp.Compare(a.Key, b.Key) })
	if log, err := w.cluster.EndOffset(); err == nil {
		end = max(end, log)
	}
	w.rec.Snapshot(lin.Snapshot{Kind: lin.SnapshotCold, Client: "log", Position: end, Items: items})
	return nil
}
