package kvstore

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore/internal/position"
)

// convert extracts what the client needs from what a fetch decoded into the room, and
// releases kgo's records. own are the producer ids of this client, nil if not known.
func (r *room) convert(f *fetched, own *position.Owners) {
	f.sources = sources(f.records, own)
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
			Revision: k.Offset, TimeMillis: k.Timestamp.UnixMilli(),
		})
	}
	f.changes, f.records = r.changes, nil
	for _, slab := range r.slabs[:r.used] {
		clear(slab) // they reference the fetch's buffer
	}
	r.used = 0
}

// sources returns the last records of a fetch that may be this client's, in
// their order.
func sources(records []*kgo.Record, own *position.Owners) []position.Source {
	var out []position.Source
	for _, r := range slices.Backward(records) {
		if len(out) == recentRecords {
			break
		}
		if own == nil || own.Has(r.ProducerID) {
			out = append(out, position.Source{Offset: r.Offset, Producer: r.ProducerID})
		}
	}
	slices.Reverse(out)
	return out
}
