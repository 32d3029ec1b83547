package linearizability

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// forever is the return of an operation of unknown outcome (J3).
const forever = int64(math.MaxInt64)

// A keyOp is what one operation did to one key, in the form that porcupine gets.
//
// A time is a sequence number times two. The odd numbers are instants between two
// events.
type keyOp struct {
	op        int32 // index in History.Ops
	kind      keyOpKind
	value     int32 // 0 means no value
	proc      int32
	call, ret int64
	// unknown says that the write may never have happened.
	unknown bool
	// since is the call of the barrier right before a read, or the read's own call.
	since int64
	// barrier says that the read must see what was acknowledged before since.
	barrier bool
}

type keyOpKind uint8

const (
	keyWrite keyOpKind = iota
	keyRead
	// keyAck is the instant at which a process learns that its write is done.
	keyAck
)

// A keyHistory is everything that happened to one key.
//
// Invariant: ops is ascending by call. No two writes have the same value, except for
// values that are shared.
type keyHistory struct {
	key    string
	ops    []keyOp
	values []string // by value number; values[0] is ""
	procs  []processID
	shared []bool // by value number
	past   *pastWrites
}

// keyHistories returns the history of each key that a get reads, sorted by key.
func (j *judge) keyHistories() []*keyHistory {
	b := keyBuilder{keys: map[string]*keyBuild{}, last: map[processID]*Operation{}, linearizable: j.opts.Linearizable}
	for _, e := range j.events {
		o := j.op(e.op)
		if !e.ret {
			b.called(e.op, o)
			continue
		}
		b.returned(o)
	}
	var all []*keyHistory
	for _, k := range b.keys {
		if k.reads {
			all = append(all, &k.h)
		}
	}
	slices.SortFunc(all, func(a, b *keyHistory) int { return cmp.Compare(a.key, b.key) })
	return all
}

type keyBuild struct {
	h      keyHistory
	number map[string]int32
	proc   map[processID]int32
	reads  bool
}

type keyBuilder struct {
	keys         map[string]*keyBuild
	last         map[processID]*Operation // the last operation that returned
	linearizable bool
}

func (b *keyBuilder) of(key string) *keyBuild {
	k := b.keys[key]
	if k == nil {
		k = &keyBuild{number: map[string]int32{"": 0}, proc: map[processID]int32{}}
		k.h = keyHistory{key: key, values: []string{""}, shared: []bool{true}}
		b.keys[key] = k
	}
	return k
}

func (b *keyBuilder) called(op int32, o *Operation) {
	id := processID{o.Client, o.Process}
	add := func(key string, k keyOp, value string) {
		kb := b.of(key)
		k.op, k.value, k.proc = op, kb.value(value), intern(kb.proc, &kb.h.procs, id)
		k.call, k.ret = 2*o.Call.Seq, 2*o.Return.Seq
		k.since = cmp.Or(k.since, k.call)
		if o.Outcome != OK {
			k.unknown, k.ret = true, forever
		}
		kb.h.ops = append(kb.h.ops, k)
		kb.reads = kb.reads || k.kind == keyRead
	}
	switch {
	case o.Outcome == Failed, o.Kind.Reads() && o.Outcome != OK:
	case o.Kind == OpPut:
		add(o.Key, keyOp{kind: keyWrite}, o.Value)
	case o.Kind == OpDelete:
		add(o.Key, keyOp{kind: keyWrite}, "")
	case o.Kind == OpBatch:
		// If a batch writes a key several times, only the last write is ever seen.
		last := make(map[string]int, len(o.Items))
		for i, it := range o.Items {
			last[it.Key] = i
		}
		for i, it := range o.Items {
			if last[it.Key] == i {
				add(it.Key, keyOp{kind: keyWrite}, it.Value)
			}
		}
	case o.Kind == OpGet:
		k := keyOp{kind: keyRead, barrier: o.Barrier || b.linearizable}
		if last := b.last[id]; last != nil && last.Kind == OpSync {
			k.barrier, k.since = true, 2*last.Call.Seq
		}
		add(o.Key, k, o.Value)
	}
}

func (b *keyBuilder) returned(o *Operation) {
	if o.Outcome == OK {
		b.last[processID{o.Client, o.Process}] = o
	}
}

func (k *keyBuild) value(id string) int32 {
	n := intern(k.number, &k.h.values, id)
	if int(n) == len(k.h.shared) {
		k.h.shared = append(k.h.shared, strings.HasPrefix(id, "~"))
	}
	return n
}
