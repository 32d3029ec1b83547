package fakecluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/simnet"
)

// ErrUndone is returned by Wait if the fault is undone or used up before it has reached the
// awaited number of hits.
var ErrUndone = errors.New("fakecluster: fault undone before it took effect often enough")

// Effect is a fault that lasts; those of package simnet are Effects, too. Hits returns the
// number of times that it has taken effect. Wait blocks until there are n hits; it returns
// an error if ctx, the fault or the cluster ends before that. Undo ends the fault.
type Effect interface {
	Hits() int
	Wait(ctx context.Context, n int) error
	Undo()
}

// rule is a fault inside the brokers. It stays in effect when the brokers are restarted.
type rule struct {
	c *Cluster
	// answer, if not nil, is a handler that gets requests of one key before all
	// other handlers. It calls take when the fault takes effect.
	key    kmsg.Key
	answer handler
	// lagging is a broker that is out of sync, or nil; see kfake_replicas.go.
	lagging *int32
	// loading says that coordinators are loading their state; see coordinator.go.
	loading bool
	// markers is how long markers may take; see coordinator.go.
	markers time.Duration
	brokers []int32
	// forget makes brokers forget producers at elections; see kfake_producers.go.
	forget *Forget
	// install, if not nil, is called for each new kfake.
	install func(*kfake.Cluster)

	simnet.Counter
}

var _ Effect = (*rule)(nil)

func (r *rule) Wait(ctx context.Context, n int) error {
	return r.Await(ctx, n, ErrUndone, r.c.done, ErrClosed)
}

func (r *rule) Undo() {
	r.End()
	r.c.stateMu.Lock()
	r.c.rules = slices.DeleteFunc(r.c.rules, func(o *rule) bool { return o == r })
	r.c.stateMu.Unlock()
}

// take counts a hit. It reports false if the rule has ended.
func (r *rule) take() bool {
	took, _ := r.Take()
	return took
}

// add installs a rule. A count of 0 means no limit.
func (c *Cluster) add(r *rule, count int) error {
	r.c = c
	r.Limit(count)
	return c.do(func(k *kfake.Cluster) error {
		c.stateMu.Lock()
		c.rules = append(c.rules, r)
		c.stateMu.Unlock()
		if r.install != nil {
			r.install(k)
		}
		return nil
	})
}

// ProduceFault selects produce requests and says how they fail.
type ProduceFault struct {
	// Topic limits the fault to requests that carry this topic; empty means
	// all.
	Topic string
	// Err is the error in the answer. It must be set.
	Err *kerr.Error
	// AfterAppend says to fail the request after its records were appended. Err
	// must then be REQUEST_TIMED_OUT or NOT_ENOUGH_REPLICAS_AFTER_APPEND.
	AfterAppend bool
	// Count is the number of requests to fail; 0 means until undone.
	Count int
}

// FailProduces makes produce requests of clients fail. With AfterAppend, a request counts as
// a hit even if its batch was a duplicate, or if the broker was no longer the leader.
func (c *Cluster) FailProduces(f ProduceFault) (Effect, error) {
	if f.Err == nil {
		return nil, errors.New("fakecluster: fail produces: Err is not set: choose one of package kerr")
	}
	if f.AfterAppend && f.Err != kerr.RequestTimedOut && f.Err != kerr.NotEnoughReplicasAfterAppend {
		return nil, fmt.Errorf("fakecluster: fail produces: %v cannot come after the append: use REQUEST_TIMED_OUT or NOT_ENOUGH_REPLICAS_AFTER_APPEND, or simnet's LoseAnswer", f.Err.Message)
	}
	r := &rule{key: kmsg.Produce}
	if f.AfterAppend {
		r.install = func(k *kfake.Cluster) { c.installAfter(k, r, f) }
	} else {
		r.answer = func(_ *kfake.Cluster, req kmsg.Request) (kmsg.Response, error, bool) {
			return c.failBefore(r, f, req.(*kmsg.ProduceRequest))
		}
	}
	return r, c.add(r, f.Count)
}

