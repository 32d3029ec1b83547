package position

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
)

// Recent remembers the last records that were applied, and the record batches that they came in.
// I20: this is how a write distinguishes its own record from another one at the same offset, for
// example in a log that has lost its tail since.
type Recent struct {
	// own has the producer ids that this client had last, nil before the first
	// one. From then on other clients' records are not kept.
	own atomic.Pointer[Owners]

	mu   sync.Mutex
	most int
	ring []Source // ordered by offset, starting at next and wrapping around; grows up to most
	next int      // the oldest one, which makes room for the next once the ring is full
}

// Owners are producer ids, the last one first. A client takes a new one with each leader,
// and still has to recognise the writes that it made before.
type Owners [4]int64

// Has reports whether id is one of them.
func (o *Owners) Has(id int64) bool { return slices.Contains(o[:], id) }

// Mine makes records of a producer id count as this client's.
func (r *Recent) Mine(id int64) {
	next := Owners{id, Nobody, Nobody, Nobody}
	if last := r.own.Load(); last != nil {
		copy(next[1:], last[:])
	}
	r.own.Store(&next)
}

// Source is the offset of a record, and the record batch that it came in.
type Source struct {
	Offset int64
	Batch  Batch
}

// Batch distinguishes the record batches of all producers that have an id: none of them gives two
// batches of an epoch the same sequence number. The id alone does not distinguish a batch from one
// of the same client that had its offset before the log lost its tail.
type Batch struct {
	Producer int64 // its id, below 0 for none
	Epoch    int16 // of the producer
	Sequence int32 // of its first record
}

// Nobody is the id of no producer; -1 is that of a producer that has none.
const Nobody = -2

// NewRecent returns one that remembers the last most records, which has to be above 0.
func NewRecent(most int) *Recent { return &Recent{most: most} }

// Owners returns the producer ids that are this client's, nil while none is known. They
// must not be changed.
func (r *Recent) Owners() *Owners { return r.own.Load() }

// Reset forgets everything.
func (r *Recent) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ring, r.next = r.ring[:0], 0
}

// Add remembers records that are about to become visible: in offset order, and after those
// of earlier calls.
func (r *Recent) Add(records []Source) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range records {
		if invariant.On {
			r.check(s)
		}
		if len(r.ring) < r.most {
			r.ring = append(r.ring, s)
			continue
		}
		r.ring[r.next] = s
		r.next = (r.next + 1) % r.most
	}
}

// Has reports whether the record at offset was applied and came in the batch.
func (r *Recent) Has(offset int64, batch Batch) bool {
	if batch.Producer < 0 {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	// In a full ring, the records before the oldest one have replaced older ones.
	for _, part := range [][]Source{r.ring[:r.next], r.ring[r.next:]} {
		i, found := slices.BinarySearchFunc(part, offset, func(s Source, offset int64) int { return cmp.Compare(s.Offset, offset) })
		if found {
			return part[i].Batch == batch
		}
	}
	return false
}

// Came reports whether any record of the batch was applied.
func (r *Recent) Came(batch Batch) bool {
	if batch.Producer < 0 {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.ring, func(s Source) bool { return s.Batch == batch })
}
