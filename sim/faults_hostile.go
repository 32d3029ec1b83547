package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/kvsim/kvsim/internal/fakecluster"
)

// HostileBatch is a record batch of another program that no client can take. Clients stop before
// it. When the fault ends it is taken away again.
//
// There is one at a time.
type HostileBatch struct {
	// Does says what is wrong with it: inflate (it decompresses to more than clients allow) or
	// claim (it says that it holds far more records than it does).
	Does string `plan:"does"`
	// Removed says how it is taken away: delete (with all records below, as by its owner), which
	// is the default, or compact (after a later record with its key). If compaction leaves it,
	// it is deleted.
	Removed string `plan:"removed"`
	Span
}

// What a HostileBatch does, and how it is removed.
const (
	doesInflate = "inflate"
	doesClaim   = "claim"
	byDelete    = "delete"
	byCompact   = "compact"
)

// Kind implements Fault.
func (f HostileBatch) Kind() string { return "hostile-batch" }

// String implements Fault.
func (f HostileBatch) String() string { return line(f.Kind(), &f) }

func (f HostileBatch) check(p *Plan) error {
	switch {
	case f.Does != doesInflate && f.Does != doesClaim:
		return fmt.Errorf("does=%s has to be inflate or claim", f.Does)
	case f.Removed != "" && f.Removed != byDelete && f.Removed != byCompact:
		return fmt.Errorf("removed=%s has to be delete or compact", f.Removed)
	case f.Removed == byCompact && f.Does == doesClaim:
		return fmt.Errorf("removed=compact can't remove a batch that nobody can read")
	case p.World.MaxMessage > mostInflated:
		return fmt.Errorf("world max.message is %d and has to be %d or less: clients take no more", p.World.MaxMessage, mostInflated)
	}
	return f.mustLast()
}

func (f HostileBatch) start(ctx context.Context, w *world) (*effect, error) {
	select {
	case w.poisons.one <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	b, err := f.append(ctx, w)
	if err != nil {
		w.poisons.one.Unlock()
		return nil, err
	}
	return w.noting(sometimesHostile, &effect{hits: b.standing, undo: func(context.Context) error {
		defer w.poisons.one.Unlock()
		defer w.poisons.remove(b)
		b.standing()
		b.most = max(1, b.most)
		return f.remove(w, b)
	}}), nil
}

// append writes the batch.
func (f HostileBatch) append(ctx context.Context, w *world) (*poison, error) {
	if err := sleep(ctx, time.Millisecond); err != nil { // the one before ended at this instant
		return nil, err
	}
	w.logMu.Lock()
	defer w.logMu.Unlock()
	b := &poison{does: f.Does, w: w, from: time.Now(), before: map[*process]sight{}}
	for _, s := range w.everyone() {
		if p := s.openProcess(); p != nil {
			b.before[p] = sight{p.client.Position(), p.refused.Load()}
		}
	}
	how, size := fakecluster.Inflates, hostileBytes
	if f.Does == doesClaim {
		how, size = fakecluster.Claims, hostileClaims
	}
	var err error
	if b.HostileBatch, err = w.cluster.AppendHostile(how, []byte(hostileKey), size); err == nil {
		w.poisons.add(b)
	}
	return b, err
}

// remove judges the clients, and takes the batch away, unless it went with a lost tail or the topic.
func (f HostileBatch) remove(w *world, b *poison) error {
	if f.Removed == byCompact {
		if gone, err := f.compacted(w, b); gone || err != nil {
			return err
		}
	}
	w.logMu.Lock()
	defer w.logMu.Unlock()
	there, err := b.there()
	if !there || err != nil {
		return err
	}
	b.judge()
	defer w.cluster.Quiet()()
	if err := w.tap.sync(); err != nil {
		return err
	}
	if err := w.cluster.DeleteRecords(b.Last + 1); err != nil {
		return err
	}
	w.tap.trimmed(b.Last + 1)
	return nil
}

// compacted judges the clients and removes the batch by compaction. It reports whether it is gone.
func (f HostileBatch) compacted(w *world, b *poison) (gone bool, err error) {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	there, err := b.there()
	if !there || err != nil {
		return !there, err
	}
	b.judge()
	next := w.foreignRecords("hostile", f.From, 1, true)
	next[0].Key = []byte(hostileKey)
	if next[0].Value == nil {
		next[0].Value = encodePayload(hostileID, 0)
	}
	if err := w.cluster.Append(next...); err != nil {
		return false, err
	}
	if _, err := w.compactNow(); err != nil {
		return false, err
	}
	there, err = b.there()
	return !there, err
}
