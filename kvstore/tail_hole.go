package kvstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
)

// silence is a series of answers without any batch to fetches from one position, although
// the leader says that everything is decided up to an offset behind it.
//
// A broker returns at least one batch if there is one (KIP-74). So nothing is there any
// more: compaction has removed the last batches of a closed segment, a tombstone or the
// marker of a transaction, and the segment after it is still empty. A client that waits for
// a batch waits until the next write.
//
// Not every implementation of Kafka's protocol keeps to that: some answer nothing while
// memory is short or a remote storage is slow. So one leader has to say it again and again,
// for as long as anything else takes to be believed and with no longer break, while nothing
// limits the client's fetches. And it is believed for no more than necessary: see hole.
type silence struct {
	by    leader
	at    int64     // the position
	upTo  int64     // the lowest offset up to which everything was said to be decided
	since time.Time // of the first answer
	last  time.Time // of the last one
	count int

	// denied says that it is not to be believed, see recall.
	denied bool
}

// add counts an answer, and returns how long the series has lasted and whether it is to be
// believed. quiet is the longest break between two answers.
func (s *silence) add(by leader, at int64, f *fetched, after, quiet time.Duration) (lasts time.Duration, believed bool) {
	if f.slow != nil || f.start > at { // a quota was used up, or the log begins behind
		*s = silence{}
		return 0, false
	}
	if s.count == 0 || s.by != by || s.at != at || elapsed(s.last, f.got) > quiet {
		*s = silence{by: by, at: at, upTo: f.stable, since: f.got}
	}
	s.upTo = min(s.upTo, f.stable)
	s.last = f.got
	s.count++
	lasts = elapsed(s.since, f.got)
	return lasts, s.count >= leastRounds && lasts >= after
}

// hole is a range of offsets that the client believes to have no records. They count as
// read: for waiters, and in the position that the client shows.
//
// I10: but nothing behind them is shown before the leader has proved it, by answering a
// fetch from where the hole begins with a batch behind it. So a wrong belief makes a client
// late, but never makes it leave out records.
//
// Meanwhile the fetch that waits for something new asks for what is behind the hole,
// because brokers answer one at its start without waiting. Now and then the start is asked
// for, too.
type hole struct {
	at, upTo int64
	fresh    time.Time     // the freshness when the hole was believed
	due      time.Time     // when to ask at the start again
	rest     time.Duration // between two such questions
	look     bool          // there is something behind the hole, or in it
}

const (
	holeRest     = 5 * time.Second // until the start of a hole is asked for the first time
	holeRestMost = time.Minute
)

// later puts off asking at the hole's start, each time for longer.
func (h *hole) later(now time.Time) {
	h.rest = min(max(holeRest, 2*h.rest), holeRestMost)
	h.due, h.look = now.Add(h.rest), false
}

// reached returns the position that counts as read, and the leader epoch there. After a
// hole it is unknown: with the epoch of the batch before the hole it would look as if the
// tail had been lost.
func (t *tail) reached() (pos int64, epoch int32) {
	if h := t.hole; h != nil && h.at == t.pos {
		return h.upTo, -1
	}
	return t.pos, t.epoch
}

// next fetches what comes next: at the position, or behind a hole that begins there.
func (t *tail) next(ctx context.Context, limits fetchLimits) (fetched, error) {
	now := time.Now()
	if h := t.hole; h != nil && h.at == t.pos && !h.look && now.Before(h.due) {
		limits.wait = min(limits.wait, h.due.Sub(now))
		return t.watch(ctx, limits)
	}
	f, err := t.fetch(ctx, limits)
	err = t.silent(ctx, &f, err)
	return f, err
}

// watch waits for something behind the hole. What it finds is fetched again, from the
// hole's start.
func (t *tail) watch(ctx context.Context, limits fetchLimits) (fetched, error) {
	h := t.hole
	f, err := t.ask(ctx, t.checked, h.upTo, limits, t.takeRoom())
	if f.next > h.upTo || errors.Is(err, errNothing) || unreadable(err) {
		h.look, err = true, nil
	}
	f.next = t.pos
	return f, err
}

