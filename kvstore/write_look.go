package kvstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// look searches the leader's log, up to the high watermark, for a batch that may have been
// appended. found is also false when the batch is not there yet: it may be on its way, or
// above the high watermark. If the log does not have all places any more at which the batch
// may have been appended, and it is at none of the others, the error is errUnseen. It is
// another one when the leader does not show all that its log has.
//
// What was searched at one leader is not searched there again. Another leader may have
// other records at the same offsets.
//
// The writer reads for itself, and uncommitted, instead of waiting for the tail, which an
// open transaction, a slow hook or a storage may block. A batch is recognised by its
// producer id, epoch and sequence, which compaction keeps while the broker remembers the
// producer.
func (w *writer) look(ctx context.Context, l leader, b *recordBatch) (offset int64, found bool, err error) {
	looking, cancel := context.WithTimeout(ctx, mostLook<<b.looks)
	defer cancel()
	offset, found, err = w.lookOnce(looking, l, b)
	if err != nil && looking.Err() != nil && ctx.Err() == nil {
		b.looks = min(b.looks+1, mostLooks)
	}
	return offset, found, err
}

// errUnseen says that a batch can't be proved not to be in the log: places at which it may
// have been appended were deleted, or compacted away. Such a batch is never sent again: a
// broker that forgot the producer would append it once more.
var errUnseen = errors.New("the log does not have all offsets any more at which the write may have been appended")

// errShorter says that a log ends below what was searched of it. What has taken the place of
// its tail has yet to be searched.
var errShorter = errors.New("the log has got shorter")

// lookOnce is look until ctx ends.
func (w *writer) lookOnce(ctx context.Context, l leader, b *recordBatch) (offset int64, found bool, err error) {
	if b.searchedAt != l {
		lowest, start, err := w.lowest(ctx, l, b)
		if err != nil {
			return -1, false, err
		}
		b.searched, b.searchedAt, b.unseen = max(lowest, start), l, nil
		if lowest < start {
			b.unseen = fmt.Errorf("%w: it begins at offset %d, and the write may have been at offset %d or behind", errUnseen, start, lowest)
		}
	}
	end, err := w.part.listOffset(ctx, atLatest)
	if err != nil {
		return -1, false, fmt.Errorf("up to where to look: %w", err)
	}
	offset, found, err = w.search(ctx, l, b)
	if err == nil && !found && b.searched < end {
		// A new leader may have to hear first how far its log is replicated. Fetches show less
		// until then, while a question for offsets is answered only afterwards (KIP-207).
		err = fmt.Errorf("fetch at offset %d: %w, though the log goes on to %d", b.searched, errNothing, end)
	}
	if errors.Is(err, kerr.OffsetOutOfRange) || errors.Is(err, errShorter) {
		b.searchedAt = noLeader // its log has lost records, at its end or its start
	}
	if err == nil && !found {
		err = b.unseen
	}
	return offset, found, err
}

// lowest returns an offset of the leader's log below which no record of the batch was ever
// appended to it, and the offset at which that log begins now.
//
// The batch was made when the log was known up to b.known. But the log may have lost its
// tail since, or before, unnoticed. Then the batch is below that, wherever the leader's log
// departs from the one that was read:
//
//	log read      a=1 b=1 c=1 |           the batch is made, to come at "|" or behind it
//	log now       a=1 | k=1 d=1 e=1       it is k=1
//
// That is where the leader epoch of what was read ends in the leader's log. This does not
// find a batch that a deposed leader appended at an offset below records of its successor
// that the client had already read.
func (w *writer) lowest(ctx context.Context, l leader, b *recordBatch) (lowest, start int64, err error) {
	start, err = w.part.listOffset(ctx, atEarliest)
	if err != nil {
		return -1, -1, fmt.Errorf("where to begin to look: %w", err)
	}
	known, end := int32(-1), int64(-1)
	if b.epoch >= 0 {
		if known, end, err = w.part.epochEnd(ctx, l, b.epoch); err != nil && !errors.Is(err, kerr.UnsupportedVersion) {
			return -1, -1, fmt.Errorf("where to begin to look: %w", err)
		}
	}
	if err == nil && known >= 0 {
		if endsAtStart(l, start, known, end) {
			return 0, start, nil
		}
		return min(b.known, end), start, nil
	}
	// There are no epochs to compare. A log that ends below b.from has lost its tail, nobody
	// knows from where on.
	if end, err = w.part.listOffset(ctx, atLatest); err != nil {
		return -1, -1, fmt.Errorf("where to begin to look: %w", err)
	}
	if end < b.from {
		return 0, start, nil
	}
	return b.from, start, nil
}

