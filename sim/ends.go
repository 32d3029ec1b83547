package sim

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kvsim/kvsim/kvstore"
	lin "github.com/kvsim/kvsim/linearizability"
)

// An ending is a process that said that its topic is gone.
type ending struct {
	client  string
	process int
	at      time.Duration // since the start of the run
	said    string
}

// endings are those of a run. Each process is in it once.
type endings struct {
	mu   sync.Mutex
	seen map[string]bool
	all  []ending
}

// gone reports whether an error says that the topic is not there any more, so that
// the client can't go on.
func gone(err error) bool {
	return errors.Is(err, kvstore.ErrTopicRecreated) || errors.Is(err, kvstore.ErrTopicDeleted)
}

// ended notes that a process has given up its topic, if the error says so.
func (w *world) ended(p *process, err error) {
	if !gone(err) {
		return
	}
	w.endings.mu.Lock()
	defer w.endings.mu.Unlock()
	id := fmt.Sprintf("%s/%d", p.slot.name, p.number)
	if w.endings.seen[id] {
		return
	}
	if w.endings.seen == nil {
		w.endings.seen = map[string]bool{}
	}
	w.endings.seen[id] = true
	if w.denied(p.slot.name, time.Now()) {
		return
	}
	w.endings.all = append(w.endings.all, ending{p.slot.name, p.number, time.Since(w.start), err.Error()})
}

// unheard is the longest break after which the store counts on when brokers go on to say that
// the topic is gone: a third of the time that it takes to be believed, at least a second, and the
// longest pause of slot.backoff. The brokers may be right for so long without a client that hears it:
// it does not ask, or can't be reached, or its process stands still.
const unheard = max(topicGoneAfter/3, time.Second) + longestPause

// endingName is the name of the reason when a client gave up a topic that was there.
const endingName = "gone-topic-was-there"

// unfounded returns a sentence for each process that gave up its topic although it had not
// been deleted since the process began. In a world a deleted topic is created again
// immediately: what a client then sees is another topic of the same name, or one whose id is not
// known.
func (w *world) unfounded(h *lin.History) (out []string) {
	began := map[string]lin.Stamp{}
	for i := range h.Ops {
		if o := &h.Ops[i]; o.Kind == lin.OpOpen {
			began[fmt.Sprintf("%s/%d", o.Client, o.Process)] = o.Call
		}
	}
	for _, e := range w.endings.all {
		from := began[fmt.Sprintf("%s/%d", e.client, e.process)]
		founded := false
		for i := range h.Log {
			l := &h.Log[i]
			founded = founded || l.Kind == lin.LogRecreate && l.Seq > from.Seq && l.Time <= e.at
		}
		if !founded {
			out = append(out, fmt.Sprintf("process %d of %s gave its topic up at %v, but nobody had deleted it: %s", e.process, e.client, e.at, e.said))
		}
	}
	return out
}
