package kvstore

import (
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore/internal/position"
)

func throttled(broker int32, d time.Duration) error {
	return fmt.Errorf("%w by broker %d for %v: the client has used up a quota", ErrThrottled, broker, d)
}

// quota is a kgo hook that keeps what brokers last said, in any answer, about quotas that
// this client has used up.
//
// It does not wait: kgo sends nothing more on the connection until the time is
// over, and a broker from before KIP-219 has waited itself.
type quota struct {
	mu    sync.Mutex
	p     Problem
	until time.Time
	each  map[int32]time.Time // until when, by broker
}

// mostHeld bounds for how long an unanswered request is taken to be held back by a quota:
// the broker may be dead. Kafka's own throttle times are seconds.
const mostHeld = 30 * time.Second

var _ kgo.HookBrokerThrottle = (*quota)(nil)

// quotaGrace is how long after the end of a throttling the next one counts as part of the
// same series.
const quotaGrace = time.Second

// OnBrokerThrottle is called by kgo.
func (q *quota) OnBrokerThrottle(b kgo.BrokerMetadata, d time.Duration, _ bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	if now.Sub(q.until) > quotaGrace {
		q.p = Problem{}
	}
	q.p = q.p.met(throttled(b.NodeID, d))
	if until := now.Add(d); until.After(q.until) {
		q.until = until
	}
	if q.each == nil {
		q.each = make(map[int32]time.Time)
	}
	if until := now.Add(min(d, mostHeld)); until.After(q.each[b.NodeID]) {
		q.each[b.NodeID] = until
	}
}

// holds returns how long kgo may hold back a request to a broker, at most mostHeld. kgo
// keeps the time per connection, of which a broker has several, so it may be less.
func (q *quota) holds(broker int32) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	return max(0, time.Until(q.each[broker]))
}

// problem returns the quota that slows this client down, none if it is over.
func (q *quota) problem() Problem {
	q.mu.Lock()
	defer q.mu.Unlock()
	if time.Since(q.until) > quotaGrace {
		return Problem{}
	}
	return q.p
}

// nameOthers adds causes that no request reports: a quota, code of the program that does not
// return, and brokers that do not answer.
func (c *Client) nameOthers(quota *quota) {
	c.health.quota = quota.problem
	c.health.callout.doing = c.hooks.doing
	c.health.callout.late = func(err error) { c.log.warn("kvstore: reading waits for code of the program", err) }
	c.tracker.Otherwise(func(known position.Reason) position.Reason {
		p := c.health.callout.problem().besides(c.health.unanswered(repeatInterval).besides(Problem(known)))
		if p.Count == 0 {
			p = quota.problem()
		}
		if p.Count == 0 {
			p = c.health.unanswered(0)
		}
		return position.Reason(p)
	})
}
