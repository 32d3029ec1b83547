package kvrapid

import (
	"context"
	"errors"
	"slices"

	"pgregory.net/rapid"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

// actions are the operations of a run.
func (m *machine) actions() map[string]func(*rapid.T) {
	all := map[string]func(*rapid.T){
		"put":        m.put,
		"delete":     m.delete,
		"batch":      m.batch,
		"bad write":  m.badWrite,
		"late write": m.lateWrite,
		"get":        m.get,
		"range":      m.scanSome,
		"late read":  m.lateRead,
		"sync":       m.barrier,
		"hand over":  m.handOver,
		"restart":    m.restart,
	}
	if m.kit != nil {
		all["foreign record"] = m.foreign
		all["transaction"] = m.transaction
		if !m.cfg.NoFaults {
			all["fault"] = m.fault
			all["heal"] = m.healSome
		}
	}
	return all
}

// restart closes a client and opens it again.
func (m *machine) restart(t *rapid.T) {
	m.heal() // opening waits for the log
	m.reopen(t, m.pick(t))
}

func (m *machine) reopen(t *rapid.T, c *client) {
	t.Helper()
	if err := c.store.Close(); err != nil {
		t.Fatalf("%s: Close = %v", c.name, err)
	}
	ctx, cancel := m.patiently()
	defer cancel()
	_, err := c.store.PutRevision(ctx, []byte("k"), nil)
	if !errors.Is(err, kvstore.ErrClientClosed) || errors.Is(err, kvstore.ErrOutcomeUnknown) {
		t.Fatalf("%s: put after Close = %v, want ErrClientClosed and certainly not written", c.name, err)
	}
	if _, err := c.store.GetEntry(ctx, []byte("k")); !errors.Is(err, kvstore.ErrClientClosed) {
		t.Fatalf("%s: GetEntry after Close = %v, want ErrClientClosed", c.name, err)
	}
	if got := c.store.Status().State; got != kvstore.StateClosed {
		t.Fatalf("%s: Status after Close = %v, want closed", c.name, got)
	}
	m.open(t, c)
}

// foreign writes as another program would, without any of the clients.
func (m *machine) foreign(t *rapid.T) {
	changes := m.foreignChanges(t)
	m.learn(t)
	m.kit.Append(changesToRecords(changes)...)
	if rapid.Bool().Draw(t, "and one without a key") {
		m.kit.Append(kvstoretest.Keyless("no key"))
	}
	m.mustBeThere(t, changes)
}

// transaction writes in a transaction, which shows only once it is committed.
func (m *machine) transaction(t *rapid.T) {
	changes := m.foreignChanges(t)
	c := m.pick(t)
	key := drawBytes(t, m.cfg.Keys, "key")
	m.learn(t)
	txn := m.kit.Begin()
	txn.Append(changesToRecords(changes)...)
	m.mustBeThere(t, changes)
	m.getKey(t, c, key)
	if rapid.Bool().Draw(t, "commit") {
		txn.Commit()
	} else {
		txn.Abort()
	}
	m.learn(t)
	m.getKey(t, c, key)
}

func (m *machine) foreignChanges(t *rapid.T) []Change {
	return Batches(m.cfg.Keys, m.cfg.Values).Filter(func(b []Change) bool { return len(b) > 0 }).Draw(t, "records")
}

func (m *machine) mustBeThere(t *rapid.T, changes []Change) {
	t.Helper()
	// Pending writes claim their records first; those of ours that they took become pending
	// instead.
	m.model.pending = append(m.model.pending, m.expect(t, changes)...)
}

func changesToRecords(changes []Change) []kvstoretest.Record {
	out := make([]kvstoretest.Record, len(changes))
	for i, c := range changes {
		out[i] = kvstoretest.Record{Key: c.Key}
		if !c.Delete {
			out[i].Value = append([]byte{}, c.Value...)
		}
	}
	return out
}

// mostFaults is how many faults can be active at a time.
const mostFaults = 3

// fault applies a fault.
func (m *machine) fault(t *rapid.T) {
	if len(m.faults) == mostFaults || m.blocked {
		m.heal()
	}
	var names []string
	for _, c := range m.clients {
		names = append(names, c.name)
	}
	f := Faults(FaultKinds(), names...).Draw(t, "fault")
	switch f.Kind {
	case LoseTail, DeleteRecords, RecreateTopic:
		m.changeLog(t, f)
		return
	case Compact:
		m.learn(t)
	case GrowPartitions: // there can't be fewer
		m.grown++
		f.N = m.grown
	default:
	}
	done := f.Apply(m.kit)
	m.faults = append(m.faults, done)
	m.blocked = m.blocked || f.Kind.Blocks()
	m.learn(t)
}

// changeLog applies a fault that removes records, when all clients have caught up and
// nothing else is wrong.
func (m *machine) changeLog(t *rapid.T, f Fault) {
	t.Helper()
	m.calm(t)
	m.settle(t)
	f.Apply(m.kit)
	switch f.Kind {
	case LoseTail:
		// What compaction had removed in favour of a record that is now lost no longer
		// exists anywhere, so the log itself is the model.
		m.model.log, m.model.end = m.kit.Log(), m.kit.End()
		for _, c := range m.clients {
			c.floor = 0
		}
		m.dropAcked(m.kit.End())
		m.calm(t) // until the clients have noticed
	case DeleteRecords:
		// A client that has read the records keeps them. A new one never sees them.
		if log := m.kit.Log(); len(log) > 0 {
			m.model.trim(log[0].Offset)
		} else {
			m.model.trim(m.kit.End())
		}
		m.reopenAll(t)
	case RecreateTopic:
		for _, c := range m.clients {
			if err := c.store.Close(); err != nil {
				t.Fatalf("%s: Close = %v", c.name, err)
			}
		}
		m.model = model{}
		m.acked = nil
		for _, c := range m.clients {
			m.open(t, c)
		}
	default:
	}
}

func (m *machine) reopenAll(t *rapid.T) {
	t.Helper()
	for _, c := range m.clients {
		m.reopen(t, c)
	}
}

// settle makes sure that no client is still at a write of unknown outcome, by letting each
// complete one more write. That such a write is in the log is not enough: a client that has
// not found it writes it again once it is lost.
func (m *machine) settle(t *rapid.T) {
	t.Helper()
	if !m.doubt {
		return
	}
	m.doubt = false
	for _, c := range m.clients {
		ch := Change{Key: []byte("settle"), Value: []byte(c.name)}
		m.write(t, c, ch.String(), []Change{ch}, func(ctx context.Context) (int64, error) {
			return c.store.PutRevision(ctx, ch.Key, ch.Value)
		})
	}
	m.calm(t)
}

func (m *machine) dropAcked(end int64) {
	m.acked = slices.DeleteFunc(m.acked, func(revision int64) bool { return revision >= end })
}

// healSome ends all faults; sometimes it also waits until all clients have caught up.
func (m *machine) healSome(t *rapid.T) {
	if len(m.faults) == 0 {
		t.Skip("no fault")
	}
	if rapid.Bool().Draw(t, "and catch up") {
		m.calm(t)
	} else {
		m.heal()
	}
}
