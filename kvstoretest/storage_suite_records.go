package kvstoretest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kvsim/kvsim/kvstore"
)

// aTime is a time in milliseconds that has some.
const aTime = 1_750_000_000_123

func setRecord(key, value string, revision, millis int64) kvstore.Record {
	return kvstore.Record{Key: []byte(key), Value: []byte(value), Revision: revision, TimeMillis: millis}
}

func deleteRecord(key string, revision int64) kvstore.Record {
	return kvstore.Record{Key: []byte(key), Delete: true, Revision: revision, TimeMillis: aTime}
}

func (p *storageProbe) records(r kvstore.RecordStorage, records ...kvstore.Record) {
	p.must(fmt.Sprintf("ApplyRecords(%d records)", len(records)), r.ApplyRecords(context.Background(), records))
}

func (p *storageProbe) snapshot(r kvstore.RecordStorage) kvstore.Snapshot {
	s, err := r.Snapshot(context.Background())
	if err != nil || s == nil {
		p.fatalf("Snapshot = %v, %v, want a snapshot", s, err)
	}
	return s
}

// entryGetter is what a storage and its snapshots have in common.
type entryGetter interface {
	GetEntry(ctx context.Context, key []byte) (kvstore.Entry, error)
}

// wantEntry wants GetEntry to give exactly this record.
func (p *storageProbe) wantEntry(where string, g entryGetter, want kvstore.Record) {
	e, err := g.GetEntry(context.Background(), want.Key)
	if err != nil {
		p.errorf("%s.GetEntry(%q) = %v, want %s", where, want.Key, err, entryString(wanted(want)))
		return
	}
	p.compareEntry(where+".GetEntry", e, want)
}

func (p *storageProbe) compareEntry(call string, e kvstore.Entry, want kvstore.Record) {
	if got, want := entryString(e), entryString(wanted(want)); got != want {
		p.errorf("%s gives %s, want %s", call, got, want)
	}
}

func wanted(r kvstore.Record) kvstore.Entry {
	return kvstore.Entry{Key: r.Key, Value: r.Value, Revision: r.Revision, Time: time.UnixMilli(r.TimeMillis)}
}

func entryString(e kvstore.Entry) string {
	return fmt.Sprintf("%q = %s at revision %d, time %d ms",
		e.Key, quote(string(e.Value)), e.Revision, e.Time.UnixMilli())
}

func (p *storageProbe) wantNoEntry(where string, g entryGetter, key string) {
	if e, err := g.GetEntry(context.Background(), []byte(key)); !errors.Is(err, kvstore.ErrNotFound) {
		p.errorf("%s.GetEntry(%q) = %s, %v, want an error that is kvstore.ErrNotFound", where, key, entryString(e), err)
	}
}

// wantEntries wants a snapshot to hold exactly these records, in this order.
func (p *storageProbe) wantEntries(where string, s kvstore.Snapshot, want ...kvstore.Record) {
	i := 0
	for e, err := range s.Range(context.Background(), kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
		if err != nil || i >= len(want) {
			p.errorf("%s.Range yields %s, %v behind %d entries, want %d", where, entryString(e), err, i, len(want))
			return
		}
		p.compareEntry(where+".Range", e, want[i])
		i++
	}
	if i != len(want) {
		p.errorf("%s.Range yields %d entries, want %d", where, i, len(want))
	}
	for _, r := range want {
		p.wantEntry(where, s, r)
	}
}

func recordsKept(p *storageProbe, r kvstore.RecordStorage) {
	want := []kvstore.Record{
		setRecord("a", "zero", 0, 0),
		setRecord("b", "one", 1, aTime),
		setRecord("c", "a large offset", 1<<40+1, aTime+1),
		setRecord("d", "an old time", 7, -1),
	}
	p.records(r, want...)
	for _, record := range want {
		p.wantEntry("storage", r, record)
	}
	p.wantEntries("snapshot", p.snapshot(r), want...)
	want[1] = setRecord("b", "one", 1<<40+2, aTime+5) // the same value, written again
	p.records(r, want[1])
	p.wantEntry("storage", r, want[1])
	p.wantEntries("snapshot", p.snapshot(r), want...)
}

