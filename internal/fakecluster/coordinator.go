package fakecluster

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/simnet"
)

// Coordinator says how slow the coordinator of transactions is. The delays are drawn from
// the seed and the transactional id.
type Coordinator struct {
	Seed uint64
	// Markers is the longest time from the answer to EndTxn until the markers are in
	// the log. During that time, requests about the transactional id are answered
	// with CONCURRENT_TRANSACTIONS, and a batch of the next transaction with
	// NOT_ENOUGH_REPLICAS. 0 means 200 µs, which is short because a client that is
	// not the kit's waits for its MetadataMinAge after NOT_ENOUGH_REPLICAS.
	Markers time.Duration
	// Scan is the time between two scans for transactions that have been open for
	// too long. A transaction is aborted up to that much after its timeout. 0 means
	// 10 s, as in Kafka.
	Scan time.Duration
}

// coordinator is the state of all coordinators of a cluster. It outlives the brokers, as in
// Kafka, which keeps it in a log. Guarded by Cluster.stateMu.
type coordinator struct {
	born    time.Time
	phase   time.Duration // when in each period of Coordinator.Scan the scan happens
	ids     map[string]*txnID
	moved   map[string]int32         // coordinators that are not where kfake has them
	done    map[string]chan struct{} // closed at the next Complete
	spare   []int64                  // unused producer ids that kfake gave
	filling bool
	timers  map[*time.Timer]bool
}

func newCoordinator(o Coordinator) coordinator {
	rng := rand.New(rand.NewPCG(o.Seed, 0x636f6f7264))
	return coordinator{
		born: time.Now(), phase: time.Duration(rng.Int64N(int64(o.scan()))).Truncate(simnet.Round),
		ids: make(map[string]*txnID), moved: make(map[string]int32),
		done: make(map[string]chan struct{}), timers: make(map[*time.Timer]bool),
	}
}

func (o Coordinator) scan() time.Duration {
	if o.Scan > 0 {
		return o.Scan
	}
	return 10 * time.Second
}

// markersAfter draws how long the markers of a transaction take, up to most. It is a whole
// number of rounds, so that the harness stays in its own lane.
func (o Coordinator) markersAfter(t *txnID, most time.Duration) time.Duration {
	h := o.Seed
	for _, b := range []byte(t.id) {
		h = h*1099511628211 ^ uint64(b)
	}
	rng := rand.New(rand.NewPCG(h, uint64(t.run)<<16|uint64(uint16(t.epoch))))
	return max(simnet.Round, time.Duration(rng.Int64N(int64(most))).Truncate(simnet.Round))
}

// after calls fn once d has passed, unless the cluster is closed before that. The caller
// holds stateMu.
func (c *Cluster) after(d time.Duration, fn func()) {
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		c.stateMu.Lock()
		_, live := c.txns.timers[t]
		delete(c.txns.timers, t)
		c.stateMu.Unlock()
		if live {
			fn()
		}
	})
	c.txns.timers[t] = true
}

// stopTimers is called by Close.
func (c *Cluster) stopTimers() {
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	for t := range c.txns.timers {
		t.Stop()
	}
	clear(c.txns.timers)
}

// began is called when a transaction has been opened. It arranges that the first scan that
// finds the transaction open for too long aborts it. The caller holds stateMu.
func (c *Cluster) began(t *txnID) {
	run := t.run
	every := c.opts.Coordinator.scan()
	over := t.started.Add(t.timeout)
	scan := c.txns.born.Add(c.txns.phase)
	if late := over.Sub(scan); late > 0 {
		scan = scan.Add((late + every - 1).Truncate(every))
	}
	c.after(time.Until(scan), func() { c.scanned(t, run) })
}

// scanned is called by the scan at which a transaction has been open for too long.
func (c *Cluster) scanned(t *txnID, run int) {
	node, err := c.CoordinatorOf(t.id)
	if err != nil {
		return
	}
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	if c.txns.ids[t.id] != t || t.run != run || t.state != txnOngoing {
		return
	}
	if c.down[node] {
		c.after(c.opts.Coordinator.scan(), func() { c.scanned(t, run) })
		return
	}
	t.fence(time.Now())
	c.finishSoon(t)
}

