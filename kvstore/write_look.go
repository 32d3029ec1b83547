package kvstore

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// look searches the log for a batch of which nobody knows whether it was appended,
// from b.from up to the high watermark. What was searched is not searched
// again: b.from moves. found is false also when the batch is not there yet: it may
// be on its way, or lie above the high watermark.
//
// The writer reads for itself, and uncommitted, instead of waiting for the tail,
// which an open transaction, a slow hook or a storage may hold up. A batch is
// known by its producer id, epoch and sequence, which compaction keeps.
func (w *writer) look(ctx context.Context, l leader, b *recordBatch) (offset int64, found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, mostLook)
	defer cancel()
	for {
		raw, end, err := w.peek(ctx, l, b.from, w.peekBytes)
		if err != nil {
			return -1, false, err
		}
		next, offset, found := b.in(raw)
		if found {
			return offset, true, nil
		}
		if next <= b.from { // nothing new
			if b.from < end {
				return -1, false, fmt.Errorf("fetch at offset %d: %w, though the log goes on to %d", b.from, errNothing, end)
			}
			return -1, false, nil
		}
		if b.from = next; b.from >= end {
			return -1, false, nil
		}
	}
}

// lies reports whether the log has a batch at an offset for sure.
func (w *writer) lies(ctx context.Context, b *recordBatch, offset int64) bool {
	at := *b
	at.from = offset
	got, found, err := w.look(ctx, w.leader, &at)
	return err == nil && found && got == offset
}

// mostLook bounds a look. What it found out in vain it need not find out again.
const mostLook = 5 * time.Second

// peek fetches raw record batches from offset on, about as many bytes as said, and
// the high watermark, without waiting for more. It may be called by anyone.
func (w *writer) peek(ctx context.Context, l leader, offset int64, bytes int32) (raw []byte, end int64, err error) {
	id := w.part.topicID()
	req := w.part.fetchRequest(id, l, offset, fetchLimits{minBytes: 1, maxBytes: bytes})
	resp, err := w.cl.Broker(int(l.node)).Request(ctx, named(req, id))
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
	return part.RecordBatches, part.HighWatermark, nil
}

// in looks for the batch among raw ones and returns the offset of its first
// record, and the offset behind what it has looked at, -1 for nothing.
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

// sentAs reports whether a batch of the log, by its header, was sent by who.
func sentAs(raw []byte, who sender) bool {
	return who.id >= 0 && raw[headerMagic] >= 2 &&
		int64(binary.BigEndian.Uint64(raw[headerProducer:])) == who.id &&
		int16(binary.BigEndian.Uint16(raw[headerProducerEpoch:])) == who.epoch &&
		int32(binary.BigEndian.Uint32(raw[headerSequence:])) == who.sequence
}
