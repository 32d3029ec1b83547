package kvstore

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore/internal/position"
)

// convert extracts what the client needs from what a fetch decoded into the room, and
// releases kgo's records. own are the producer ids of this client, nil if not known.
func (r *room) convert(f *fetched, own *position.Owners) {
	f.sources = sources(f.records, f.raw, own)
	f.raw = nil
	r.changes = slices.Grow(r.changes[:0], len(f.records))
	for _, k := range f.records {
		if k.Attrs.IsControl() {
			continue
		}
		if len(k.Key) == 0 {
			f.skipped++
			continue
		}
		r.changes = append(r.changes, Record{
			Key: k.Key, Value: k.Value, Delete: k.Value == nil,
			Revision: k.Offset, TimeMillis: millisOf(k.Timestamp),
		})
	}
	f.changes, f.records = r.changes, nil
	for _, slab := range r.slabs[:r.used] {
		clear(slab) // they reference the fetch's buffer
	}
	r.used = 0
}

// sources returns the last records of a fetch that may be this client's, in
// their order. raw has the batches that they came in.
func sources(records []*kgo.Record, raw []byte, own *position.Owners) []position.Source {
	mine := func(producer int64) bool { return producer >= 0 && (own == nil || own.Has(producer)) }
	var batches []span // that may be this client's
	for s := range spans(raw) {
		if raw := s.raw; raw[headerMagic] == 2 && mine(sentBy(raw).id) {
			batches = append(batches, s)
		}
	}
	var out []position.Source
	for _, r := range slices.Backward(records) {
		if len(out) == recentRecords || len(batches) == 0 {
			break
		}
		if !mine(r.ProducerID) {
			continue
		}
		for len(batches) > 1 && batches[len(batches)-1].first > r.Offset {
			batches = batches[:len(batches)-1]
		}
		out = append(out, position.Source{Offset: r.Offset, Batch: sentBy(batches[len(batches)-1].raw).batch()})
	}
	slices.Reverse(out)
	return out
}