// finishSoon arranges that the markers of a prepared transaction are written after a delay.
// The caller holds stateMu.
func (c *Cluster) finishSoon(t *txnID) {
	c.txns.done[t.id] = make(chan struct{})
	c.after(c.opts.Coordinator.markersAfter(t, c.slowestMarkers()), func() { c.finish(t) })
}

// slowestMarkers returns how long the markers of a transaction that ends now may take.
// The caller holds stateMu.
func (c *Cluster) slowestMarkers() time.Duration {
	most := c.opts.Coordinator.Markers
	if most <= 0 {
		most = 200 * time.Microsecond
	}
	for _, r := range c.rules {
		if r.markers > 0 && r.take() {
			most = max(most, r.markers)
		}
	}
	return most
}

// SlowMarkers makes the markers of a transaction come up to most later than its end, until
// it is undone. It has no effect if most is less than the cluster's own
// [Coordinator.Markers]. Hits counts the transactions that ended.
func (c *Cluster) SlowMarkers(most time.Duration) (Effect, error) {
	if most <= 0 || most >= wireTimeout {
		return nil, fmt.Errorf("fakecluster: markers can't take %v: the harness waits for less than %v", most, wireTimeout)
	}
	r := &rule{markers: most}
	return r, c.add(r, 0)
}

// finish writes the markers that are missing and completes the transaction. If a leader is
// down, it tries again later.
func (c *Cluster) finish(t *txnID) {
	c.stateMu.Lock()
	parts, p, commit := slices.Clone(t.parts), t.current(), t.state == txnPrepareCommit
	c.stateMu.Unlock()
	for _, tp := range parts {
		if !c.mark(tp, p, commit) {
			c.stateMu.Lock()
			c.after(10*time.Millisecond, func() { c.finish(t) })
			c.stateMu.Unlock()
			return
		}
		c.stateMu.Lock()
		t.parts = slices.DeleteFunc(t.parts, func(o partition) bool { return o == tp })
		c.stateMu.Unlock()
	}
	c.commitOffsets(t, commit)
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	t.complete(time.Now())
	if done := c.txns.done[t.id]; done != nil {
		close(done)
		delete(c.txns.done, t.id)
	}
}

// mark writes a marker. It reports whether that is settled, which it also is if the
// partition no longer exists.
func (c *Cluster) mark(tp partition, p producerEpoch, commit bool) bool {
	c.op.lock() // not while the log is being replaced
	defer c.op.unlock()
	info, err := c.Partition(tp.topic, tp.n)
	if err != nil {
		return true
	}
	c.stateMu.Lock()
	down := c.down[info.Leader]
	c.stateMu.Unlock()
	return !down && c.writeMarker(info.Leader, tp, p.id, p.epoch, commit) == nil
}

// CoordinatorOf returns the broker that coordinates a transactional id.
func (c *Cluster) CoordinatorOf(id string) (int32, error) {
	var node int32
	err := c.do(func(k *kfake.Cluster) error {
		node = c.coordinatorIn(k, id)
		return nil
	})
	return node, err
}

func (c *Cluster) coordinatorIn(k *kfake.Cluster, id string) int32 {
	c.stateMu.Lock()
	node, moved := c.txns.moved[id]
	c.stateMu.Unlock()
	if moved {
		return node
	}
	return k.CoordinatorFor(id)
}

// MoveCoordinator makes a broker the coordinator of a transactional id. The state of the id
// moves with it. The former coordinator answers NOT_COORDINATOR from then on.
func (c *Cluster) MoveCoordinator(id string, to int32) error {
	if err := c.checkBroker(to); err != nil {
		return err
	}
	return c.do(func(*kfake.Cluster) error {
		c.stateMu.Lock()
		defer c.stateMu.Unlock()
		c.txns.moved[id] = to
		return nil
	})
}

// moveCoordinators moves all transactional ids that one broker coordinates to another.
func (c *Cluster) moveCoordinators(from, to int32) error {
	c.stateMu.Lock()
	ids := slices.Sorted(maps.Keys(c.txns.ids))
	c.stateMu.Unlock()
	for _, id := range ids {
		node, err := c.CoordinatorOf(id)
		if err != nil {
			return err
		}
		if node != from {
			continue
		}
		if err := c.MoveCoordinator(id, to); err != nil {
			return err
		}
	}
	return nil
}

