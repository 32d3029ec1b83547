package kvstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The store uses one partition of its topic, whatever the topic has.
const partitionNumber = 0

// partition asks the leader of the store's partition, with one request a call
// and no retry: whoever calls decides what an error means to him. It is safe
// for concurrent use.
type partition struct {
	cl    *kgo.Client
	topic string

	mu     sync.Mutex
	id     [16]byte // zero until known, and on clusters without topic ids
	leader leader
	epoch  int32 // highest leader epoch seen
	older  int   // answers in a row that named an older epoch
	doubts int   // calls of suspect
}

// A leader epoch below one seen before is taken for an answer of a broker that
// lags, until this many answers in a row say so: then the epochs did start
// again, as they do when a topic without an id is created anew.
const olderEpochsBelieved = 5

// leader is who leads the partition, and since which epoch. node is -1 when it
// is not known.
type leader struct {
	node  int32
	epoch int32
}

var noLeader = leader{node: -1, epoch: -1}

// topicMeta is what the cluster knows of the topic.
type topicMeta struct {
	id         [16]byte
	partitions int
	leader     leader
}

func newPartition(cl *kgo.Client, topic string) *partition {
	return &partition{cl: cl, topic: topic, leader: noLeader, epoch: -1}
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

// lookup asks for the topic's metadata, and only this topic's. It fails with
// ErrTopicRecreated when the topic is not the one it was before.
func (p *partition) lookup(ctx context.Context) (topicMeta, error) {
	req := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = new(p.topic)
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, p.cl)
	if err != nil {
		return topicMeta{}, fmt.Errorf("metadata: %w", err)
	}
	if len(resp.Topics) != 1 {
		return topicMeta{}, fmt.Errorf("metadata: asked for 1 topic, got %d", len(resp.Topics))
	}
	rt := resp.Topics[0]
	if err := kerr.ErrorForCode(rt.ErrorCode); err != nil {
		return topicMeta{}, fmt.Errorf("metadata: %w", err)
	}
	m := topicMeta{id: rt.TopicID, partitions: len(rt.Partitions), leader: noLeader}
	var perr error
	for _, rp := range rt.Partitions {
		if rp.Partition != partitionNumber {
			continue
		}
		perr = kerr.ErrorForCode(rp.ErrorCode)
		if rp.Leader >= 0 {
			m.leader = leader{node: rp.Leader, epoch: rp.LeaderEpoch}
		}
	}
	if err := p.learn(m); err != nil {
		return m, err
	}
	if m.leader == noLeader {
		if perr == nil {
			perr = kerr.LeaderNotAvailable
		}
		return m, fmt.Errorf("metadata: %w", perr)
	}
	return m, nil
}

func (p *partition) learn(m topicMeta) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var none [16]byte
	switch {
	case p.id == none:
		p.id = m.id
	case m.id != none && m.id != p.id:
		return ErrTopicRecreated
	}
	if m.leader == noLeader {
		return nil
	}
	if m.leader.epoch >= 0 && m.leader.epoch < p.epoch {
		if p.older++; p.older < olderEpochsBelieved {
			return fmt.Errorf("metadata: leader epoch %d is older than %d, seen before: %w", m.leader.epoch, p.epoch, kerr.FencedLeaderEpoch)
		}
	}
	p.leader, p.epoch, p.older = m.leader, m.leader.epoch, 0
	return nil
}

