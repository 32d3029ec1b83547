package kvstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The store uses one partition of its topic, whatever the topic has.
const partitionNumber = 0

// partition asks the leader of the store's partition, with one request a call and no
// retry: the caller decides what an error means. It is safe for concurrent use.
type partition struct {
	cl    *kgo.Client
	asks  *requests // through cl
	topic string

	// How long all brokers have to deny what was known before they are
	// believed.
	goneAfter time.Duration

	mu            sync.Mutex
	known         bool // a broker had the topic
	topicIdentity      // of the topic, zero until known
	fetched       bool // a leader answered a fetch from the topic of this id
	unsure        bool // a leader refused the first one
	leader        leader
	epoch         int32           // highest leader epoch seen
	led           int32           // highest one that a leader confirmed, by an answer
	denied        int32           // lowest one above led that the leader named with it does not know, -1 for none
	doubts        int             // calls of suspect
	turn          int             // rounds of questions so far
	seeds         map[int32]int32 // the ids of brokers that were met as seeds, by the seeds'
	missing       doubt           // that the topic is gone, or another one
	past          doubt           // that its leader epoch is lower than the highest one seen
}

// defaultGoneAfter is what WithTopicGoneAfter changes.
const defaultGoneAfter = 30 * time.Second

// leader is who leads the partition, and since which epoch. node is -1 when it
// is not known.
type leader struct {
	node  int32
	epoch int32
}

var noLeader = leader{node: -1, epoch: -1}

func newPartition(asks *requests, topic string) *partition {
	return &partition{cl: asks.cl, asks: asks, topic: topic, goneAfter: defaultGoneAfter, leader: noLeader, epoch: -1, led: -1, denied: -1}
}

// forget makes the next request look up the leader again, unless somebody did
// so since.
func (p *partition) forget(l leader) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.leader == l {
		p.leader = noLeader
	}
}

// sameTopic makes sure that the topic is the one that it was before. It fails with
// ErrTopicRecreated or ErrTopicDeleted when it is believed to be gone, and with
// another error while that is not known. Without an id of the topic or of the cluster it
// can't tell.
func (p *partition) sameTopic(ctx context.Context) error {
	p.mu.Lock()
	known := p.topicIdentity.given()
	p.mu.Unlock()
	if !known {
		return nil
	}
	m, err := p.lookup(ctx)
	if m.vouched {
		return nil // whoever leads it
	}
	return err
}

// topicID returns the topic's id, zero on clusters without them.
func (p *partition) topicID() [16]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.id
}

// suspect makes the tail validate its position before the next fetch.
func (p *partition) suspect() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doubts++
}

// doubt returns how often suspect was called.
func (p *partition) doubt() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.doubts
}

// lead returns the leader, looked up if need be.
func (p *partition) lead(ctx context.Context) (leader, error) {
	p.mu.Lock()
	l := p.leader
	p.mu.Unlock()
	if l != noLeader {
		return l, nil
	}
	m, err := p.lookup(ctx)
	return m.leader, err
}

// heard takes in what a broker answered to a request that names the leader epoch, which is
// refused when the broker does not know it.
//
// I12: one that leads does know it; otherwise the broker that named the epoch is wrong,
// or ahead of the leader for a moment. What was thought to be known because of that is
// not. An epoch that some leader has confirmed stays known whatever is answered later.
func (p *partition) heard(l leader, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil:
		p.led = max(p.led, l.epoch)
		if p.leader == l {
			p.epoch = max(p.epoch, l.epoch)
		}
		if p.denied <= p.led {
			p.denied = -1
		}
	case errors.Is(err, kerr.UnknownLeaderEpoch) && l.epoch > p.led:
		if p.denied < 0 || l.epoch < p.denied {
			p.denied = l.epoch
		}
		p.epoch = min(p.epoch, p.led)
	}
}

// ask sends req to the leader and forgets the leader when the answer says, or
// the missing answer suggests, that it is another broker now.
func (p *partition) ask(ctx context.Context, l leader, req kmsg.Request, code func(kmsg.Response) (int16, error)) error {
	resp, err := p.request(ctx, p.asks, l, req)
	if unsupported(err) {
		err = fmt.Errorf("%w: %w", kerr.UnsupportedVersion, err)
	}
	if err == nil {
		var c int16
		if c, err = code(resp); err == nil {
			err = kerr.ErrorForCode(c)
		}
	}
	p.heard(l, err)
	if errors.Is(err, errThrottled) {
		return fmt.Errorf("%s: %w", kmsg.NameForKey(req.Key()), err) // it leads as before
	}
	if err != nil {
		if !errors.Is(err, kerr.UnsupportedVersion) {
			p.forget(l)
		}
		return fmt.Errorf("%s at broker %d: %w", kmsg.NameForKey(req.Key()), l.node, err)
	}
	return nil
}

