package kvstore

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// errCorrupt marks a fetch whose content can't be decoded.
var errCorrupt = errors.New("corrupt record batch")

// Other reasons why a fetch can't be read, of which the log need not have anything: no checksum
// covers a batch's offset or its format's version, and answers can be cut on their way.
var (
	errOutOfPlace = errors.New("a record batch out of place")
	errForeign    = errors.New("a record batch in a format that this client does not know")
	errPartial    = errors.New("the broker answered a part of a record batch")
)

// unreadable reports whether an error says that there is something that can't be read.
func unreadable(err error) bool {
	return isOneOf(err, []error{errCorrupt, errOutOfPlace, errForeign, errPartial})
}

// errNothing marks an answer without data where there should be some. See hole.
var errNothing = errors.New("the broker answered without records")

// errMismatch marks a batch that is not what its header says.
var errMismatch = errors.New("its records do not match its header")

// defect says that what a fetch brought can't be read from an offset on. The zero defect
// says that there is none.
type defect struct {
	at  int64
	why error
}

// or returns the defect that comes first in the log, d if both are at one offset.
func (d defect) or(other defect) defect {
	if d.why == nil || other.why != nil && other.at < d.at {
		return other
	}
	return d
}

// decoder decodes fetches. Two may use it at the same time: one is on its way while the one before is
// applied.
type decoder struct {
	opts  kgo.ProcessFetchPartitionOpts
	codec kgo.Decompressor
	most  int // how many bytes a batch may decompress to

	refusal refusal
}

// behind returns the defect for a client that has passed what precedes it in raw, an answer to
// a fetch from offset on, and no more: compaction may have removed records between that and the
// damaged batch. The client would count them as read (I25), and would take the leader epoch
// before them for that of the position, though it may have ended there (I4).
func (d defect) behind(raw []byte, offset int64) defect {
	for s := range spans(raw) {
		if s.last >= d.at {
			break
		}
		offset = max(offset, s.last+1)
	}
	if offset < d.at {
		d.at, d.why = offset, fmt.Errorf("the record batch at offset %d: %w", d.at, d.why)
	}
	return d
}

// decode decodes what a fetch from an offset on brought into out. What precedes a damaged batch
// counts; the damaged batch and what follows it does not (I1). Records are taken from pool.
func (d *decoder) decode(out *fetched, part *kmsg.FetchResponseTopicPartition, offset int64, pool kgo.Pool) error {
	opts := d.opts
	opts.Offset, opts.Pools = offset, []kgo.Pool{pool}
	all := part.RecordBatches
	raw, found := credible(all, offset, out.end)

	// kgo decodes only what claims nothing that is not there.
	lean := *part
	lean.RecordBatches, lean.AbortedTransactions = raw, each(part.AbortedTransactions)
	var decoded []int // records decoded, batch by batch
	codec := &inflater{decoder: d, raw: raw, next: offset}
	fp, next := kgo.ProcessFetchPartition(opts, &lean, codec, func(m kgo.FetchBatchMetrics) { decoded = append(decoded, m.NumRecords) })
	out.records, out.raw, out.next = fp.Records, raw, next
	defer func() { out.epoch, out.gap = passed(all, offset, out.next) }()

	found = codec.found.or(found)
	if fp.Err != nil && codec.found.why == nil {
		// kgo moves on past a batch of an unknown format.
		at := offset
		if n := len(fp.Records); n > 0 {
			at = fp.Records[n-1].Offset + 1
		}
		found = found.or(defect{at, fp.Err})
	}
	if first, ok := shortBatch(raw, decoded, offset); ok {
		// kgo leaves out records that it can't decode, and goes on behind
		// the batch when another one follows.
		found = found.or(defect{max(first, offset), errMismatch})
	}
	if found.why != nil {
		found = found.behind(all, offset)
		out.cut(found.at)
		var large *DecompressError
		switch {
		case errors.Is(found.why, errEnough): // for one fetch
			return nil
		case errors.As(found.why, &large):
			return fmt.Errorf("fetch at offset %d: %w", found.at, found.why)
		}
		if !unreadable(found.why) && !isPanic(found.why) {
			return fmt.Errorf("fetch at offset %d: %w: %w", found.at, errCorrupt, found.why)
		}
		return fmt.Errorf("fetch at offset %d: %w", found.at, found.why)
	}
	switch {
	case next > offset:
		return nil
	case len(all) > 0:
		return fmt.Errorf("fetch at offset %d: %w, %d bytes of it", offset, errPartial, len(all))
	case offset < out.stable:
		return fmt.Errorf("fetch at offset %d: %w, though all is decided up to offset %d", offset, errNothing, out.stable)
	}
	return nil
}

// each returns the aborted transactions of an answer, each once: kgo takes one that is named
// twice for two, and would leave out what the producer wrote next.
func each(aborted []kmsg.FetchResponseTopicPartitionAbortedTransaction) []kmsg.FetchResponseTopicPartitionAbortedTransaction {
	out := slices.Clone(aborted)
	slices.SortFunc(out, func(a, b kmsg.FetchResponseTopicPartitionAbortedTransaction) int {
		return cmp.Or(cmp.Compare(a.FirstOffset, b.FirstOffset), cmp.Compare(a.ProducerID, b.ProducerID))
	})
	return slices.CompactFunc(out, func(a, b kmsg.FetchResponseTopicPartitionAbortedTransaction) bool {
		return a.FirstOffset == b.FirstOffset && a.ProducerID == b.ProducerID
	})
}

// cut drops everything from offset on.
func (f *fetched) cut(offset int64) {
	for n := len(f.records); n > 0 && f.records[n-1].Offset >= offset; n-- {
		f.records = f.records[:n-1]
	}
	f.next = offset
}

// Places in the header of a record batch, version 2.
const (
	headerLength     = 8
	headerEpoch      = 12
	headerMagic      = 16
	headerLastDelta  = 23
	headerNumRecords = 57
)

// shortBatch returns the first offset of the first batch of which fewer records
// were decoded than its header promises.
func shortBatch(raw []byte, decoded []int, offset int64) (first int64, ok bool) {
	for s := range spans(raw) {
		if len(decoded) == 0 || s.raw[headerMagic] != 2 {
			break
		}
		if s.last >= offset && decoded[0] != s.claim {
			return s.first, true
		}
		decoded = decoded[1:]
	}
	return 0, false
}

// noEpoch stands for the leader epoch where no batch was passed. That of a message in
// an old format is -1.
const noEpoch = -2

// passed returns what the headers of the batches say that begin below next, in an answer to a
// fetch from offset on: the leader epoch of the last one, noEpoch for none, and the first
// offset of which the log has no record any more, -1 for none (I25). Where a batch lacks
// records, that is its first offset, or the one that was asked for in it. Transactions leave no gaps: their markers,
// and what was aborted, are in the answer.
//
// I4: the epoch is not taken from records, because a batch may hold none for the reader: its
// transaction was aborted, or compaction emptied it.
func passed(raw []byte, offset, next int64) (epoch int32, gap int64) {
	epoch, gap = noEpoch, -1
	for s := range spans(raw) {
		if s.first >= next {
			break
		}
		epoch = s.epoch
		if s.last < offset {
			continue
		}
		// A message of an old format has the offset of the last one in it, so there may be no gap.
		whole := s.claim < 0 || int64(s.claim) == s.last-s.first+1
		if gap < 0 && (s.first > offset || !whole) {
			gap = offset
		}
		offset = s.last + 1
	}
	return epoch, gap
}
