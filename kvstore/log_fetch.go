package kvstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
	"github.com/kvsim/kvsim/kvstore/internal/position"
)

// fetchLimits are the limits of a fetch, taken from the kgo options.
type fetchLimits struct {
	wait     time.Duration
	minBytes int32
	maxBytes int32
}

// fetched is the part of the log that one fetch brought.
type fetched struct {
	records []*kgo.Record // committed ones and control records, in order
	raw     []byte        // the batches that they came in

	// What room.convert makes of them:
	room    *room
	changes []Record          // records of the store, in order
	sources []position.Source // records that may be this client's
	skipped int64             // how many have no key

	byName bool // the fetch named the topic, and did not give its id

	sent time.Time // before the request was
	got  time.Time // after the answer was

	from invariant.Last[int64]    // the offset that was asked for
	of   invariant.Last[[16]byte] // the id of the topic that was asked

	first  int64 // base offset of the first batch that there was, -1 for none
	next   int64 // the offset to fetch from next
	gap    int64 // the first offset below next, or a batch's in which it is, of which there is no record any more, -1 for none
	epoch  int32 // leader epoch of the last batch below next, or noEpoch
	start  int64 // first offset of the log, -1 unknown
	stable int64 // last stable offset: below it all is decided
	end    int64 // high watermark
	slow   error // names the quota that the next fetch has to wait for, nil for none
}

// fetch reads committed records from offset on, at the given leader and from no other: a
// broker that leads under another epoch refuses. It waits at most lim.wait for the first.
// An error may come with the records that precede it.
func (p *partition) fetch(ctx context.Context, l leader, offset int64, lim fetchLimits, dec *decoder, pool kgo.Pool) (fetched, error) {
	id := p.topicID()
	req := p.fetchRequest(id, l, offset, lim)
	req.IsolationLevel = readCommitted

	var part kmsg.FetchResponseTopicPartition
	var throttle time.Duration
	var byName bool
	var slow error
	err := p.ask(ctx, l, named(req, id), func(r kmsg.Response) (int16, error) {
		resp := r.(*kmsg.FetchResponse)
		throttle, byName = time.Duration(resp.ThrottleMillis)*time.Millisecond, resp.Version < 13
		if resp.ErrorCode != 0 {
			return resp.ErrorCode, nil
		}
		var ok bool
		if part, ok = p.ours(resp, id); !ok {
			// A broker whose quota was used up leaves the answer empty.
			if len(resp.Topics) == 0 && throttle > 0 {
				return 0, throttled(l.node, throttle)
			}
			return 0, errNoPartition
		}
		if part.ErrorCode == 0 && (part.HighWatermark < 0 || part.LastStableOffset < unknownOffset) {
			return 0, fmt.Errorf("answered high watermark %d and last stable offset %d", part.HighWatermark, part.LastStableOffset)
		}
		if part.ErrorCode == 0 && part.PreferredReadReplica >= 0 && part.PreferredReadReplica != l.node && len(part.RecordBatches) == 0 {
			// It has something to return, but leaves that to the other replica.
			return 0, fmt.Errorf("answered without records, because replica %d is nearer, which the client did not ask for", part.PreferredReadReplica)
		}
		return part.ErrorCode, nil
	})
	if throttle > 0 && !errors.Is(err, ErrThrottled) {
		slow = throttled(l.node, throttle)
	}
	var open error
	if err == nil && part.LastStableOffset == unknownOffset {
		open = settled(&part, offset)
	}
	out := fetched{first: -1, next: offset, gap: -1, epoch: noEpoch, start: part.LogStartOffset, stable: part.LastStableOffset, end: part.HighWatermark, slow: slow, byName: byName}
	if err != nil {
		p.notFetched(err)
		return out, err
	}
	if err := p.fetchedUnder(l); err != nil {
		return out, err
	}
	out.first = firstOffset(part.RecordBatches, offset)
	if err = dec.decode(&out, &part, offset, pool); err == nil {
		err = open
	}
	if invariant.On {
		out.from.Swap(offset)
		out.of.Swap(id)
		out.checkEpoch()
	}
	return out, err
}

// unknownOffset is what the protocol has for an offset that is not known.
const unknownOffset = -1

// settled makes do without the last stable offset in an answer to a fetch from offset on. A leader
// that knows no transactions may leave it out. Below the high watermark all but transactions is
// decided, and all below offset was: so everything counts up to the first batch of a
// transaction. The error is for what comes from there on.
func settled(part *kmsg.FetchResponseTopicPartition, offset int64) error {
	part.LastStableOffset = part.HighWatermark
	size := 0
	for s := range spans(part.RecordBatches) {
		if s.transaction && s.last >= offset {
			part.RecordBatches = part.RecordBatches[:size]
			part.LastStableOffset = min(part.HighWatermark, s.first)
			return fmt.Errorf("answered last stable offset %d and, at offset %d, a batch of a transaction, which may be undecided", unknownOffset, s.first)
		}
		size += len(s.raw)
	}
	return nil
}

// ours finds the answer for the store's partition.
func (p *partition) ours(resp *kmsg.FetchResponse, id [16]byte) (part kmsg.FetchResponseTopicPartition, ok bool) {
	for _, rt := range resp.Topics {
		if byID := resp.Version >= 13; byID && rt.TopicID != id || !byID && rt.Topic != p.topic {
			continue
		}
		for _, rp := range rt.Partitions {
			if rp.Partition == partitionNumber {
				return rp, true
			}
		}
	}
	return part, false
}

// fetchedUnder notes that a leader has the topic of the id that is believed. It fails when
// another one has come to be believed: the answer may be of the topic before.
func (p *partition) fetchedUnder(l leader) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.currentLocked(l); err != nil {
		return err
	}
	p.fetched = true
	return nil
}

// notFetched notes that a leader does not know the topic of the id that was heard
// first: it may have been a stale one.
func (p *partition) notFetched(err error) {
	if isOneOf(err, []error{kerr.UnknownTopicID, kerr.InconsistentTopicID, kerr.UnknownTopicOrPartition, kerr.TopicAuthorizationFailed}) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.unsure = !p.fetched
	}
}

const readCommitted = 1

// fetchRequest is a fetch from the topic of this id, of what is committed or not.
func (p *partition) fetchRequest(id [16]byte, l leader, offset int64, lim fetchLimits) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis = int32(lim.wait.Milliseconds())
	req.MinBytes = lim.minBytes
	req.MaxBytes = lim.maxBytes
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = p.topic, id
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.CurrentLeaderEpoch = partitionNumber, offset, l.epoch
	rp.PartitionMaxBytes = lim.maxBytes
	t.Partitions = append(t.Partitions, rp)
	req.Topics = append(req.Topics, t)
	return req
}

// named keeps a fetch at version 12, the last one that names topics, on clusters that
// have no topic ids.
func named(req *kmsg.FetchRequest, id [16]byte) kmsg.Request {
	if id != [16]byte{} {
		return req
	}
	return fetchByName{req}
}

type fetchByName struct{ *kmsg.FetchRequest }

// MaxVersion is part of kmsg.Request.
func (fetchByName) MaxVersion() int16 { return 12 }
