package kvstore

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore/internal/position"
)

// errThrottled is a quota of the cluster's that this client has used up.
var errThrottled = errors.New("throttled")

func throttled(broker int32, d time.Duration) error {
	return fmt.Errorf("%w by broker %d for %v: the client has used up a quota", errThrottled, broker, d)
}

// quota is a kgo hook that keeps what brokers said last of the quotas that this
// client has used up, in an answer of whatever kind.
//
// It does not wait: kgo sends nothing more on the connection until the time is
// over, and a broker from before KIP-219 has waited itself.
type quota struct {
	mu    sync.Mutex
	p     Problem
	until time.Time
}

var _ kgo.HookBrokerThrottle = (*quota)(nil)

// quotaGrace is how long after the end of the last throttling the row of them
// counts as unbroken.
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

// nameOthers makes causes known that no request meets: a quota, and a storage that is slow.
func (c *Client) nameOthers(quota *quota) {
	c.health.quota = quota.problem
	c.tracker.Otherwise(func() position.Reason {
		if p := c.health.storageProblem(); p.Count > 0 {
			return position.Reason(p)
		}
		return position.Reason(quota.problem())
	})
}