// unsupported reports whether kgo did not even send a request, because the broker,
// or the versions that the user allows, does not have it.
func unsupported(err error) bool {
	return err != nil && (strings.Contains(err.Error(), brokerTooOld) || strings.Contains(err.Error(), unknownKey))
}

// What kgo says then; it has no exported errors for it.
const (
	brokerTooOld = "broker is too old; the broker has already indicated it will not know how to handle the request"
	unknownKey   = "request key is unknown"
)

// errNoPartition is an answer that has other partitions than the one asked for, or none.
var errNoPartition = errors.New("answer without our partition")

// Timestamps with a meaning of their own in a ListOffsets request.
const (
	atEarliest = -2
	atLatest   = -1
)

// listOffset asks for the start (atEarliest) or the high watermark (atLatest)
// of the log.
func (p *partition) listOffset(ctx context.Context, at int64) (int64, error) {
	offset, _, err := p.offsetUnder(ctx, at)
	return offset, err
}

// offsetUnder is listOffset that also returns under which leader the answer
// holds.
func (p *partition) offsetUnder(ctx context.Context, at int64) (int64, leader, error) {
	l, err := p.lead(ctx)
	if err != nil {
		return 0, l, err
	}
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	// For remote storage, which compacted topics don't have. kgo adds it to
	// how long it waits for an answer that was lost.
	req.TimeoutMillis = 1000
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = p.topic
	rp := kmsg.NewListOffsetsRequestTopicPartition()
	rp.Partition, rp.Timestamp, rp.CurrentLeaderEpoch = partitionNumber, at, l.epoch
	t.Partitions = append(t.Partitions, rp)
	req.Topics = append(req.Topics, t)

	var offset int64
	err = p.ask(ctx, l, req, func(r kmsg.Response) (int16, error) {
		for _, rt := range r.(*kmsg.ListOffsetsResponse).Topics {
			for _, got := range rt.Partitions {
				if rt.Topic != p.topic || got.Partition != partitionNumber {
					continue
				}
				if offset = got.Offset; got.ErrorCode == 0 && offset < 0 {
					return 0, fmt.Errorf("answered offset %d", offset)
				}
				return got.ErrorCode, nil
			}
		}
		return 0, errNoPartition
	})
	return offset, l, err
}

// epochEnd asks a leader for the latest leader epoch up to the given one that the
// log has, and for the offset where it ended. Both are -1 when the leader knows
// none.
func (p *partition) epochEnd(ctx context.Context, l leader, epoch int32) (known int32, end int64, err error) {
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.ReplicaID = -1
	t := kmsg.NewOffsetForLeaderEpochRequestTopic()
	t.Topic = p.topic
	rp := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	rp.Partition, rp.CurrentLeaderEpoch, rp.LeaderEpoch = partitionNumber, l.epoch, epoch
	t.Partitions = append(t.Partitions, rp)
	req.Topics = append(req.Topics, t)

	err = p.ask(ctx, l, req, func(r kmsg.Response) (int16, error) {
		for _, rt := range r.(*kmsg.OffsetForLeaderEpochResponse).Topics {
			for _, got := range rt.Partitions {
				if rt.Topic != p.topic || got.Partition != partitionNumber {
					continue
				}
				if r.GetVersion() < 3 && got.ErrorCode == kerr.ClusterAuthorizationFailed.Code {
					// Before Kafka 2.3 it took a right that only brokers have.
					return kerr.UnsupportedVersion.Code, nil
				}
				if known, end = got.LeaderEpoch, got.EndOffset; got.ErrorCode == 0 && known >= 0 && (end < 0 || known > epoch) {
					return 0, fmt.Errorf("answered that leader epoch %d ends at offset %d, asked for epoch %d", known, end, epoch)
				}
				return got.ErrorCode, nil
			}
		}
		return 0, errNoPartition
	})
	return known, end, err
}

// lostError says that the log no longer has what was read of it.
type lostError struct {
	end int64 // up to here at most it is the same
	msg string
}

func (e *lostError) Error() string { return e.msg }
func (e *lostError) Unwrap() error { return ErrDataLoss }

