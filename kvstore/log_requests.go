package kvstore

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore/internal/brief"
)

// requests sends requests through a kgo client and returns when their contexts end, which
// kgo does not while it sets up a connection: it waits for the answers to ApiVersions and
// SASL without a context. Requests to a certain broker (kgo.Broker.Request) are not
// affected. It is safe for concurrent use.
type requests struct {
	cl    *kgo.Client
	quota *quota // what brokers told cl about quotas
	met   atomic.Pointer[met]

	mu      sync.Mutex
	running int
	left    int // questions of beside that go on with nobody waiting for them
	over    bool
	idle    chan struct{} // closed when over and nothing runs
}

var _ kmsg.Requestor = (*requests)(nil)

func newRequests(cl *kgo.Client, q *quota) *requests {
	return &requests{cl: cl, quota: q, idle: make(chan struct{})}
}

// Request is part of kmsg.Requestor. It asks one broker, and others in parallel while none
// answers. req is not written to.
func (r *requests) Request(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	resp, _, err := r.ask(ctx, req)
	return resp, err
}

// ask is Request that also returns who answered.
func (r *requests) ask(ctx context.Context, req kmsg.Request) (kmsg.Response, kgo.BrokerMetadata, error) {
	defer asking(ctx, kmsg.NameForKey(req.Key()), anyBroker, 0).answered(ctx)
	shard, err := beside(ctx, r, func(ctx context.Context, _ int) (kgo.ResponseShard, error) {
		shard := r.cl.RequestSharded(ctx, copied(req))[0] // one broker's, unless req has to be split
		return shard, shard.Err
	})
	return shard.Resp, shard.Meta, brief.Error(err)
}

// copied returns a request to send in place of req: kgo writes to what it sends.
func copied(req kmsg.Request) kmsg.Request {
	c := reflect.New(reflect.TypeOf(req).Elem())
	c.Elem().Set(reflect.ValueOf(req).Elem())
	return c.Interface().(kmsg.Request)
}

// at sends a request to a certain broker, once. When the kgo client does not know the
// broker, or has forgotten it, all brokers are looked up first: kgo would do it by asking
// one broker after the other.
func (r *requests) at(ctx context.Context, node int32, req kmsg.Request) (kmsg.Response, error) {
	b := r.cl.Broker(int(node))
	if !r.knows(b, node) {
		if err := r.learn(ctx); err != nil {
			return nil, err
		}
	}
	resp, err := b.Request(ctx, req)
	if err != nil {
		r.met.Store(nil)
	}
	return resp, brief.Error(err)
}

// met is a broker that the kgo client knew at a moment, and whose answers have had no
// error since.
type met struct {
	node int32
	at   time.Time
}

// metLasts is how long such a broker counts as known.
const metLasts = time.Second

// knows reports whether the kgo client knows a broker. To find out it has to list all of them,
// which takes some percent of a write where there are many.
func (r *requests) knows(b *kgo.Broker, node int32) bool {
	now := time.Now()
	if m := r.met.Load(); m != nil && m.node == node && now.Sub(m.at) < metLasts {
		return true
	}
	known := slices.ContainsFunc(r.cl.DiscoveredBrokers(), func(known *kgo.Broker) bool { return *known == *b })
	if known {
		r.met.Store(&met{node, now})
	}
	return known
}

// learn makes the kgo client learn the brokers' addresses.
func (r *requests) learn(ctx context.Context) error {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{} // nil would ask for all topics
	_, err := req.RequestWith(ctx, r)
	return err
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
// for those under way. A dialer that ignores its context must not delay that: what then
// remains ends on its own. It is called once.
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
