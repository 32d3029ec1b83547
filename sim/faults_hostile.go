package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/kvsim/kvsim/internal/fakecluster"
)

// HostileBatch is a record batch of another program that no client can take. Clients stop before
// it. When the fault ends it is taken away again.
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

func (f HostileBatch) start(_ context.Context, w *world) (*effect, error) {
	b, err := f.append(w)
	if err != nil {
		return nil, err
	}
	w.poisons.add(b)
	return w.noting(sometimesHostile, &effect{hits: b.standing, undo: func(context.Context) error {
		defer w.poisons.remove(b)
		b.standing()
		b.most = max(1, b.most)
		return f.remove(w, b)
	}}), nil
}

func (f HostileBatch) append(w *world) (*poison, error) {
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
	b.HostileBatch, err = w.cluster.AppendHostile(how, []byte(hostileKey), size)
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
	err = func() error {
		w.logMu.Lock()
		defer w.logMu.Unlock()
		there, err := b.there()
		if gone = !there; gone || err != nil {
			return err
		}
		b.judge()
		next := w.foreignRecords("hostile", f.From, 1, true)
		next[0].Key = []byte(hostileKey)
		if next[0].Value == nil {
			next[0].Value = encodePayload(hostileID, 0)
		}
		return w.cluster.Append(next...)
	}()
	if gone || err != nil {
		return gone, err
	}
	if _, err := w.compact(); err != nil {
		return false, err
	}
	w.logMu.Lock()
	defer w.logMu.Unlock()
	there, err := b.there()
	return !there, err
}
