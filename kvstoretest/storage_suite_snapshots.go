package kvstoretest

import (
	"context"
	"errors"
	"fmt"

	"github.com/kvsim/kvsim/kvstore"
)

// snapshotNeverChanges takes a snapshot, writes in every way there is, and looks
// at the snapshot after each. Then it writes from within a range.
func snapshotNeverChanges(p *storageProbe, r kvstore.RecordStorage) {
	ctx := context.Background()
	want := []kvstore.Record{setRecord("a", "1", 0, aTime), setRecord("b", "1", 1, aTime), setRecord("c", "1", 2, aTime)}
	p.records(r, want...)
	s := p.snapshot(r)
	for i, write := range []func() error{
		func() error { return r.Set(ctx, []byte("a"), []byte("2")) },
		func() error { return r.Delete(ctx, []byte("b")) },
		func() error {
			return r.ApplyBatch(ctx, []kvstore.KeyValue{putItem("a", "3"), putItem("aa", "1"), removeItem("c")})
		},
		func() error {
			return r.ApplyRecords(ctx, []kvstore.Record{setRecord("b", "4", 9, aTime), deleteRecord("a", 10)})
		},
	} {
		p.must(fmt.Sprintf("write %d", i), write())
		p.wantEntries(fmt.Sprintf("snapshot after write %d", i), s, want...)
		p.wantNoEntry("snapshot", s, "aa")
	}

	s = p.snapshot(r) // holds aa and b
	var seen []string
	for e, err := range s.Range(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
		if err != nil {
			p.errorf("snapshot.Range yields %v, want no error", err)
			break
		}
		seen = append(seen, string(e.Key), string(e.Value))
		p.records(r, setRecord("b", "written inside", 20, aTime), setRecord("bb", "written inside", 21, aTime))
	}
	p.wantPairs("snapshot.Range with writes inside", seen, []string{"aa", "1", "b", "4"})
	p.wantGet("b", "written inside")
}

func snapshotRange(p *storageProbe, r kvstore.RecordStorage) {
	var records []kvstore.Record
	for i := len(edgeKeys) - 1; i >= 0; i-- {
		records = append(records, setRecord(edgeKeys[i], valueOf(edgeKeys[i]), int64(i), aTime))
	}
	p.records(r, records...)
	s := p.snapshot(r)
	constraints := append(edgeConstraints(),
		kvstore.KeyConstraint{Start: []byte{}},
		kvstore.KeyConstraint{End: []byte{}},
		kvstore.Prefix("ab"), kvstore.Prefix("\xff"), kvstore.Prefix(""))
	for _, c := range constraints {
		for _, limit := range []int{-1, 0, 1, 3, 1000} {
			got := flatten(p, "snapshot.Range", s.Range(context.Background(), c, kvstore.QueryOptions{Limit: limit}), entryPairOf)
			p.wantPairs(fmt.Sprintf("snapshot.Range(%s, limit %d)", bounds(c), limit), got, within(edgeKeys, c, limit))
		}
	}
}

// snapshotRangeStops ends the context inside the loop. How soon the range sees it
// is the storage's affair, but 10,000 entries later is too late.
func snapshotRangeStops(p *storageProbe, r kvstore.RecordStorage) {
	const size = 10_000
	records := make([]kvstore.Record, size)
	for i := range records {
		records[i] = setRecord(fmt.Sprintf("%05d", i), "v", int64(i), aTime)
	}
	p.records(r, records...)

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	good := 0
	var last error
	for _, err := range p.snapshot(r).Range(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
		if last != nil {
			p.errorf("snapshot.Range goes on behind its error")
			break
		}
		if last = err; err == nil {
			good++
		}
		cancel()
	}
	if !errors.Is(last, context.Canceled) || good == size {
		p.errorf("snapshot.Range yields %d of %d entries and %v after its context ended, want fewer and %v",
			good, size, last, context.Canceled)
	}
}

func snapshotEnded(p *storageProbe, r kvstore.RecordStorage) {
	p.records(r, setRecord("k", "1", 0, aTime))
	s := p.snapshot(r)
	for _, ctx := range endedContexts() {
		_, err := s.GetEntry(ctx, []byte("k"))
		p.wantEnded(ctx, "snapshot.GetEntry", err)
		wantRangeEnded(ctx, p, "snapshot.Range", s.Range(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}))
	}
}

func resetEmpties(p *storageProbe, r kvstore.RecordStorage) {
	p.must("Reset", r.Reset(context.Background()))
	p.wantContent()
	p.records(r, setRecord("a", "1", 0, aTime), setRecord("b", "1", 1, aTime))
	p.set("c", "1")
	p.must("Reset", r.Reset(context.Background()))
	p.wantContent()
	p.wantMissing("a")
	p.wantEntries("snapshot", p.snapshot(r))
	p.records(r, setRecord("a", "2", 0, aTime))
	p.wantEntries("snapshot", p.snapshot(r), setRecord("a", "2", 0, aTime))
	p.wantContent("a", "2")
}

func resetLeavesSnapshots(p *storageProbe, r kvstore.RecordStorage) {
	want := []kvstore.Record{setRecord("a", "1", 0, aTime), setRecord("b", "1", 1, aTime)}
	p.records(r, want...)
	s := p.snapshot(r)
	p.must("Reset", r.Reset(context.Background()))
	p.wantEntries("snapshot after Reset", s, want...)
	p.records(r, setRecord("a", "2", 5, aTime), setRecord("c", "2", 6, aTime))
	p.wantEntries("snapshot after Reset and a write", s, want...)
}

func resetEnded(p *storageProbe, r kvstore.RecordStorage) {
	p.records(r, setRecord("k", "1", 0, aTime))
	for _, ctx := range endedContexts() {
		p.wantEnded(ctx, "Reset", r.Reset(ctx))
	}
	p.wantEntries("snapshot", p.snapshot(r), setRecord("k", "1", 0, aTime))
}
