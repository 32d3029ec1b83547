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
	id         [16]byte
	partitions int
	leader     leader
	vouched    bool // it is the topic that it was before
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
	odd                        // it says nothing of use: an error, or not what was asked for
	gone                       // there is no such topic
	other                      // the topic has another id
	older                      // the leader epoch is lower than one seen before
)

// Whom a round asks at most, and for how long each.
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
// It fails with ErrTopicDeleted or ErrTopicRecreated once nobody has agreed for
// goneAfter. Any other error may heal.
func (p *partition) lookup(ctx context.Context) (topicMeta, error) {
	resp, err := p.metadataRequest().RequestWith(ctx, p.asks)
	if err != nil {
		return topicMeta{}, fmt.Errorf("metadata: %w", err)
	}
	words := []word{p.hear(resp)}
	for _, b := range p.witnesses() {
		if p.enough(words) || ctx.Err() != nil {
			break
		}
		if resp, err := p.question(ctx, b); err == nil { // no answer is no word
			words = append(words, p.hear(resp))
		}
	}
	m, err := p.weigh(words)
	if err != nil {
		return m, fmt.Errorf("metadata: %w", err)
	}
	return m, nil
}

// enough reports whether nobody else has to be asked: the last one agrees with what
// was known. While nothing has been read of the topic nothing is known, and
// brokers that are not of one mind are asked all.
func (p *partition) enough(words []word) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.fetched && (p.unsure || slices.ContainsFunc(words, func(w word) bool { return w.kind == other })) {
		return false
	}
	last := words[len(words)-1].kind
	return last == asBefore || last == leaderless
}

func (p *partition) question(ctx context.Context, b *kgo.Broker) (*kmsg.MetadataResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, witnessTimeout)
	defer cancel()
	return p.metadataRequest().RequestWith(ctx, b)
}

// witnesses are the brokers to ask, others first at each call. The seeds are the
// doors to the cluster, for when little is known of it.
func (p *partition) witnesses() []*kgo.Broker {
	all := p.cl.DiscoveredBrokers()
	if len(all) < 2 {
		all = append(all, p.cl.SeedBrokers()...)
	}
	p.mu.Lock()
	p.turn++
	turn := p.turn % len(all)
	p.mu.Unlock()
	all = append(all[turn:len(all):len(all)], all[:turn]...)
	return all[:min(len(all), mostWitnesses)]
}

// hear makes a word of an answer.
func (p *partition) hear(resp *kmsg.MetadataResponse) word {
	w := word{topicMeta: topicMeta{leader: noLeader}, kind: odd}
	if w.err = kerr.ErrorForCode(resp.ErrorCode); w.err != nil {
		return w
	}
	w.err = fmt.Errorf("asked for topic %q, got an answer without it", p.topic)
	for _, rt := range resp.Topics {
		if rt.Topic != nil && *rt.Topic == p.topic {
			p.hearTopic(&w, rt)
			break
		}
	}
	return w
}

