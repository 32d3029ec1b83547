package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/fakecluster"
)

// StaleMetadata makes brokers answer with what they knew of the topic before, or with
// another topic.
type StaleMetadata struct {
	Broker string `plan:"broker"` // all if empty
	// Knows says what they believe: unknown (there is no such topic), other-id (it is
	// another topic of the same name), partitions (it has two) or election (they missed the
	// last one).
	Knows string `plan:"knows"`
	Count int    `plan:"count"`
	Span
}

// Kind implements Fault.
func (f StaleMetadata) Kind() string { return "stale-metadata" }

// String implements Fault.
func (f StaleMetadata) String() string { return line(f.Kind(), &f) }

func (f StaleMetadata) stale() (fakecluster.Stale, error) {
	s := fakecluster.Stale{Count: f.Count}
	switch f.Knows {
	case "unknown":
		s.Unknown = true
	case "other-id":
		s.OtherID = fakecluster.OtherID
	case "partitions":
		s.Partitions = 2
	case "election":
		s.Elections = 1
	default:
		return s, fmt.Errorf("knows=%s has to be unknown, other-id, partitions or election", f.Knows)
	}
	return s, nil
}

func (f StaleMetadata) check(*Plan) error {
	if _, err := f.stale(); err != nil {
		return err
	}
	return f.mustLast()
}

func (f StaleMetadata) start(ctx context.Context, w *world) (*effect, error) {
	s, err := f.stale()
	if err != nil {
		return nil, err
	}
	s.Topic, s.Brokers = w.cluster.Topic(), w.some(f.Broker)
	stale, err := w.cluster.StaleMetadata(s)
	if err != nil {
		return nil, err
	}
	// Clients ask for metadata when something is odd, otherwise every few minutes, and then
	// any broker.
	stop := w.repeat(ctx, 300*time.Millisecond, func() error {
		if stale.Hits() == 0 {
			w.net.DropConns(w.target("", "", "", ""))
		}
		return nil
	})
	return w.noting(sometimesStaleMetadata, &effect{hits: stale.Hits, undo: func(ctx context.Context) error {
		err := stop(ctx)
		stale.Undo()
		return err
	}}), nil
}

// WithholdRecords makes leaders answer fetches without records although there are some, and
// without an error.
//
// What leaders say for topicGoneAfter is believed: then a client takes the records for ones
// that compaction has removed, and its reads may lack them until it has asked again. The
// store does not promise otherwise, so the operations of a client that may believe this are
// not judged; see blind. What it shows after its next write is.
type WithholdRecords struct {
	Broker string `plan:"broker"` // all if empty
	Count  int    `plan:"count"`
	Span
}

// Kind implements Fault.
func (f WithholdRecords) Kind() string { return "withhold-records" }

// String implements Fault.
func (f WithholdRecords) String() string { return line(f.Kind(), &f) }

func (f WithholdRecords) start(_ context.Context, w *world) (*effect, error) {
	from := time.Now()
	x, err := w.cluster.WithholdRecords(fakecluster.Withhold{Topic: w.cluster.Topic(), Brokers: w.some(f.Broker), Count: f.Count})
	if err != nil {
		return nil, err
	}
	end := w.withheld.begin(from, x.Hits)
	return w.noting(sometimesWithheld, during(x, func() error { end(); return nil })), nil
}

// Throttle makes brokers answer as if the clients had exceeded a quota.
type Throttle struct {
	Broker string        `plan:"broker"`
	API    string        `plan:"api"` // all but the requests that open a connection, if empty
	Delay  time.Duration `plan:"delay"`
	Count  int           `plan:"count"`
	Span
}

// Kind implements Fault.
func (f Throttle) Kind() string { return "throttle" }

// String implements Fault.
func (f Throttle) String() string { return line(f.Kind(), &f) }

func (f Throttle) check(*Plan) error {
	if f.Delay < time.Millisecond || f.Delay > time.Minute {
		return fmt.Errorf("delay is %v and has to be from 1ms to 1m: clients are told to wait so long", f.Delay)
	}
	return f.mustLast()
}

func (f Throttle) start(_ context.Context, w *world) (*effect, error) {
	e, err := f.throttle(w)
	if err != nil {
		return nil, err
	}
	return w.noting(sometimesThrottled, w.judgingQuota(e)), nil
}

// throttle installs it. Kafka leaves everything else out of a fetch that is above the quota of bytes,
// and out of nothing else.
func (f Throttle) throttle(w *world) (*effect, error) {
	if f.API == "fetch" {
		return brokerFault(w.cluster.ThrottleFetches(fakecluster.Throttle{Brokers: w.some(f.Broker), Delay: f.Delay, Count: f.Count}))
	}
	return during(w.net.EditAnswers(w.target("", f.Broker, "", f.API), fakecluster.Throttled(f.Delay), f.Count)), nil
}

// FailFetch makes brokers answer fetches with an error: an Answer of those that do not say that a right
// is missing.
type FailFetch struct {
	Broker string `plan:"broker"`
	// Error is Kafka's name for the error.
	Error string `plan:"error"`
	Count int    `plan:"count"`
	Span
}

// Kind implements Fault.
func (f FailFetch) Kind() string { return "fail-fetch" }

// String implements Fault.
func (f FailFetch) String() string { return line(f.Kind(), &f) }

// fetchErrors are the errors that a broker may answer for a while to a client that
// does nothing wrong.
var fetchErrors = []*kerr.Error{
	kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.UnknownTopicOrPartition, kerr.UnknownTopicID,
	kerr.OffsetOutOfRange, kerr.KafkaStorageError, kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch, kerr.OffsetNotAvailable,
}

func (f FailFetch) check(*Plan) error {
	if _, err := errorNamed(f.Error, fetchErrors); err != nil {
		return err
	}
	return f.mustLast()
}

func (f FailFetch) start(ctx context.Context, w *world) (*effect, error) {
	e, err := errorNamed(f.Error, fetchErrors)
	if err != nil {
		return nil, err
	}
	const api = "fetch"
	return Answer{Broker: f.Broker, API: api, Count: f.Count, Span: f.Span}.answer(ctx, w, refused(api, kmsg.Fetch, e, false))
}

// noting counts an effect's hits in Outcome.Sometimes when it ends.
func (w *world) noting(name string, e *effect) *effect {
	if e == nil {
		return nil
	}
	return e.ending(func() { w.sometimes.add(name, e.hits()) })
}

// ending makes an effect call fn when it ends, before it is undone.
func (e *effect) ending(fn func()) *effect {
	undo := e.undo
	e.undo = func(ctx context.Context) error {
		fn()
		return undo(ctx)
	}
	return e
}
