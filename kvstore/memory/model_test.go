package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
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

// kept has snapshots of one moment, with the model of that time.
type kept struct {
	snapshots []kvstore.Snapshot
	model     model
}

// machine runs storages and the model side by side. All of them do the same, and each
// answer is compared with the model and with those of the others.
type machine struct {
	storages []*Storage
	model    model
	kept     []kept
	revision int64
}

func newMachine(all ...options) *machine {
	m := &machine{model: model{}}
	for _, o := range all {
		m.storages = append(m.storages, open(o))
	}
	return m
}

// each has all storages do the same.
func (m *machine) each(t *rapid.T, do func(s *Storage) error) {
	t.Helper()
	for _, s := range m.storages {
		if err := do(s); err != nil {
			t.Fatalf("%v: %v", s.options, err)
		}
	}
}

// agree fails unless all storages give the same answer, which it returns.
func agree[T any](t *rapid.T, m *machine, what string, ask func(i int, s *Storage) T) T {
	t.Helper()
	first := ask(0, m.storages[0])
	for i, s := range m.storages[1:] {
		if got := ask(i+1, s); !reflect.DeepEqual(got, first) {
			t.Fatalf("%s: with %+v it is %v, with %+v %v", what, m.storages[0].options, first, s.options, got)
		}
	}
	return first
}

func (m *machine) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"set":          m.set,
		"delete":       m.delete,
		"applyBatch":   m.applyBatch,
		"applyRecords": m.applyRecords,
		"applyRun":     m.applyRun,
		"deleteRun":    m.deleteRun,
		"inSteps":      m.inSteps,
		"snapshot":     m.snapshot,
		"get":          m.get,
		"range":        m.scan,
		"reset":        m.reset,
		"":             m.check,
	}
}

// TestStorageFollowsModel compares the storage with a sorted map under random
// operations, snapshots taken on the way included.
func TestStorageFollowsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		t.Repeat(newMachine(drawOptions(t)).actions())
	})
}

// TestStorageWithoutAStructureFollowsModel does so with storages that each lack one of the
// structures, or all of them, or some, side by side with one that has them.
func TestStorageWithoutAStructureFollowsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := []options{drawOptions(t), anyOptions.Draw(t, "others")}
		for _, l := range lacking {
			all = append(all, l.options())
		}
		t.Repeat(newMachine(all...).actions())
	})
}

// lacking has the options of storages that lack a structure.
var lacking = []lack{
	{"filling", func(o *options) { o.filling = false }},
	{"index", func(o *options) { o.index = false }},
	{"lag", func(o *options) { o.lag = false }},
	{"undo", func(o *options) { o.undo = false }},
	{"blocks", func(o *options) { o.blocks = false }},
	{"everything", func(o *options) { *o = options{slack: o.slack} }},
}

type lack struct {
	what string
	from func(o *options)
}

func (l lack) options() options {
	o := usual
	l.from(&o)
	return o
}

var anyOptions = rapid.Custom(func(t *rapid.T) options {
	is := func(what string) bool { return rapid.Bool().Draw(t, what) }
	o := options{0, is("filling"), is("index"), is("lag"), is("undo"), is("blocks")}
	if !is("tidy") {
		o.slack = usual.slack
	}
	return o
})

// drawOptions returns those of New, or those that have waste cleaned away immediately.
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
	m.each(t, func(s *Storage) error { return s.Set(context.Background(), key, value) })
	m.model[string(key)] = modelValue{value: string(value), revision: -1}
}

func (m *machine) delete(t *rapid.T) {
	key := anyKey.Draw(t, "key")
	m.each(t, func(s *Storage) error { return s.Delete(context.Background(), key) })
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
	m.each(t, func(s *Storage) error { return s.ApplyBatch(context.Background(), items) })
}

// applyRecords overwrites the record's slices afterwards, as a fetch buffer is.
func (m *machine) applyRecords(t *rapid.T) {
	records := m.records(t)
	m.each(t, func(s *Storage) error { return s.ApplyRecords(context.Background(), records) })
	for _, r := range records {
		clear(r.Key)
		clear(r.Value)
	}
}

// records makes some records and applies them to the model.
func (m *machine) records(t *rapid.T) (records []kvstore.Record) {
	for range rapid.IntRange(0, 20).Draw(t, "records") {
		if rapid.IntRange(0, 2).Draw(t, "kind") == 0 {
			records = append(records, m.record(anyKey.Draw(t, "key"), nil))
		} else {
			records = append(records, m.record(anyKey.Draw(t, "key"), anyValue.Draw(t, "value")))
		}
	}
	return records
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
	m.each(t, func(s *Storage) error { return s.ApplyRecords(context.Background(), records) })
}

// deleteRun deletes many neighbours, so that nodes are merged.
func (m *machine) deleteRun(t *rapid.T) {
	from := rapid.IntRange(0, 3000).Draw(t, "from")
	var items []kvstore.KeyValue
	for i := range rapid.IntRange(0, 1000).Draw(t, "count") {
		items = append(items, kvstore.KeyValue{Key: runKey(from + i)})
		delete(m.model, string(runKey(from+i)))
	}
	m.each(t, func(s *Storage) error { return s.ApplyBatch(context.Background(), items) })
}