// holds asks whether the log still has what was read up to pos, where the last
// batch was of the given leader epoch, -1 for none. If not it fails with a
// *lostError. This is the check of KIP-320.
func (p *partition) holds(ctx context.Context, pos int64, epoch int32) error {
	if epoch >= 0 {
		l, err := p.lead(ctx)
		if err != nil {
			return err
		}
		known, end, err := p.epochEnd(ctx, l, epoch)
		switch {
		case errors.Is(err, kerr.UnsupportedVersion):
		case err != nil:
			return err
		default:
			if lost := epochLost(pos, epoch, l.epoch, known, end); lost != nil {
				return lost
			}
		}
	}
	end, err := p.listOffset(ctx, atLatest)
	if err != nil {
		return err
	}
	if end < pos {
		return &lostError{end, fmt.Sprintf("%v: the log ends at offset %d, this client had read up to %d", ErrDataLoss, end, pos)}
	}
	return nil
}

// epochLost judges the answer to the question where epoch ended, that of the last batch
// below pos: by a leader of the epoch leads (-1 where leaders have none) that knows the
// epoch known, which ended at end. It returns nil when nothing was lost.
func epochLost(pos int64, epoch, leads, known int32, end int64) error {
	switch {
	case known < 0 && leads >= 0 && leads < epoch:
		// A log whose leaders have not come that far is another one: a topic
		// recreated on a cluster without topic ids, which has grown since.
		return &lostError{pos, fmt.Sprintf("%v: the leader is of epoch %d, this client had read up to offset %d, of epoch %d", ErrDataLoss, leads, pos, epoch)}
	case known < 0:
		return nil // it has no list of epochs
	case known < epoch:
		// The batch of epoch that was read is not there, whatever is: a broker
		// that missed it was elected and has other records in its place.
		return &lostError{min(end, pos), fmt.Sprintf("%v: the log has nothing of leader epoch %d, of which this client had read up to offset %d; before it comes epoch %d, up to offset %d", ErrDataLoss, epoch, pos, known, end)}
	case end < pos:
		return &lostError{end, fmt.Sprintf("%v: leader epoch %d ends at offset %d, this client had read up to %d", ErrDataLoss, known, end, pos)}
	}
	return nil
}

// fetchLimits are the knobs of a fetch, taken from the kgo options.
type fetchLimits struct {
	wait     time.Duration
	minBytes int32
	maxBytes int32
}

// fetched is the part of the log that one fetch brought.
type fetched struct {
	records []*kgo.Record // committed ones and control records, in order

	// What room.convert makes of them:
	room    *room
	changes []Record // the store's ones
	sources []seen   // those that may be this client's
	skipped int64    // how many have no key

	byName bool // the fetch named the topic, and did not give its id

	sent time.Time // before the request was
	got  time.Time // after the answer was

	first  int64 // base offset of the first batch that there was, -1 for none
	next   int64 // the offset to fetch from next
	epoch  int32 // leader epoch of the last batch below next, or noEpoch
	start  int64 // first offset of the log, -1 unknown
	stable int64 // last stable offset: below it all is decided
	end    int64 // high watermark
	slow   error // the quota that the next fetch has to wait for, nil for none
}

// fetch reads committed records from offset on, at the given leader and from no
// other: a broker that leads since another epoch refuses. It waits at most
// lim.wait for the first. An error may come with the records that precede it.
func (p *partition) fetch(ctx context.Context, l leader, offset int64, lim fetchLimits, opts kgo.ProcessFetchPartitionOpts, dec kgo.Decompressor) (fetched, error) {
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
		if part.ErrorCode == 0 && (part.HighWatermark < 0 || part.LastStableOffset < 0) {
			return 0, fmt.Errorf("answered high watermark %d and last stable offset %d", part.HighWatermark, part.LastStableOffset)
		}
		if part.ErrorCode == 0 && part.PreferredReadReplica >= 0 && len(part.RecordBatches) == 0 {
			// It would have something to say, but leaves that to the other.
			return 0, fmt.Errorf("answered nothing but that replica %d is nearer, which was not asked for", part.PreferredReadReplica)
		}
		return part.ErrorCode, nil
	})
	if throttle > 0 && !errors.Is(err, errThrottled) {
		slow = throttled(l.node, throttle)
	}
	out := fetched{first: -1, next: offset, epoch: noEpoch, start: part.LogStartOffset, stable: part.LastStableOffset, end: part.HighWatermark, slow: slow, byName: byName}
	if err != nil {
		p.notFetched(err)
		return out, err
	}
	p.fetchedFrom(id)
	opts.Offset, opts.Topic, opts.Partition = offset, p.topic, partitionNumber
	out.first = firstOffset(part.RecordBatches, offset)
	err = decode(&out, &part, opts, dec)
	return out, err
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

// fetchedFrom notes that a leader has the topic of this id.
func (p *partition) fetchedFrom(id [16]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fetched = p.fetched || id == p.id
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
