package kvstore

import "github.com/twmb/franz-go/pkg/kgo"

// room is the memory for the records of one fetch, reused by later ones: otherwise reading
// a long log would leave all of it to the garbage collector. One fetch at a time uses it.
type room struct {
	changes []Record
	slabs   [][]kgo.Record
	used    int // of slabs
}

var _ kgo.PoolRecords = (*room)(nil)

// GetRecords is called by kgo for each record batch that it decodes.
func (r *room) GetRecords(n int) []kgo.Record {
	if r.used == len(r.slabs) {
		r.slabs = append(r.slabs, nil)
	}
	slab := &r.slabs[r.used]
	r.used++
	if cap(*slab) < n {
		*slab = make([]kgo.Record, n)
	}
	*slab = (*slab)[:n]
	return *slab
}

// PutRecords is called by kgo for a batch of which it keeps nothing. convert takes
// everything back.
func (r *room) PutRecords([]kgo.Record) {}

// size returns how many records there is room for.
func (r *room) size() int {
	n := cap(r.changes)
	for _, slab := range r.slabs {
		n += cap(slab)
	}
	return n
}

// takeRoom returns a room that nobody uses.
func (t *tail) takeRoom() *room {
	if n := len(t.rooms); n > 0 {
		r := t.rooms[n-1]
		t.rooms = t.rooms[:n-1]
		return r
	}
	return &room{}
}

// giveRoom takes back a room whose records are not needed any more. Large ones are kept
// only while a log is read from its start.
func (t *tail) giveRoom(r *room) {
	clear(r.changes)
	if t.rebuild != nil || r.size() <= recentRecords {
		t.rooms = append(t.rooms, r)
	}
}