func recordsOrder(p *storageProbe, r kvstore.RecordStorage) {
	p.records(r, setRecord("gone", "1", 0, aTime), setRecord("old", "1", 1, aTime))
	p.records(r,
		setRecord("a", "1", 2, aTime), setRecord("b", "1", 3, aTime), setRecord("a", "2", 4, aTime+1),
		setRecord("c", "1", 5, aTime), deleteRecord("c", 6),
		deleteRecord("gone", 7), setRecord("gone", "back", 8, aTime+2),
		deleteRecord("never there", 9),
	)
	p.wantNoEntry("storage", r, "c")
	p.wantEntries("snapshot", p.snapshot(r), setRecord("a", "2", 4, aTime+1), setRecord("b", "1", 3, aTime),
		setRecord("gone", "back", 8, aTime+2), setRecord("old", "1", 1, aTime))
}

func recordsEmptyValue(p *storageProbe, r kvstore.RecordStorage) {
	p.records(r, setRecord("empty", "", 0, aTime), setRecord("full", "1", 1, aTime))
	p.wantEntries("snapshot", p.snapshot(r), setRecord("empty", "", 0, aTime), setRecord("full", "1", 1, aTime))
	p.wantContent("empty", "", "full", "1")
}

func recordsShow(p *storageProbe, r kvstore.RecordStorage) {
	p.records(r, setRecord("a", "1", 0, aTime), setRecord("b", "1", 1, aTime), setRecord("c", "1", 2, aTime))
	p.wantContent("a", "1", "b", "1", "c", "1")
	p.records(r, deleteRecord("b", 3), setRecord("a", "2", 4, aTime))
	p.wantMissing("b")
	p.wantContent("a", "2", "c", "1")
}

// recordsCopied writes over the records' slices, as the next fetch does.
func recordsCopied(p *storageProbe, r kvstore.RecordStorage) {
	records := []kvstore.Record{setRecord("a", "1", 0, aTime), setRecord("b", "2", 1, aTime)}
	p.records(r, records...)
	for i := range records {
		records[i].Key[0], records[i].Value[0] = 'x', 'x'
	}
	p.wantEntries("snapshot", p.snapshot(r), setRecord("a", "1", 0, aTime), setRecord("b", "2", 1, aTime))
	p.wantContent("a", "1", "b", "2")
}

func recordsRepeatable(p *storageProbe, r kvstore.RecordStorage) {
	p.records(r, setRecord("x", "1", 0, aTime), setRecord("y", "1", 1, aTime))
	for range 3 {
		p.records(r, setRecord("a", "1", 2, aTime), deleteRecord("x", 3), setRecord("a", "2", 4, aTime), setRecord("b", "1", 5, aTime), deleteRecord("b", 6))
		p.wantEntries("snapshot", p.snapshot(r), setRecord("a", "2", 4, aTime), setRecord("y", "1", 1, aTime))
	}
}

func recordsEnded(p *storageProbe, r kvstore.RecordStorage) {
	p.records(r, setRecord("k", "1", 0, aTime))
	for _, ctx := range endedContexts() {
		p.wantEnded(ctx, "ApplyRecords", r.ApplyRecords(ctx, []kvstore.Record{
			setRecord("k", "2", 1, aTime), setRecord("new", "1", 2, aTime), deleteRecord("k", 3),
		}))
	}
	p.wantEntries("snapshot", p.snapshot(r), setRecord("k", "1", 0, aTime))
}

func entryMissing(p *storageProbe, r kvstore.RecordStorage) {
	p.wantNoEntry("storage", r, "a")
	p.wantNoEntry("snapshot", p.snapshot(r), "a")
	p.records(r, setRecord("b", "1", 0, aTime))
	for _, key := range []string{"a", "b\x00", "c"} {
		p.wantNoEntry("storage", r, key)
		p.wantNoEntry("snapshot", p.snapshot(r), key)
	}
}

func entryEnded(p *storageProbe, r kvstore.RecordStorage) {
	p.records(r, setRecord("k", "1", 0, aTime))
	for _, ctx := range endedContexts() {
		_, err := r.GetEntry(ctx, []byte("k"))
		p.wantEnded(ctx, "GetEntry", err)
		_, err = r.Snapshot(ctx)
		p.wantEnded(ctx, "Snapshot", err)
	}
}