func (m *machine) snapshot(t *rapid.T) {
	k := kept{model: maps.Clone(m.model)}
	m.each(t, func(s *Storage) error {
		snapshot, err := s.Snapshot(context.Background())
		k.snapshots = append(k.snapshots, snapshot)
		return err
	})
	m.kept = append(m.kept, k)
	if len(m.kept) > 4 {
		m.kept = m.kept[1:]
	}
}

// inSteps does a write step by step, as write does, and gets keys on the way, which show what was there
// before.
func (m *machine) inSteps(t *rapid.T) {
	before := maps.Clone(m.model)
	records := m.records(t)
	keys := rapid.SliceOfN(anyKey, 1, 3).Draw(t, "keys")
	for _, r := range records {
		keys = append(keys, r.Key)
	}
	for _, s := range m.storages {
		s.ask()
		log := s.newLog(len(records))
		w := writing{list: s.last != nil}
		s.begin(log)
		for i := range records {
			s.apply(&w, records[i:i+1], true, log)
			if s.options.index && !s.options.undo {
				continue // a Get would wait
			}
			for _, key := range keys {
				if got, want := getOf(s, key), before.get(key); got != want {
					t.Fatalf("%+v: Get(%q) in the midst of a write = %s, want what was there before: %s", s.options, key, got, want)
				}
			}
		}
		s.follow(&w)
		s.end()
	}
	for _, key := range keys {
		m.getKey(t, key)
	}
}

func (m *machine) reset(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "really") > 0 {
		t.Skip("seldom")
	}
	m.each(t, func(s *Storage) error { return s.Reset(context.Background()) })
	m.model = model{}
}

func (m *machine) get(t *rapid.T) { m.getKey(t, anyKey.Draw(t, "key")) }

// getKey gets a key of the storages and of every kept snapshot.
func (m *machine) getKey(t *rapid.T, key []byte) {
	got := agree(t, m, fmt.Sprintf("Get(%q)", key), func(_ int, s *Storage) string { return getOf(s, key) })
	if want := m.model.get(key); got != want {
		t.Fatalf("Get(%q) = %s, want %s", key, got, want)
	}
	for _, k := range m.kept {
		got := agree(t, m, fmt.Sprintf("Get(%q) of a snapshot", key), func(i int, _ *Storage) string {
			return answer(k.snapshots[i].GetEntry(context.Background(), key))
		})
		if want := k.model.get(key); got != want {
			t.Fatalf("GetEntry(%q) of a snapshot = %s, want %s", key, got, want)
		}
	}
}

// getOf returns what Get and GetEntry show of a key.
func getOf(s *Storage, key []byte) string {
	value, err := s.Get(context.Background(), key)
	entry, err2 := s.GetEntry(context.Background(), key)
	if !errors.Is(err, err2) || err == nil && (value == nil || !bytes.Equal(value, entry.Value)) {
		return fmt.Sprintf("%q, %v by Get and %q, %v by GetEntry", value, err, entry.Value, err2)
	}
	return answer(entry, err2)
}

func answer(e kvstore.Entry, err error) string {
	if errors.Is(err, kvstore.ErrNotFound) {
		return "not found"
	} else if err != nil {
		return err.Error()
	}
	return describe(e)
}

// get returns what a Get should show.
func (m model) get(key []byte) string {
	if want, there := m[string(key)]; there {
		return want.String(string(key))
	}
	return "not found"
}

// scan ranges over the storages and over every kept snapshot.
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
		same(t, agree(t, m, "a range of a snapshot", func(i int, _ *Storage) []string {
			return collect(t, k.snapshots[i], c, opts)
		}), k.model.scanOf(c, limit))
	}
	got := agree(t, m, "a range", func(_ int, s *Storage) []string {
		var got []string
		for kv, err := range s.Range(context.Background(), c, opts) {
			noError(t, err)
			got = append(got, m.model[string(kv.Key)].String(string(kv.Key)))
			if want := m.model[string(kv.Key)].value; string(kv.Value) != want {
				t.Fatalf("%+v: Range yields %q = %q, want %q", s.options, kv.Key, kv.Value, want)
			}
		}
		return got
	})
	same(t, got, m.model.scanOf(c, limit))
}

// check runs after every step, and most often does nothing: to look at the tree brings
// it up to date, or builds it.
func (m *machine) check(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "look") > 0 {
		return
	}
	m.checkNow(t)
}

func (m *machine) checkNow(t *rapid.T) {
	got := agree(t, m, "all keys", func(_ int, s *Storage) []string {
		noError(t, checkIndex(s))
		return collect(t, view{s.latest()}, kvstore.KeyConstraint{}, kvstore.QueryOptions{})
	})
	same(t, got, m.model.scanOf(kvstore.KeyConstraint{}, 0))
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
