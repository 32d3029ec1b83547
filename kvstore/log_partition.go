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

// The store uses one partition of its topic, however many there are.
const partitionNumber = 0

// partition asks the leader of the store's partition, with one request per call and no
// retry: the caller decides what an error means. It is safe for concurrent use.
type partition struct {
	cl    *kgo.Client
	asks  *requests // goes through cl
	topic string

	// How long all brokers have to deny what was known until they are believed.
	goneAfter time.Duration

	leaving leaving

	mu            sync.Mutex
	known         bool // a broker had the topic
	topicIdentity      // of the topic, zero until known
	fetched       bool // a leader answered a fetch from the topic of this id: it stays
	unsure        bool // a leader refused the first one
	leader        leader
	epoch         int32           // highest leader epoch seen
	led           int32           // highest one that a leader has confirmed by an answer
	denied        int32           // lowest one above led that the leader named with it does not know, -1 for none
	doubts        int             // calls of suspect
	turn          int             // rounds of questions so far
	seeds         map[int32]int32 // ids of brokers that were first asked as seeds, by the seeds' ids
	renaming                      // of the topic or its cluster
	missing       doubt           // that the topic is gone, or another one
	past          doubt           // that its leader epoch is lower than the highest one seen
	rested        time.Duration   // the last pause before the brokers were asked again
}

// defaultGoneAfter is what WithTopicGoneAfter changes.
const defaultGoneAfter = 30 * time.Second

// leader is the broker that leads the partition, and its epoch. node is -1 when it is not
// known.
type leader struct {
	node   int32
	epoch  int32
	naming int // under which it leads, see renaming
}

var noLeader = leader{node: -1, epoch: -1}

func newPartition(asks *requests, topic string) *partition {
	return &partition{cl: asks.cl, asks: asks, topic: topic, goneAfter: defaultGoneAfter, leader: noLeader, epoch: -1, led: -1, denied: -1}
}

// forget makes the next request look up the leader again, unless that has been done since.
func (p *partition) forget(l leader) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.leader == l {
		p.leader = noLeader
	}
}

// sameTopic makes sure that the topic is the one that it was before. It fails with
// ErrTopicRecreated or ErrTopicDeleted when it is believed to be gone, and with
// another error while that is not known, or while the tail has yet to reread the log
// because the cluster has another id. Without an id of the topic or of the cluster it can't
// tell.
func (p *partition) sameTopic(ctx context.Context) error {
	p.mu.Lock()
	known := p.topicIdentity.given()
	p.mu.Unlock()
	if !known {
		return nil
	}
	m, err := p.lookup(ctx)
	if m.vouched {
		return p.unsettled() // whichever broker leads it
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

// lead returns the leader, looked up if necessary.
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

// heard processes a broker's answer to a request that names the leader epoch, which is
// refused when the broker does not know that epoch.
//
// I12: the leader does know it; otherwise the broker that named the epoch is wrong, or
// ahead of the leader for a moment, and the epoch no longer counts as known. An epoch that
// some leader has confirmed stays known whatever is answered later.
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
	if errors.Is(err, ErrThrottled) {
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

// unsupported reports whether kgo did not even send a request, because the broker, or the
// range of versions that the user allows, does not have it.
func unsupported(err error) bool {
	return err != nil && (strings.Contains(err.Error(), brokerTooOld) || strings.Contains(err.Error(), unknownKey))
}

// What kgo says then; it has no exported errors for it.
const (
	brokerTooOld = "broker is too old; the broker has already indicated it will not know how to handle the request"
	unknownKey   = "request key is unknown"
)

// errNoPartition is an answer without the partition that was asked for.
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
	// For remote storage, which compacted topics don't have. kgo would wait that much
	// longer for an answer that was lost.
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
