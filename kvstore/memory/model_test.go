package memory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kvsim/kvsim/kvstore"
)

// model is what a storage should hold.
type model map[string]modelValue

type modelValue struct {
	value    string
	revision int64
	time     time.Time
}

// scanOf returns what a range should yield.
func (m model) scanOf(c kvstore.KeyConstraint, limit int) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if c.Contains([]byte(k)) && (limit <= 0 || len(out) < limit) {
			out = append(out, m[k].String(k))
		}
	}
	return out
}

func (v modelValue) String(key string) string {
	return fmt.Sprintf("%q = %q at %d, %v", key, v.value, v.revision, v.time)
}

// kept is a snapshot with the model of its time.
type kept struct {
	snapshot kvstore.Snapshot
	model    model
}

// machine runs the storage and the model side by side.
type machine struct {
	storage  *Storage
	model    model
	kept     []kept
	revision int64
}

// TestStorageFollowsModel compares the storage with a sorted map under random
// operations, snapshots taken on the way included.
func TestStorageFollowsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{storage: open(drawOptions(t)), model: model{}}
		t.Repeat(map[string]func(*rapid.T){
			"set":          m.set,
			"delete":       m.delete,
			"applyBatch":   m.applyBatch,
			"applyRecords": m.applyRecords,
			"applyRun":     m.applyRun,
			"deleteRun":    m.deleteRun,
			"snapshot":     m.snapshot,
			"get":          m.get,
			"range":        m.scan,
			"reset":        m.reset,
			"":             m.check,
		})
	})
}

// drawOptions returns those of New, or those that have waste cleaned away at once.
func drawOptions(t *rapid.T) options {
	o := usual
	if rapid.Bool().Draw(t, "tidy") {
		o.slack = 0
	}
	return o
}

var (
	// anyKey draws keys that are often neighbours: prefixes of each other,
	// trailing zeros, 0xff, and keys of the runs.
	anyKey = rapid.OneOf(
		rapid.SliceOfN(rapid.SampledFrom([]byte{0x00, 0x01, 'a', 'b', 0xfe, 0xff}), 0, 4),
		rapid.Custom(func(t *rapid.T) []byte { return runKey(rapid.IntRange(0, 3000).Draw(t, "n")) }),
		rapid.SliceOfN(rapid.Byte(), 0, 24),
	)
	anyValue = rapid.SliceOfN(rapid.Byte(), 0, 10)
)

func runKey(n int) []byte {
	return fmt.Appendf(nil, "long shared prefix/%05d", n)
}

func (m *machine) set(t *rapid.T) {
	key, value := anyKey.Draw(t, "key"), anyValue.Draw(t, "value")
	noError(t, m.storage.Set(context.Background(), key, value))
	m.model[string(key)] = modelValue{value: string(value), revision: -1}
}

func (m *machine) delete(t *rapid.T) {
	key := anyKey.Draw(t, "key")
	noError(t, m.storage.Delete(context.Background(), key))
	delete(m.model, string(key))
}

func (m *machine) applyBatch(t *rapid.T) {
	var items []kvstore.KeyValue
	for range rapid.IntRange(0, 20).Draw(t, "items") {
		kv := kvstore.KeyValue{Key: anyKey.Draw(t, "key")}
		if rapid.Bool().Draw(t, "set") {
			kv.Value = anyValue.Draw(t, "value")
			m.model[string(kv.Key)] = modelValue{value: string(kv.Value), revision: -1}
		} else {
			delete(m.model, string(kv.Key))
		}
		items = append(items, kv)
	}
	noError(t, m.storage.ApplyBatch(context.Background(), items))
}

// applyRecords overwrites the record's slices afterwards, as a fetch buffer is.
func (m *machine) applyRecords(t *rapid.T) {
	var records []kvstore.Record
	for range rapid.IntRange(0, 20).Draw(t, "records") {
		if rapid.IntRange(0, 2).Draw(t, "kind") == 0 {
			records = append(records, m.record(anyKey.Draw(t, "key"), nil))
		} else {
			records = append(records, m.record(anyKey.Draw(t, "key"), anyValue.Draw(t, "value")))
		}
	}
	noError(t, m.storage.ApplyRecords(context.Background(), records))
	for _, r := range records {
		clear(r.Key)
		clear(r.Value)
	}
}

// record makes the next record and applies it to the model. A nil value deletes.
func (m *machine) record(key, value []byte) kvstore.Record {
	m.revision++
	r := kvstore.Record{
		Key: slices.Clone(key), Value: value, Delete: value == nil,
		Revision: m.revision, TimeMillis: 1_000 * m.revision,
	}
	if r.Delete {
		delete(m.model, string(key))
	} else {
		m.model[string(key)] = modelValue{string(value), r.Revision, time.UnixMilli(r.TimeMillis).UTC()}
	}
	return r
}

