package kvstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// topicMeta is what the cluster knows of the topic.
type topicMeta struct {
	topicIdentity
	partitions int
	leader     leader
	vouched    bool // the topic is the one that was known before
}

// topicIdentity is what distinguishes a topic from another one of the same name.
type topicIdentity struct {
	id      [16]byte // zero on clusters without topic ids
	cluster string   // the id of the cluster, empty when the broker names none
}

// clusterToCome is what Redpanda calls a new cluster until it has an id, some ten seconds
// later.
const clusterToCome = "redpanda.initializing"

// given reports whether there is anything to compare.
func (i topicIdentity) given() bool { return i != topicIdentity{} }

// differs returns how another topic is not this one, nil if nothing shows that it is not. A
// topic id that agrees counts for more than the cluster's.
func (i topicIdentity) differs(other topicIdentity, topic string) error {
	none := [16]byte{}
	both := i.id != none && other.id != none
	switch {
	case both && i.id != other.id:
		return fmt.Errorf("topic %q has another id than before", topic)
	case !both && i.cluster != "" && other.cluster != "" && i.cluster != other.cluster:
		return fmt.Errorf("topic %q is in another cluster than before: the cluster's id is %q, before it was %q", topic, other.cluster, i.cluster)
	}
	return nil
}

// word is what one broker said of the topic.
type word struct {
	topicMeta
	kind wordKind
	err  error // nil for asBefore only
}

type wordKind int

const (
	asBefore   wordKind = iota // it agrees with what was known, and names the leader
	leaderless                 // it agrees, and nobody leads
	odd                        // it is of no use: an error, or not what was asked for
	gone                       // there is no such topic
	other                      // the topic has another id, or is another cluster's
	older                      // the leader epoch is lower than one seen before
	premature                  // the leader epoch is one that the leader did not know
)

// How many brokers a round asks at most, and how long each may take.
const (
	mostWitnesses  = 8
	witnessTimeout = 2 * time.Second
)

func (p *partition) metadataRequest() *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = new(p.topic)
	req.Topics = append(req.Topics, t)
	return req
}

// lookup asks a broker for the topic's metadata, and only this topic's. When the
// answer contradicts what was known before, or is odd, it asks others too, and
// believes the first one that agrees with what was known.
//
// It fails with ErrTopicDeleted or ErrTopicRecreated once no broker has agreed for
// goneAfter. Where topics have no ids and only the cluster's id is another one, the new id
// is believed then instead, and the next call goes by it: see renaming. Any other error may
// be temporary.
func (p *partition) lookup(ctx context.Context) (topicMeta, error) {
	m, _, err := p.lookupWho(ctx)
	return m, err
}

// lookupWho is lookup that also returns the id of the broker that was asked first.
func (p *partition) lookupWho(ctx context.Context) (topicMeta, int32, error) {
	first, who, err := p.asks.ask(ctx, p.metadataRequest())
	if err != nil {
		return topicMeta{}, -1, fmt.Errorf("metadata: %w", err)
	}
	resp := first.(*kmsg.MetadataResponse)
	words := []word{p.hear(resp)}
	id := p.met(resp, who)
	if witnesses := p.witnesses(id); !p.enough(words) {
		inTurn(ctx, p.asks, witnesses, p.question, func(resp *kmsg.MetadataResponse, err error) bool {
			if err == nil { // no answer is no word
				words = append(words, p.hear(resp))
			}
			return !p.enough(words)
		})
	}
	m, err := p.weigh(words)
	if err != nil {
		return m, id, fmt.Errorf("metadata: %w", err)
	}
	return m, id, nil
}

// enough reports whether no other broker has to be asked: the last one agrees with what was
// known. Until something of the topic has been read nothing is known, and all brokers are
// asked if they disagree.
func (p *partition) enough(words []word) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.fetched && (p.unsure || slices.ContainsFunc(words, func(w word) bool { return w.kind == other })) {
		return false
	}
	n := count(words)
	if n[premature] > 0 {
		return n[asBefore]+n[leaderless] > n[premature]
	}
	last := words[len(words)-1].kind
	return last == asBefore || last == leaderless
}

func count(words []word) map[wordKind]int {
	n := map[wordKind]int{}
	for _, w := range words {
		n[w.kind]++
	}
	return n
}

func (p *partition) question(ctx context.Context, b *kgo.Broker) (*kmsg.MetadataResponse, error) {
	return p.metadataRequest().RequestWith(ctx, b)
}

// met returns the id of a broker that answered: for a seed the id that the cluster has for
// it, if that is known.
func (p *partition) met(resp *kmsg.MetadataResponse, who kgo.BrokerMetadata) int32 {
	i := slices.IndexFunc(resp.Brokers, func(b kmsg.MetadataResponseBroker) bool { return b.Host == who.Host && b.Port == who.Port })
	if who.NodeID >= 0 || i < 0 {
		return who.NodeID
	}
	id := resp.Brokers[i].NodeID
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seeds == nil {
		p.seeds = map[int32]int32{}
	}
	p.seeds[who.NodeID] = id
	return id
}