// silent handles a fetch at the position that brought nothing, and returns the error that
// remains.
func (t *tail) silent(ctx context.Context, f *fetched, err error) error {
	if !errors.Is(err, errNothing) {
		t.silence = silence{}
		if h := t.hole; err == nil && h != nil && h.at == t.pos && f.next == t.pos {
			h.later(f.got)
		}
		return err
	}
	after := t.part.goneAfter
	lasts, believed := t.silence.add(t.checked, t.pos, f, after, t.part.quiet()+t.waited)
	h := t.hole
	if h != nil && h.at == t.pos && f.stable <= h.upTo && !h.look {
		h.later(f.got)
		return nil
	}
	if !believed {
		return fmt.Errorf("%w (for %v now; that nothing is left there is believed after %v)", err, lasts.Round(time.Millisecond), after)
	}
	if err := t.recall(ctx, err); err != nil {
		return err
	}
	return t.believe(ctx, f, lasts)
}

// believe makes the offsets for which the leader answered without records a hole.
//
// That took time. If it took too much, what was read before is reread, and the belief
// stays: there is nothing new in the hole then either.
func (t *tail) believe(ctx context.Context, f *fetched, lasts time.Duration) error {
	whole, err := t.complete(ctx, *f)
	if err != nil {
		return err
	}
	if t.silence.upTo <= t.pos { // nothing is left of what had been read, and there is nothing more
		t.silence = silence{}
		return nil
	}
	h := t.hole
	if h == nil || h.at != t.pos {
		h = &hole{at: t.pos, upTo: t.pos, fresh: t.fresh.since}
	}
	h.upTo, h.rest = max(h.upTo, t.silence.upTo), 0
	h.later(f.got)
	t.hole, t.silence = h, silence{}
	if !whole {
		return nil
	}
	if invariant.On {
		t.checkFresh(f)
	}
	t.log.warn("kvstore: the leader answers without records at some offsets, which count as read from now on",
		fmt.Errorf("offsets %d to %d, for %v", h.at, h.upTo-1, lasts.Round(time.Millisecond)))
	if !t.rebuild.keeps() {
		pos, epoch := t.reached()
		t.track.Show(pos, epoch)
	}
	pos, _ := t.reached()
	t.advance(pos)
	return nil
}

// fill ends the hole at the position, because a fetch from there brought something. It
// returns the hole if it was not empty after all.
func (t *tail) fill(f *fetched) (wrong *hole) {
	h := t.hole
	if h == nil || h.at != t.pos {
		return nil
	}
	t.hole = nil
	if f.first >= h.upTo {
		return nil
	}
	// What was read is what had been read before the hole.
	t.fresh.begin(h.fresh)
	return h
}

// disproved reads on from the start of a hole that was not empty. What was shown is right,
// but less than the position said; so reads and waiters wait until the client has caught
// up.
func (t *tail) disproved(h *hole, f *fetched) {
	cause := fmt.Errorf("%w: offsets %d to %d counted as read, and there is a record batch at offset %d", ErrRecordsWithheld, h.at, h.upTo-1, f.first)
	if t.rebuild != nil { // reads wait anyway
		t.log.warn("kvstore: records turned up where the leader had answered without records", cause)
		return
	}
	next := &rebuild{resume: h.at, compared: true, whole: true, cause: cause, begun: true, asked: true, started: time.Now(), target: f.end, seen: h.at}
	next.floor, next.floorEpoch = t.track.Read()
	t.begin(next)
	t.held(cause)
}

// firstOffset returns the base offset of the first batch that ends at offset or later, -1
// if there is none.
func firstOffset(raw []byte, offset int64) int64 {
	for len(raw) > headerMagic {
		size := int64(int32(binary.BigEndian.Uint32(raw[headerLength:]))) + 12
		if size <= headerMagic {
			break
		}
		first := int64(binary.BigEndian.Uint64(raw))
		last := first
		if raw[headerMagic] == 2 && len(raw) >= headerLastDelta+4 {
			last += int64(int32(binary.BigEndian.Uint32(raw[headerLastDelta:])))
		}
		if last >= offset {
			return first
		}
		if size > int64(len(raw)) {
			break
		}
		raw = raw[size:]
	}
	return -1
}