// search looks for a batch from b.searched on, which it advances. Where so many offsets are
// missing between two batches that this one may have been there, compaction has removed
// records: it notes that in b.unseen.
func (w *writer) search(ctx context.Context, l leader, b *recordBatch) (offset int64, found bool, err error) {
	for {
		raw, end, err := w.peek(ctx, l, b.searched, w.peekBytes)
		if err != nil {
			return -1, false, err
		}
		next, offset, found := b.in(raw)
		switch {
		case found:
			return offset, true, nil
		case next > b.searched:
		case b.searched < end:
			return -1, false, fmt.Errorf("fetch at offset %d: %w, though the log goes on to %d", b.searched, errNothing, end)
		case b.searched > end:
			return -1, false, fmt.Errorf("fetch at offset %d: %w: it ends at %d", b.searched, errShorter, end)
		default: // nothing new
			return -1, false, nil
		}
		if at, missing := firstGap(raw, b.searched, b.records); missing > 0 && b.unseen == nil {
			b.unseen = fmt.Errorf("%w: %d were compacted away from offset %d on", errUnseen, missing, at)
		}
		if b.searched = next; b.searched >= end {
			return -1, false, nil
		}
	}
}

// lies reports whether the leader's log certainly has a batch at an offset.
func (w *writer) lies(ctx context.Context, b *recordBatch, offset int64) bool {
	ctx, cancel := context.WithTimeout(ctx, mostLook)
	defer cancel()
	raw, _, err := w.peek(ctx, w.leader, offset, 1) // a broker answers a whole batch, if there is one
	if err != nil {
		return false
	}
	_, got, found := b.in(raw)
	return found && got == offset
}

// mostLook bounds the first look for a batch. What was searched is not searched again. A
// look that was too short for the broker's answers makes the next one twice as long, up to
// mostLooks times.
const (
	mostLook  = 5 * time.Second
	mostLooks = 3
)

// peek fetches raw record batches from offset on, about as many bytes as said, and
// the high watermark, without waiting for more. It may be called by anyone.
func (w *writer) peek(ctx context.Context, l leader, offset int64, bytes int32) (raw []byte, end int64, err error) {
	id := w.part.topicID()
	req := w.part.fetchRequest(id, l, offset, fetchLimits{minBytes: 1, maxBytes: bytes})
	resp, err := w.part.request(ctx, w.anyone, l, named(req, id))
	if err != nil {
		return nil, 0, fmt.Errorf("fetch at broker %d: %w", l.node, err)
	}
	r := resp.(*kmsg.FetchResponse)
	if r.ErrorCode != 0 {
		return nil, 0, fmt.Errorf("fetch at broker %d: %w", l.node, kerr.ErrorForCode(r.ErrorCode))
	}
	part, ok := w.part.ours(r, id)
	if !ok {
		return nil, 0, fmt.Errorf("fetch at broker %d: %w", l.node, errNoPartition)
	}
	w.part.heard(l, kerr.ErrorForCode(part.ErrorCode))
	if part.ErrorCode != 0 {
		return nil, 0, fmt.Errorf("fetch at broker %d: %w", l.node, kerr.ErrorForCode(part.ErrorCode))
	}
	if part.HighWatermark < 0 {
		return nil, 0, fmt.Errorf("fetch at broker %d: answered high watermark %d", l.node, part.HighWatermark)
	}
	sound, wrong := credible(part.RecordBatches, offset, part.HighWatermark)
	if !errors.Is(wrong.why, errOutOfPlace) {
		return part.RecordBatches, part.HighWatermark, nil // what is in the batches does not matter here
	}
	if len(sound) == 0 {
		return nil, 0, fmt.Errorf("fetch at broker %d: %w", l.node, wrong.why)
	}
	return sound, part.HighWatermark, nil
}

// in looks for the batch among raw ones and returns the offset of its first record, and the
// offset after the last batch that it has looked at, -1 for none.
func (b *recordBatch) in(raw []byte) (next, offset int64, found bool) {
	next = -1
	for len(raw) >= batchOverhead {
		size := int(binary.BigEndian.Uint32(raw[headerLength:])) + 12
		if size < 12 || size > len(raw) {
			break
		}
		first := int64(binary.BigEndian.Uint64(raw))
		if raw[headerMagic] < 2 { // an old format, which names its last offset
			next = first + 1
			raw = raw[size:]
			continue
		}
		last := first + int64(int32(binary.BigEndian.Uint32(raw[headerLastDelta:])))
		if sentAs(raw, b.who) {
			return last + 1, last - int64(b.records-1), true
		}
		next = last + 1
		raw = raw[size:]
	}
	return next, -1, false
}

// firstGap returns where raw batches, fetched from an offset on, lack offsets of the log in a
// row, at least as many as given, and how many they lack there, 0 if they do nowhere.
func firstGap(raw []byte, from int64, least int) (at, missing int64) {
	for s := range spans(raw) {
		if missing := s.first - from; missing >= int64(least) {
			return from, missing
		}
		from = max(from, s.last+1)
	}
	return -1, 0
}

// sentAs reports whether a batch, by its header, was sent by who.
func sentAs(raw []byte, who sender) bool {
	return who.id >= 0 && raw[headerMagic] >= 2 && sentBy(raw) == who
}

// sentBy returns what a batch says of its sender.
func sentBy(raw []byte) sender {
	return sender{
		id:       int64(binary.BigEndian.Uint64(raw[headerProducer:])),
		epoch:    int16(binary.BigEndian.Uint16(raw[headerProducerEpoch:])),
		sequence: int32(binary.BigEndian.Uint32(raw[headerSequence:])),
	}
}