// LoadCoordinators makes brokers answer that they are still loading the state of their
// transactional ids (COORDINATOR_LOAD_IN_PROGRESS). If no broker is given, all do. The fault
// ends after count answers, or when it is undone; a count of 0 means only then. Hits counts
// the answers.
func (c *Cluster) LoadCoordinators(count int, brokers ...int32) (Effect, error) {
	if err := c.checkBroker(brokers...); err != nil {
		return nil, err
	}
	r := &rule{loading: true, brokers: brokers}
	return r, c.add(r, count)
}

// unable returns why a broker can't coordinate a transactional id now, or nil if it can.
func (c *Cluster) unable(k *kfake.Cluster, id string) *kerr.Error {
	node := k.CurrentNode()
	if c.coordinatorIn(k, id) != node {
		return kerr.NotCoordinator
	}
	return c.loads(node)
}

// loads returns the error of a broker that is loading what it coordinates, nil if it is not.
func (c *Cluster) loads(node int32) *kerr.Error {
	c.stateMu.Lock()
	rules := slices.Clone(c.rules)
	c.stateMu.Unlock()
	for _, r := range rules {
		if r.loading && among(r.brokers, node) && r.take() {
			return kerr.CoordinatorLoadInProgress
		}
	}
	return nil
}

// lookup returns a transactional id, or nil if it does not exist or has expired. The
// caller holds stateMu.
func (c *Cluster) lookup(id string) *txnID {
	t := c.txns.ids[id]
	if t == nil {
		return nil
	}
	if t.state != txnOngoing && !t.preparing() && time.Since(t.updated) > c.idExpiry() {
		delete(c.txns.ids, id)
		return nil
	}
	return t
}

// idExpiry returns Kafka's transactional.id.expiration.ms.
func (c *Cluster) idExpiry() time.Duration {
	return c.brokerTime("transactional.id.expiration.ms", 7*24*time.Hour)
}

// brokerTime returns a configuration of the brokers that is a time in milliseconds.
func (c *Cluster) brokerTime(name string, def time.Duration) time.Duration {
	ms, err := strconv.ParseInt(c.opts.BrokerConfigs[name], 10, 64)
	if err != nil {
		return def
	}
	return time.Duration(ms) * time.Millisecond
}

// spares is the number of producer ids that are kept in reserve.
const spares = 4

// takeProducer takes an unused producer id from the reserve. It returns false if the
// reserve is empty at the moment and is being filled. The caller holds stateMu.
func (c *Cluster) takeProducer() (int64, bool) {
	if len(c.txns.spare) <= 1 && !c.txns.filling {
		c.txns.filling = true
		go func() { _ = c.fillProducers() }()
	}
	if len(c.txns.spare) == 0 {
		return noProducer, false
	}
	id := c.txns.spare[0]
	c.txns.spare = c.txns.spare[1:]
	return id, true
}

// peekProducer is like takeProducer, but leaves the id in the reserve, since it may not be
// needed.
func (c *Cluster) peekProducer() int64 {
	if len(c.txns.spare) == 0 {
		return noProducer
	}
	return c.txns.spare[0]
}

// fillProducers gets producer ids from kfake, which accepts batches only from ids that it
// gave out itself.
func (c *Cluster) fillProducers() error {
	defer func() {
		c.stateMu.Lock()
		c.txns.filling = false
		c.stateMu.Unlock()
	}()
	for range spares {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.Version = 2
		resp, err := c.request(0, req)
		if err == nil {
			err = kerr.ErrorForCode(resp.(*kmsg.InitProducerIDResponse).ErrorCode)
		}
		if err != nil {
			return fmt.Errorf("fakecluster: get a producer id: %w", err)
		}
		c.stateMu.Lock()
		c.txns.spare = append(c.txns.spare, resp.(*kmsg.InitProducerIDResponse).ProducerID)
		c.stateMu.Unlock()
	}
	return nil
}
