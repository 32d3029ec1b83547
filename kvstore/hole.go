package kvstore

import (
	"errors"
	"time"
)

// hole is a row of answers without any batch to fetches from one position, although the
// leader says that all is decided up to an offset behind it.
//
// A broker answers with one batch at least if there is one (KIP-74). So nothing is there
// any more: compaction has removed the last batches of a segment that is closed, a
// tombstone or the marker of a transaction, and the one that follows it is empty yet. Who
// waits for a batch waits until somebody writes.
//
// One answer proves nothing: a broker gives such ones while it does not know its own log
// well, and a client that steps over records is no longer at a prefix of the log. So it
// has to be said again and again over some time by one leader, to a client that nothing
// kept from hearing it.
type hole struct {
	by    leader
	at    int64     // the position
	upTo  int64     // the least offset up to which all was said to be decided
	since time.Time // of the first answer
	count int
}

const (
	holeAnswers  = 3
	holePatience = 5 * time.Second
)

// add takes in an answer, and reports whether the hole is believed.
func (h *hole) add(by leader, at int64, f *fetched) bool {
	if f.slow != nil || f.start > at { // a quota was used up, or the log begins behind
		*h = hole{}
		return false
	}
	if h.count == 0 || h.by != by || h.at != at {
		*h = hole{by: by, at: at, upTo: f.stable, since: f.got}
	}
	h.upTo = min(h.upTo, f.stable)
	h.count++
	return h.count >= holeAnswers && elapsed(h.since, f.got) >= holePatience
}

// overHole makes a fetch that brought nothing lead behind the hole that it found, once it
// is believed. It reports whether it does.
//
// The leader epoch of what was there is not known: that of the batch before would look
// like that of a tail which was lost.
func (t *tail) overHole(f *fetched, err error) bool {
	if !errors.Is(err, errNothing) {
		t.hole = hole{}
		return false
	}
	if !t.hole.add(t.checked, t.pos, f) {
		return false
	}
	f.next, f.epoch = t.hole.upTo, -1
	t.hole = hole{}
	return true
}
