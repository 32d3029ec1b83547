package kvstore

import (
	"errors"
	"fmt"
	"time"
)

// renaming is what a partition knows about changes of the topic's id, or where topics have
// none, of its cluster's.
//
// Another id of the topic is believed only until something of it has been read. It is another
// log then, and the client has read nothing.
//
// A cluster of another id may have been renamed, or the addresses may lead to another one,
// whose log can have the same leader epochs and be as long: there is no way to tell. So the
// client goes on with what the brokers have now, and rereads the log.
//
// Each leader belongs to one naming, so everything that is tied to a leader ends with the
// naming: where the log begins, a validated position, a producer id, what was searched. A
// request under an earlier naming is not sent any more, and an answer under one does not count.
type renaming struct {
	naming  int   // how often another id was believed
	settled int   // the last naming for which the tail has begun to reread the log
	renamed error // why it has to reread for the last one
}

// errRenamed says that what was begun with one topic or cluster can't be finished with the
// one that is there now.
var errRenamed = errors.New("the topic or its cluster has another id by now")

// elect takes over an id that most brokers name, before anything of the topic has been read.
// The caller holds mu.
func (p *partition) elect(w *word) {
	if err := p.differs(w.topicIdentity, p.topic); err != nil {
		p.renamed = fmt.Errorf("%w (said by most brokers before anything of it was read)", err)
		p.naming++
	}
	p.topicIdentity = w.topicIdentity
	p.forgetEpochs()
}

// unread returns why another id is believed if nothing of the topic has been read yet, nil if
// something has.
func (p *partition) unread() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fetched {
		return nil
	}
	return p.renamed
}

// rename takes over another id of the cluster, which all who answered have named for some
// time, and returns why the caller has to start over. The caller holds mu.
func (p *partition) rename(w *word, lasts time.Duration) error {
	p.renamed = fmt.Errorf("%w (said by all who answered for %v), and without topic ids nobody can tell whether the log is the same", w.err, lasts.Round(time.Millisecond))
	p.naming++
	p.topicIdentity = w.topicIdentity
	p.forgetEpochs()
	p.missing.clear()
	p.past.clear()
	return p.renamed
}

// current fails when the leader belongs to an earlier naming.
func (p *partition) current(l leader) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.currentLocked(l)
}

func (p *partition) currentLocked(l leader) error {
	if l.naming != p.naming {
		return fmt.Errorf("%w: %w", errRenamed, p.renamed)
	}
	return nil
}

// settle notes that the tail rereads the log under a naming, so that nothing it shows is of
// an earlier one.
func (p *partition) settle(naming int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settled = naming
}

// unsettled fails while the tail has not heard of the last naming.
func (p *partition) unsettled() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.settled != p.naming {
		return p.renamed
	}
	return nil
}

// otherLog describes the loss of the log that was read, as far as anyone can tell.
func (p *partition) otherLog(end int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &lostError{end, p.renamed.Error()}
}