// sameTopic fails with ErrTopicRecreated when the topic is not the one it was
// before. On a cluster without topic ids it can't tell.
func (p *partition) sameTopic(ctx context.Context) error {
	p.mu.Lock()
	known := p.id != [16]byte{}
	p.mu.Unlock()
	if !known {
		return nil
	}
	_, err := p.lookup(ctx)
	if errors.Is(err, kerr.LeaderNotAvailable) || errors.Is(err, kerr.FencedLeaderEpoch) {
		return nil // the id was compared all the same
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

// ask sends req to the leader and forgets the leader when the answer says, or
// the missing answer suggests, that it is another broker now.
func (p *partition) ask(ctx context.Context, l leader, req kmsg.Request, code func(kmsg.Response) (int16, error)) error {
	resp, err := p.cl.Broker(int(l.node)).Request(ctx, req)
	if err == nil {
		var c int16
		if c, err = code(resp); err == nil {
			err = kerr.ErrorForCode(c)
		}
	}
	if err != nil {
		p.forget(l)
		return fmt.Errorf("%s at broker %d: %w", kmsg.NameForKey(req.Key()), l.node, err)
	}
	return nil
}

// Timestamps with a meaning of their own in a ListOffsets request.
const (
	atEarliest = -2
	atLatest   = -1
)

// listOffset asks for the begin (atEarliest) or the high watermark (atLatest)
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
		resp := r.(*kmsg.ListOffsetsResponse)
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			return 0, errors.New("answer without our partition")
		}
		got := resp.Topics[0].Partitions[0]
		offset = got.Offset
		return got.ErrorCode, nil
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
		resp := r.(*kmsg.OffsetForLeaderEpochResponse)
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			return 0, errors.New("answer without our partition")
		}
		got := resp.Topics[0].Partitions[0]
		known, end = got.LeaderEpoch, got.EndOffset
		return got.ErrorCode, nil
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
		// created anew on a cluster without topic ids, which has grown since.
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

	sent time.Time // before the request was
	got  time.Time // after the answer was

	next   int64 // the offset to fetch from next
	epoch  int32 // leader epoch of the last batch below next, or noEpoch
	start  int64 // first offset of the log, -1 unknown
	stable int64 // last stable offset: below it all is decided
	end    int64 // high watermark
}

// fetch reads committed records from offset on, at the given leader and from no
// other: a broker that leads since another epoch refuses. It waits at most
// lim.wait for the first. An error may come with the records that precede it.
func (p *partition) fetch(ctx context.Context, l leader, offset int64, lim fetchLimits, opts kgo.ProcessFetchPartitionOpts, dec kgo.Decompressor) (fetched, error) {
	p.mu.Lock()
	id := p.id
	p.mu.Unlock()
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis = int32(lim.wait.Milliseconds())
	req.MinBytes = lim.minBytes
	req.MaxBytes = lim.maxBytes
	req.IsolationLevel = readCommitted
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = p.topic, id
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.CurrentLeaderEpoch = partitionNumber, offset, l.epoch
	rp.PartitionMaxBytes = lim.maxBytes
	t.Partitions = append(t.Partitions, rp)
	req.Topics = append(req.Topics, t)

	var part kmsg.FetchResponseTopicPartition
	err := p.ask(ctx, l, fetchRequest(req, id), func(r kmsg.Response) (int16, error) {
		resp := r.(*kmsg.FetchResponse)
		if resp.ErrorCode != 0 {
			return resp.ErrorCode, nil
		}
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			return 0, errors.New("answer without our partition")
		}
		part = resp.Topics[0].Partitions[0]
		return part.ErrorCode, nil
	})
	out := fetched{next: offset, epoch: noEpoch, start: part.LogStartOffset, stable: part.LastStableOffset, end: part.HighWatermark}
	if err != nil {
		return out, err
	}
	opts.Offset, opts.Topic, opts.Partition = offset, p.topic, partitionNumber
	err = decode(&out, &part, opts, dec)
	return out, err
}

const readCommitted = 1

// fetchRequest keeps a fetch at version 12, the last one that names topics, on
// clusters that have no topic ids.
func fetchRequest(req *kmsg.FetchRequest, id [16]byte) kmsg.Request {
	if id != [16]byte{} {
		return req
	}
	return fetchByName{req}
}

type fetchByName struct{ *kmsg.FetchRequest }

// MaxVersion is part of kmsg.Request.
func (fetchByName) MaxVersion() int16 { return 12 }
