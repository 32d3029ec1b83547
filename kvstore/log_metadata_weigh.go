package kvstore

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// weigh decides what to believe after one round of answers.
func (p *partition) weigh(words []word) (topicMeta, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last, n := words[len(words)-1], count(words)
	if slices.ContainsFunc(words, func(w word) bool { return w.vouched }) {
		p.missing.clear()
	}
	if !p.fetched && (p.unsure || n[other] > 0) {
		if w := elected(words, p.topicIdentity); w != nil {
			p.elect(w)
			return p.accept(*w)
		}
	}
	if n[premature] > 0 {
		if n[premature] > n[asBefore]+n[leaderless] {
			return p.accept(mostSaid(words, premature)) // the leader may be the one that lags
		}
		for _, w := range words {
			if w.kind == asBefore || w.kind == leaderless {
				last = w
			}
		}
	}
	switch {
	case last.kind == asBefore:
		return p.accept(last)
	case last.kind == leaderless:
		p.identify(last.topicIdentity)
		return last.topicMeta, last.err
	case n[older] > 0:
		return p.weighOlder(words, n[older])
	case n[gone]+n[other] > 0:
		return p.weighGone(words, n[gone]+n[other])
	}
	// Nothing but odd answers. One without an id may be all that brokers before Kafka 2.8
	// can give. It does not settle whether this is the topic.
	if p.missing.lasts(p.goneAfter, p.quietLocked()) {
		return words[0].topicMeta, words[0].err
	}
	for _, w := range words {
		if w.leader != noLeader {
			w.vouched = true
			return p.accept(w)
		}
	}
	return words[0].topicMeta, words[0].err
}

// elected returns a word with the identity that most brokers give the topic, and in a tie
// the one that was heard first. It is used until something of the topic has been read: the
// first answer may be the stale one. It is nil when no word has both an identity and a
// leader.
func elected(words []word, first topicIdentity) *word {
	same := func(a, b topicIdentity) bool { return a.differs(b, "") == nil }
	var best *word
	most := 0
	for i, w := range words {
		if w.leader == noLeader || !w.topicIdentity.given() {
			continue
		}
		n := 0
		for _, v := range words {
			if v.leader != noLeader && v.topicIdentity.given() && same(w.topicIdentity, v.topicIdentity) {
				n++
			}
		}
		if n > most || n == most && same(first, w.topicIdentity) && !same(first, best.topicIdentity) {
			best, most = &words[i], n
		}
	}
	return best
}

// mostSaid returns a word of the given kind whose leader most words of that kind name, and
// in a tie the one with the lowest epoch.
func mostSaid(words []word, kind wordKind) word {
	votes := map[leader]int{}
	for _, w := range words {
		if w.kind == kind {
			votes[w.leader]++
		}
	}
	var best word
	for _, w := range words {
		if w.kind != kind {
			continue
		}
		n, most := votes[w.leader], votes[best.leader]
		if n > most || n == most && w.leader.epoch < best.leader.epoch {
			best = w
		}
	}
	return best
}

// forgetEpochs forgets the epochs that were known. The caller holds mu.
func (p *partition) forgetEpochs() { p.epoch, p.led, p.denied = -1, -1, -1 }

// weighOlder handles a round whose best word is an older epoch: brokers lag, or the epochs
// really started again, as they do when a topic without an id is recreated.
func (p *partition) weighOlder(words []word, n int) (topicMeta, error) {
	var best word
	for _, w := range words {
		if w.kind == older && (best.err == nil || w.leader.epoch > best.leader.epoch) {
			best = w
		}
	}
	lasts, believed := p.past.said(p.goneAfter, p.quietLocked())
	if believed {
		p.forgetEpochs()
		return p.accept(best)
	}
	return best.topicMeta, p.doubting(best.err, n, lasts)
}

// weighGone handles a round in which no broker knows the topic as it was.
func (p *partition) weighGone(words []word, n int) (topicMeta, error) {
	var strange, denied *word
	for i, w := range words {
		switch w.kind {
		case gone:
			denied = &words[i]
		case other:
			if strange == nil || strange.leader == noLeader {
				strange = &words[i]
			}
		}
	}
	if !p.known {
		return denied.topicMeta, denied.err // it was never there
	}
	p.leader = noLeader // it is not used until this is settled
	lasts, believed := p.missing.said(p.goneAfter, p.quietLocked())
	why, end := denied, ErrTopicDeleted
	if strange != nil {
		why, end = strange, ErrTopicRecreated
	}
	if strange != nil && p.id == ([16]byte{}) { // only the cluster's id is another one
		if believed && strange.leader != noLeader {
			return strange.topicMeta, p.rename(strange, lasts)
		}
		believed = false
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
	p.identify(w.topicIdentity)
	w.leader.naming = p.naming
	p.leader = w.leader
	if w.kind != odd && w.kind != premature { // the leader has to confirm those
		p.epoch = max(p.epoch, w.leader.epoch)
	}
	p.missing.clear()
	p.past.clear()
	w.vouched = true
	return w.topicMeta, nil
}

// identify takes over what distinguishes the topic from others, where that was not known.
func (p *partition) identify(i topicIdentity) {
	p.known = true
	if p.id == [16]byte{} {
		p.id = i.id
	}
	p.cluster = cmp.Or(p.cluster, i.cluster)
}