// matches reports whether the fault selects a produce request.
func (c *Cluster) matches(f ProduceFault, req *kmsg.ProduceRequest) bool {
	if req.TimeoutMillis == harnessTimeout || replayed(req) {
		return false
	}
	if f.Topic == "" {
		return true
	}
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	return slices.ContainsFunc(req.Topics, func(t kmsg.ProduceRequestTopic) bool {
		return t.Topic == f.Topic || req.Version >= 13 && c.topics[t.TopicID] == f.Topic
	})
}

func (c *Cluster) failBefore(r *rule, f ProduceFault, req *kmsg.ProduceRequest) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	if !c.matches(f, req) || !r.take() {
		return nil, nil, false
	}
	return refuse(req, f.Err)
}

// refuse answers a produce request with an error for all of its partitions.
func refuse(req *kmsg.ProduceRequest, e *kerr.Error) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	return refuseSome(req, func(int, int) *kerr.Error { return e })
}

// refuseSome answers a produce request with an error for each partition, which errs returns
// for its place in the request. Partitions for which errs returns nil are not appended to
// either; their answer is NOT_ENOUGH_REPLICAS, so that the client tries again.
func refuseSome(req *kmsg.ProduceRequest, errs func(topic, part int) *kerr.Error) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	var last *kerr.Error
	for i, t := range req.Topics {
		st := kmsg.NewProduceResponseTopic()
		st.Topic, st.TopicID = t.Topic, t.TopicID
		for j, p := range t.Partitions {
			e := errs(i, j)
			if e == nil {
				e = kerr.NotEnoughReplicas
			}
			last = e
			sp := kmsg.NewProduceResponseTopicPartition()
			sp.Partition, sp.ErrorCode, sp.BaseOffset = p.Partition, e.Code, -1
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	if req.Acks == 0 {
		return nil, last, true // Kafka has no other answer than to hang up
	}
	return resp, nil, true
}

func (c *Cluster) installAfter(k *kfake.Cluster, r *rule, f ProduceFault) {
	// kfake may call When several times for one request, on its own goroutine.
	var last kmsg.Request
	var verdict bool
	k.Fault(kfake.Fault{
		Keys:  []kmsg.Key{kmsg.Produce},
		Topic: f.Topic,
		Err:   f.Err,
		Count: -1,
		When: func(req kmsg.Request) bool {
			if req != last {
				last, verdict = req, c.matches(f, req.(*kmsg.ProduceRequest)) && r.take()
			}
			return verdict
		},
	})
}

// Slow makes brokers wait before they act on a request.
type Slow struct {
	Brokers []int32       // Brokers are the brokers that are slow; empty means all.
	Keys    []kmsg.Key    // Keys are the requests that are delayed; empty means produce.
	Delay   time.Duration // Delay is how long a request waits; 0 means until the fault is undone.
	Count   int           // Count is the number of requests to delay; 0 means until undone.
}

// SlowBroker delays requests before the brokers act on them. Requests of one connection stay
// in order, so those behind a delayed one wait too, as in Kafka. The delay is in the network,
// at the brokers' end. kfake's own way to delay a request (SleepControl) is not used: if
// requests of one connection sleep one after the other, it starts a second goroutine for the
// same queue.
func (c *Cluster) SlowBroker(s Slow) (Effect, error) {
	if s.Delay < 0 {
		return nil, fmt.Errorf("fakecluster: slow broker: delay %v is negative", s.Delay)
	}
	if s.Delay == 0 && s.Count != 0 {
		return nil, fmt.Errorf("fakecluster: slow broker: a count of %d needs a delay: requests that are held are held until the fault is undone", s.Count)
	}
	if err := c.checkBroker(s.Brokers...); err != nil {
		return nil, err
	}
	if err := c.do(func(*kfake.Cluster) error { return nil }); err != nil {
		return nil, err
	}
	if c.net == nil || c.opts.Network.Raw {
		return nil, ErrNeedsMemory
	}
	t := simnet.Target{Brokers: s.Brokers, Dir: simnet.ToBroker, Keys: []int16{int16(kmsg.Produce)}}
	if len(s.Keys) > 0 {
		t.Keys = nil
		for _, k := range s.Keys {
			t.Keys = append(t.Keys, int16(k))
		}
	}
	if s.Delay == 0 {
		return c.net.Stall(t), nil
	}
	return c.net.DelayNext(t, simnet.Latency{Min: s.Delay, Jitter: 1}, s.Count)
}