// applyRun writes many neighbours, so that nodes divide.
func (m *machine) applyRun(t *rapid.T) {
	from, step := rapid.IntRange(0, 2500).Draw(t, "from"), rapid.IntRange(-3, 3).Draw(t, "step")
	var records []kvstore.Record
	for i := range rapid.IntRange(0, 600).Draw(t, "count") {
		records = append(records, m.record(runKey(max(0, from+i*step)), fmt.Append(nil, i)))
	}
	noError(t, m.storage.ApplyRecords(context.Background(), records))
}

// deleteRun deletes many neighbours, so that nodes are merged.
func (m *machine) deleteRun(t *rapid.T) {
	from := rapid.IntRange(0, 3000).Draw(t, "from")
	var items []kvstore.KeyValue
	for i := range rapid.IntRange(0, 1000).Draw(t, "count") {
		items = append(items, kvstore.KeyValue{Key: runKey(from + i)})
		delete(m.model, string(runKey(from+i)))
	}
	noError(t, m.storage.ApplyBatch(context.Background(), items))
}

func (m *machine) snapshot(t *rapid.T) {
	s, err := m.storage.Snapshot(context.Background())
	noError(t, err)
	m.kept = append(m.kept, kept{s, maps.Clone(m.model)})
	if len(m.kept) > 4 {
		m.kept = m.kept[1:]
	}
}

func (m *machine) reset(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "really") > 0 {
		t.Skip("seldom")
	}
	noError(t, m.storage.Reset(context.Background()))
	m.model = model{}
}

func (m *machine) get(t *rapid.T) {
	key := anyKey.Draw(t, "key")
	want, there := m.model[string(key)]
	value, err := m.storage.Get(context.Background(), key)
	entry, err2 := m.storage.GetEntry(context.Background(), key)
	if !there {
		if !errors.Is(err, kvstore.ErrNotFound) || !errors.Is(err2, kvstore.ErrNotFound) {
			t.Fatalf("Get(%q) = %v, GetEntry = %v, want %v", key, err, err2, kvstore.ErrNotFound)
		}
		return
	}
	if err != nil || err2 != nil || value == nil || string(value) != want.value {
		t.Fatalf("Get(%q) = %q, %v, %v, want %q", key, value, err, err2, want.value)
	}
	if got := describe(entry); got != want.String(string(key)) {
		t.Fatalf("GetEntry(%q) = %s, want %s", key, got, want.String(string(key)))
	}
}

// scan ranges over the storage and over every kept snapshot.
func (m *machine) scan(t *rapid.T) {
	c := kvstore.KeyConstraint{}
	if rapid.Bool().Draw(t, "has start") {
		c.Start = anyKey.Draw(t, "start")
	}
	if rapid.Bool().Draw(t, "has end") {
		c.End = anyKey.Draw(t, "end")
	}
	limit := rapid.SampledFrom([]int{-1, 0, 1, 2, 63, 64, 10_000}).Draw(t, "limit")
	opts := kvstore.QueryOptions{Limit: limit}
	for _, k := range m.kept {
		same(t, collect(t, k.snapshot, c, opts), k.model.scanOf(c, limit))
	}
	var got []string
	for kv, err := range m.storage.Range(context.Background(), c, opts) {
		noError(t, err)
		got = append(got, m.model[string(kv.Key)].String(string(kv.Key)))
		if want := m.model[string(kv.Key)].value; string(kv.Value) != want {
			t.Fatalf("Range yields %q = %q, want %q", kv.Key, kv.Value, want)
		}
	}
	same(t, got, m.model.scanOf(c, limit))
}

// check runs after every step, and most often does nothing: to look at the tree brings
// it up to date, or builds it.
func (m *machine) check(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "look") > 0 {
		return
	}
	noError(t, checkIndex(m.storage))
	same(t, collect(t, view{m.storage.latest()}, kvstore.KeyConstraint{}, kvstore.QueryOptions{}),
		m.model.scanOf(kvstore.KeyConstraint{}, 0))
}

func collect(t *rapid.T, s kvstore.Snapshot, c kvstore.KeyConstraint, opts kvstore.QueryOptions) []string {
	var out []string
	for e, err := range s.Range(context.Background(), c, opts) {
		noError(t, err)
		out = append(out, describe(e))
	}
	return out
}

func describe(e kvstore.Entry) string {
	return modelValue{string(e.Value), e.Revision, e.Time}.String(string(e.Key))
}

func same(t *rapid.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("range yields %d entries, want %d\ngot  %v\nwant %v", len(got), len(want), got, want)
	}
}

func noError(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
