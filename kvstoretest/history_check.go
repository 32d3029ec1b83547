package kvstoretest

import (
	"fmt"
	"hash/fnv"
	"slices"

	lin "github.com/kvsim/kvsim/linearizability"
)

// CheckHistory judges what the recorded stores did, see [Kit.Record], and fails
// the test with an explanation if a guarantee of the store was broken. Call it
// once at the end, when nobody writes any more: it ends all faults, waits until
// the recorded clients have caught up, compares what they hold with the log, and
// then has the history judged by package linearizability. A history that can't
// be judged fails the test as well. Checks of guarantees that the test takes
// away on purpose can be skipped.
//
// It returns the verdict, which says what was checked and what was not.
func (k *Kit) CheckHistory(skip ...lin.CheckID) *lin.Verdict {
	k.t.Helper()
	known := lin.AllChecks()
	for _, id := range skip {
		if !slices.Contains(known, id) {
			k.misuse("CheckHistory: there is no check %q; they are %q", id, known)
			return nil
		}
	}
	k.mu.Lock()
	h := k.history
	k.mu.Unlock()
	if h == nil {
		k.misuse("CheckHistory: nothing was recorded: wrap the clients with Record and use what it returns")
		return nil
	}
	k.undoAll()
	k.converge(h)
	history := k.History()
	verdict := lin.Check(history, lin.Options{Skip: skip})
	if err := verdict.Err(); err != nil {
		k.t.Errorf("CheckHistory of %d operations: %v\n%s", len(history.Ops), err, k.scene(nil))
	}
	return verdict
}

// converge waits until the recorded stores have caught up and records what they
// hold then.
func (k *Kit) converge(h *history) {
	k.t.Helper()
	if slices.ContainsFunc(k.Log(), func(r LogRecord) bool { return r.Txn == TxnOpen }) {
		k.t.Log("kvstoretest: CheckHistory does not compare final states: a transaction is open, so that no client can get to the end of the log")
		return
	}
	k.mu.Lock()
	stores := slices.Clone(h.stores)
	k.mu.Unlock()
	for _, r := range stores {
		if err := h.snapshot(r); err != nil {
			k.t.Errorf("CheckHistory: client %q never caught up: %v\n%s", r.client, err, k.scene(r))
		}
	}
}

// History returns what was recorded until now, with the log, for
// linearizability.Check or linearizability.WriteHistory. Nil: nothing was.
//
// A value that was written once is named by itself in it, cut and hashed when it
// is long; one that was written more often begins with "~=".
func (k *Kit) History() *lin.History {
	k.t.Helper()
	k.mu.Lock()
	h := k.history
	k.mu.Unlock()
	if h == nil {
		return nil
	}
	k.logOp <- struct{}{}
	err := h.noteAll()
	<-k.logOp
	if err != nil {
		k.fatal("read the log for the history: %v", err)
		return nil
	}
	history := h.rec.History()
	named(history)
	return history
}

// rawID is the id of a value while it is recorded. It is never empty, which
// would mean that there is no value.
func rawID(value []byte) string { return "=" + string(value) }

// write is what a record of the log says.
type write struct{ key, value string }

// named gives the values of a history their ids, and finds out which records of
// the log no operation can have written: the judge needs ids that are unique,
// and tests write the same value as often as they like.
func named(h *lin.History) {
	writers := map[string]int{}
	wrote := map[write]bool{}
	count := func(key, value string) {
		writers[value]++
		wrote[write{key, value}] = true
	}
	for i := range h.Ops {
		switch o := &h.Ops[i]; o.Kind {
		case lin.OpPut, lin.OpDelete:
			count(o.Key, o.Value)
		case lin.OpBatch:
			for _, it := range o.Items {
				count(it.Key, it.Value)
			}
		default:
		}
	}
	for i := range h.Log {
		l := &h.Log[i]
		if l.Kind == lin.LogAppend && l.Key != "" && (l.Foreign || !wrote[write{l.Key, l.Value}]) {
			l.Foreign = true
			writers[l.Value]++
		}
	}
	name := func(raw string) string { return valueID(raw, writers[raw]) }
	names := func(items []lin.Item) []lin.Item {
		out := slices.Clone(items)
		for i := range out {
			out[i].Value = name(out[i].Value)
		}
		return out
	}
	for i := range h.Ops {
		h.Ops[i].Value = name(h.Ops[i].Value)
		h.Ops[i].Items = names(h.Ops[i].Items)
	}
	for i := range h.Log {
		h.Log[i].Value = name(h.Log[i].Value)
	}
	for i := range h.Snapshots {
		h.Snapshots[i].Items = names(h.Snapshots[i].Items)
	}
}

// valueID returns the final id of a value that was recorded as raw and written
// so many times.
func valueID(raw string, writers int) string {
	if raw == "" {
		return "" // no value
	}
	v := raw[1:]
	if v == "" {
		return "~empty"
	}
	long := len(v) > 48
	shared := writers > 1 || v[0] == '~'
	if long {
		f := fnv.New64a()
		_, _ = f.Write([]byte(v))
		v = fmt.Sprintf("%s...%d-bytes-%016x", v[:16], len(v), f.Sum64())
	}
	if shared {
		return "~=" + v
	}
	return v
}
