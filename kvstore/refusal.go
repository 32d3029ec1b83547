package kvstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// refusals are the broker's answers to a produce request that say for sure
// that nothing was appended. Any other error leaves room for doubt.
var refusals = []error{
	kerr.MessageTooLarge,
	kerr.RecordListTooLarge,
	kerr.InvalidRecord,
	kerr.InvalidTimestamp,
	kerr.InvalidTopicException,
	kerr.TopicAuthorizationFailed,
	kerr.ClusterAuthorizationFailed,
	kerr.PolicyViolation,
	kerr.UnsupportedForMessageFormat,
	kerr.UnsupportedCompressionType,
}

func refusal(err error) bool {
	return slices.ContainsFunc(refusals, func(r error) bool { return errors.Is(err, r) })
}

func tooLarge(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge)
}

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }

// contextError returns the error of an ended context, with its cause when that
// says more.
func contextError(ctx context.Context) error {
	err := ctx.Err()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, err) {
		return fmt.Errorf("%w: %w", err, cause)
	}
	return err
}

// produceProbe is a kgo hook that watches the one record batch on its way: when
// all its records are buffered, and how often it was sent.
type produceProbe struct {
	mu       sync.Mutex
	missing  int // records not yet buffered in their partition
	buffered chan struct{}
	tries    int64
	answers  int64
}

var (
	_ kgo.HookProduceRecordPartitioned = (*produceProbe)(nil)
	_ kgo.HookBrokerWrite              = (*produceProbe)(nil)
	_ kgo.HookBrokerE2E                = (*produceProbe)(nil)
)

// begin expects n records. The channel closes when kgo has buffered them all.
func (p *produceProbe) begin(n int) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.missing, p.tries, p.answers = n, 0, 0
	p.buffered = make(chan struct{})
	return p.buffered
}

// attempts is how often a record batch was sent.
type attempts struct {
	// sent counts the produce requests that were written, in whole or in part.
	sent int64

	// answered counts those that a broker answered.
	answered int64
}

// definite reports whether an error of the batch can be the broker's answer to
// all that was sent: nothing is left of which nobody knows what became of it.
func (a attempts) definite() bool { return a.sent == a.answered && a.sent <= 1 }

// count returns the attempts since begin.
func (p *produceProbe) count() attempts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return attempts{sent: p.tries, answered: p.answers}
}

// OnProduceRecordPartitioned is called by kgo.
func (p *produceProbe) OnProduceRecordPartitioned(*kgo.Record, int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.missing--; p.missing == 0 {
		close(p.buffered)
	}
}

// produceKey is the api key of a produce request.
const produceKey = 0

// OnBrokerWrite is called by kgo.
func (p *produceProbe) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, written int, _, _ time.Duration, _ error) {
	if key != produceKey || written == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tries++
}

// OnBrokerE2E is called by kgo.
func (p *produceProbe) OnBrokerE2E(_ kgo.BrokerMetadata, key int16, e2e kgo.BrokerE2E) {
	if key != produceKey || e2e.Err() != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers++
}
