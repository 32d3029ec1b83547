package kvstore

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
)

// recent remembers which records were applied last, and whose they were. I20: by it
// a write tells its own record from another one at the same offset, for example in a
// log that has lost its tail since.
type recent struct {
	// own has the producer ids that this client had last, nil before the first
	// one. From then on other clients' records are not kept.
	own atomic.Pointer[owners]

	mu   sync.Mutex
	ring []seen // by offset, from next on and around; grows up to recentRecords
	next int    // the oldest one, which makes room for the next once the ring is full
}

// owners are producer ids, the last one first. A client takes a new one with each
// leader, and then has to tell the writes that it made before.
type owners [4]int64

// has reports whether id is one of them.
func (o *owners) has(id int64) bool { return slices.Contains(o[:], id) }

// mine makes records of a producer id count as this client's.
func (r *recent) mine(id int64) {
	next := owners{id, nobody, nobody, nobody}
	if last := r.own.Load(); last != nil {
		copy(next[1:], last[:])
	}
	r.own.Store(&next)
}

type seen struct {
	offset   int64
	producer int64
}

// recentRecords is how many records are remembered. Once the producer's id is
// known they are its own, and one batch of writes has no more than maxGroup; of a
// larger batch the last record is what counts.
const recentRecords = maxGroup

// reset forgets everything.
func (r *recent) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ring, r.next = r.ring[:0], 0
}

// add remembers records that are about to become visible.
func (r *recent) add(records []seen) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range records {
		if len(r.ring) < recentRecords {
			r.ring = append(r.ring, s)
			continue
		}
		r.ring[r.next] = s
		r.next = (r.next + 1) % recentRecords
	}
}

// has reports whether the record at offset was applied and was the producer's.
func (r *recent) has(offset, producer int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	// Behind the oldest of a full ring come those that have taken the place of older ones.
	for _, part := range [][]seen{r.ring[:r.next], r.ring[r.next:]} {
		i, found := slices.BinarySearchFunc(part, offset, func(s seen, offset int64) int { return cmp.Compare(s.offset, offset) })
		if found {
			return part[i].producer == producer
		}
	}
	return false
}