// witnesses are the brokers still to be asked, beginning with another one at each call. The
// seeds are the way in while little is known of the cluster.
func (p *partition) witnesses(asked ...int32) []*kgo.Broker {
	all := p.cl.DiscoveredBrokers()
	if len(all) < 2 {
		all = append(all, p.cl.SeedBrokers()...)
	}
	p.mu.Lock()
	for seed, id := range p.seeds {
		if slices.Contains(asked, id) || len(all) > 1 && *all[0] == *p.cl.Broker(int(id)) {
			asked = append(asked, seed)
		}
	}
	p.mu.Unlock()
	for _, id := range asked {
		same := *p.cl.Broker(int(id))
		all = slices.DeleteFunc(all, func(b *kgo.Broker) bool { return *b == same })
	}
	if len(all) == 0 {
		return nil
	}
	p.mu.Lock()
	p.turn++
	turn := p.turn % len(all)
	p.mu.Unlock()
	all = append(all[turn:len(all):len(all)], all[:turn]...)
	return all[:min(len(all), mostWitnesses)]
}

// hear turns an answer into a word.
func (p *partition) hear(resp *kmsg.MetadataResponse) word {
	w := word{topicMeta: topicMeta{leader: noLeader}, kind: odd}
	if w.err = kerr.ErrorForCode(resp.ErrorCode); w.err != nil {
		return w
	}
	if resp.ClusterID != nil {
		w.cluster = *resp.ClusterID
	}
	if w.cluster == clusterToCome {
		w.cluster = ""
	}
	w.err = fmt.Errorf("asked for topic %q, got an answer without it", p.topic)
	for _, rt := range resp.Topics {
		if rt.Topic != nil && *rt.Topic == p.topic {
			p.hearTopic(&w, rt, resp.Brokers)
			break
		}
	}
	return w
}

func (p *partition) hearTopic(w *word, rt kmsg.MetadataResponseTopic, brokers []kmsg.MetadataResponseBroker) {
	p.mu.Lock()
	known, epoch, denied := p.topicIdentity, p.epoch, p.denied
	p.mu.Unlock()
	w.id, w.partitions = rt.TopicID, len(rt.Partitions)
	w.err = kerr.ErrorForCode(rt.ErrorCode)
	none := [16]byte{}
	differs := known.differs(w.topicIdentity, p.topic)
	switch {
	case errors.Is(w.err, kerr.UnknownTopicOrPartition), errors.Is(w.err, kerr.UnknownTopicID):
		w.kind = gone
		return
	case w.err != nil && !errors.Is(w.err, kerr.LeaderNotAvailable):
		return
	case differs != nil:
		w.kind, w.err = other, differs
		_, _ = w.takeLeader(rt)
		return
	case known.id != none && rt.TopicID == none:
		w.err = errors.New("an answer without the topic's id")
		_, _ = w.takeLeader(rt)
		return
	}
	switch found, err := w.takeLeader(rt); {
	case !found:
		w.err = fmt.Errorf("topic %q has %d partitions, and no partition %d among them", p.topic, len(rt.Partitions), partitionNumber)
	case w.leader == noLeader:
		w.kind, w.vouched, w.err = leaderless, true, err
	case w.leader.epoch >= 0 && w.leader.epoch < epoch:
		w.kind, w.vouched = older, true
		w.err = fmt.Errorf("leader epoch %d is older than %d, seen before: %w", w.leader.epoch, epoch, kerr.FencedLeaderEpoch)
	case !slices.ContainsFunc(brokers, func(b kmsg.MetadataResponseBroker) bool { return b.NodeID == w.leader.node }):
		w.err = fmt.Errorf("an answer that names the leader %d and no such broker", w.leader.node)
	case denied >= 0 && w.leader.epoch >= denied:
		w.kind, w.vouched = premature, true
		w.err = fmt.Errorf("leader epoch %d is newer than the leader's: %w", w.leader.epoch, kerr.UnknownLeaderEpoch)
	default:
		w.kind, w.vouched, w.err = asBefore, true, nil
	}
}

// takeLeader reports whether the answer has the partition, and takes over its
// leader; if it has none, err says why.
func (w *word) takeLeader(rt kmsg.MetadataResponseTopic) (found bool, err error) {
	for _, rp := range rt.Partitions {
		if rp.Partition != partitionNumber {
			continue
		}
		if rp.Leader >= 0 {
			w.leader = leader{node: rp.Leader, epoch: rp.LeaderEpoch}
		} else if err = kerr.ErrorForCode(rp.ErrorCode); err == nil {
			err = kerr.LeaderNotAvailable
		}
		return true, err
	}
	return false, nil
}