func (p *partition) hearTopic(w *word, rt kmsg.MetadataResponseTopic) {
	p.mu.Lock()
	known, epoch := p.id, p.epoch
	p.mu.Unlock()
	w.id, w.partitions = rt.TopicID, len(rt.Partitions)
	w.err = kerr.ErrorForCode(rt.ErrorCode)
	none := [16]byte{}
	switch {
	case errors.Is(w.err, kerr.UnknownTopicOrPartition), errors.Is(w.err, kerr.UnknownTopicID):
		w.kind = gone
		return
	case w.err != nil && !errors.Is(w.err, kerr.LeaderNotAvailable):
		return
	case known != none && rt.TopicID == none:
		w.err = errors.New("an answer without the topic's id")
		_, _ = w.takeLeader(rt)
		return
	case known != none && rt.TopicID != known:
		w.kind, w.err = other, fmt.Errorf("topic %q has another id than before", p.topic)
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

// weigh makes up the client's mind from what one round of brokers said.
func (p *partition) weigh(words []word) (topicMeta, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := words[len(words)-1]
	n := map[wordKind]int{}
	for _, w := range words {
		n[w.kind]++
		if w.vouched {
			p.missing.clear()
		}
	}
	if !p.fetched && (p.unsure || n[other] > 0) {
		if w := elected(words, p.id); w != nil {
			p.id, p.epoch = w.id, -1
			return p.accept(*w)
		}
	}
	switch {
	case last.kind == asBefore:
		return p.accept(last)
	case last.kind == leaderless:
		p.identify(last.id)
		return last.topicMeta, last.err
	case n[older] > 0:
		return p.weighOlder(words, n[older])
	case n[gone]+n[other] > 0:
		return p.weighGone(words, n[gone]+n[other])
	}
	// Nothing but odd answers. One without an id may be all that brokers of
	// before Kafka 2.8 can say.
	for _, w := range words {
		if w.leader != noLeader {
			w.vouched = true
			return p.accept(w)
		}
	}
	return words[0].topicMeta, words[0].err
}

// elected returns a word with the id that most brokers give the topic, of several the
// one that was heard first. It is for as long as nothing has been read of the topic: the
// first id may be the stale one. It is nil when no word has both an id and a leader.
func elected(words []word, first [16]byte) *word {
	votes := map[[16]byte]int{}
	for _, w := range words {
		if w.leader != noLeader && w.id != [16]byte{} {
			votes[w.id]++
		}
	}
	var best *word
	for i, w := range words {
		n := votes[w.id]
		if n == 0 || w.leader == noLeader {
			continue
		}
		if best == nil || n > votes[best.id] || n == votes[best.id] && best.id == first {
			best = &words[i]
		}
	}
	return best
}

// weighOlder deals with a round whose best word is an older epoch: brokers that
// lag, or epochs that did start again, as they do when a topic without an id is
// created anew.
func (p *partition) weighOlder(words []word, n int) (topicMeta, error) {
	var best word
	for _, w := range words {
		if w.kind == older && (best.err == nil || w.leader.epoch > best.leader.epoch) {
			best = w
		}
	}
	lasts, believed := p.past.said(p.goneAfter)
	if believed {
		p.epoch = -1
		return p.accept(best)
	}
	return best.topicMeta, p.doubting(best.err, n, lasts)
}

// weighGone deals with a round in which nobody knows the topic as it was.
func (p *partition) weighGone(words []word, n int) (topicMeta, error) {
	var strange, denied *word
	for i, w := range words {
		switch w.kind {
		case gone:
			denied = &words[i]
		case other:
			strange = &words[i]
		}
	}
	if !p.known {
		return denied.topicMeta, denied.err // it was never there
	}
	p.leader = noLeader // nobody goes on with it until this is settled
	lasts, believed := p.missing.said(p.goneAfter)
	why, end := denied, ErrTopicDeleted
	if strange != nil {
		why, end = strange, ErrTopicRecreated
	}
	if believed {
		return why.topicMeta, fmt.Errorf("%w: said by all who answered for %v: %w", end, lasts.Round(time.Millisecond), why.err)
	}
	return why.topicMeta, p.doubting(why.err, n, lasts)
}

// doubting describes what is not believed yet.
func (p *partition) doubting(err error, n int, lasts time.Duration) error {
	return fmt.Errorf("%w (said by %d brokers, for %v now; believed after %v)", err, n, lasts.Round(time.Millisecond), p.goneAfter)
}

// accept takes over what a broker said. The caller holds mu.
func (p *partition) accept(w word) (topicMeta, error) {
	p.identify(w.id)
	p.leader, p.epoch = w.leader, max(p.epoch, w.leader.epoch)
	p.missing.clear()
	p.past.clear()
	w.vouched = true
	return w.topicMeta, nil
}

// identify takes over the topic's id when none was known.
func (p *partition) identify(id [16]byte) {
	p.known = true
	if p.id == [16]byte{} {
		p.id = id
	}
}
