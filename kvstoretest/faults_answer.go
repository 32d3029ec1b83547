package kvstoretest

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/fakecluster"
)

// Refusal is what brokers answer; see [Links.Answer].
type Refusal struct {
	// Err is an error of package kerr.
	Err error
	// At says where in the answer its code stands: whole, topic, partition or resource. Empty is the
	// partition if the answer has partitions, or else what it has; in answers to Metadata the topic.
	At string
	// After lets the brokers do what they are asked for first. Only writes and the creation of a topic
	// have anything to do.
	After bool
	// Throttle is how long the client is told to wait, in whole milliseconds.
	Throttle time.Duration
}

// Answer makes the brokers answer the next n requests with an error code. The traffic has to name exactly
// one of APIs. 0 means every such request until the fault is undone. A request that is about another topic,
// or that a broker itself refuses, is answered as ever. Dir does not matter. Hits counts the answers that
// have reached a client. A plan draws from what Kafka may answer ("kvsim list --answers"); this call
// answers whatever it is told.
func (l *Links) Answer(n int, r Refusal) *Effect {
	l.k.t.Helper()
	text := l.line("answer", "error", errorName(r.Err), "at", r.At, "after", r.After, "throttle", r.Throttle, "count", n)
	ke, ok := errors.AsType[*kerr.Error](r.Err)
	ok = l.ok && l.k.require(ok, "Answer(%d, %v): the error has to be one of package kerr, such as kerr.NotEnoughReplicas", n, r.Err) &&
		l.k.countable("Answer", n) && l.k.require(len(l.on.APIs) == 1, "Answer: name one request: On(Traffic{APIs: ...}) has %d", len(l.on.APIs))
	if !ok {
		return l.k.inert(text)
	}
	a, err := l.k.cluster.Answer(fakecluster.Answer{
		Topic: l.k.cfg.topic, Clients: l.target.Clients, Brokers: l.target.Brokers, Key: kmsg.Key(l.target.Keys[0]),
		Err: ke, At: fakecluster.Place(r.At), After: r.After, Throttle: r.Throttle, Count: n,
	})
	if err != nil {
		l.k.misuse("Answer: %v", err)
		return l.k.inert(text)
	}
	f := l.k.lasting(text, a)
	f.hits = a.Arrived
	return f
}
