package kvstore

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// requests sends requests through a kgo client and returns when their contexts end,
// which kgo does not while it sets up a connection: it waits for the answers to
// ApiVersions and SASL without a context. A request to a certain broker
// (kgo.Broker.Request) is not concerned. It is safe for concurrent use.
type requests struct {
	cl *kgo.Client

	mu      sync.Mutex
	running int
	over    bool
	idle    chan struct{} // closed when over and nothing runs
}

var _ kmsg.Requestor = (*requests)(nil)

func newRequests(cl *kgo.Client) *requests {
	return &requests{cl: cl, idle: make(chan struct{})}
}

// Request is part of kmsg.Requestor. The request must not be used again after an error.
func (r *requests) Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	return bounded(ctx, r, func(ctx context.Context) (kmsg.Response, error) { return r.cl.Request(ctx, req) })
}

// ask is Request that also returns who answered.
func (r *requests) ask(ctx context.Context, req kmsg.Request) (kmsg.Response, kgo.BrokerMetadata, error) {
	shard, err := bounded(ctx, r, func(ctx context.Context) (kgo.ResponseShard, error) {
		shard := r.cl.RequestSharded(ctx, req)[0] // one broker's, unless req has to be split
		return shard, shard.Err
	})
	return shard.Resp, shard.Meta, err
}

// bounded runs fn, which makes requests, until it returns or ctx ends. In the latter case fn
// goes on for a while, by itself, and its result is dropped.
func bounded[T any](ctx context.Context, r *requests, fn func(context.Context) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	if !r.begin() {
		return none, kgo.ErrClientClosed
	}
	done := make(chan result, 1)
	go func() {
		defer r.finish()
		value, err := fn(ctx)
		done <- result{value, err}
	}()
	select {
	case res := <-done:
		return res.value, res.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

func (r *requests) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return false
	}
	r.running++
	return true
}

func (r *requests) finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running--; r.over && r.running == 0 {
		close(r.idle)
	}
}

// close closes the kgo client, which ends its connections, refuses more requests and waits
// for those under way. A dialer that does not heed its context must not hold up a closing:
// what then remains ends by itself. It is called once.
func (r *requests) close() {
	r.mu.Lock()
	r.over = true
	if r.running == 0 {
		close(r.idle)
	}
	r.mu.Unlock()
	r.cl.Close()
	timer := time.NewTimer(leaveGrace)
	defer timer.Stop()
	select {
	case <-r.idle:
	case <-timer.C:
	}
}
