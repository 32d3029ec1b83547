package fakecluster

import (
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kfake ends transactions in one step, so no client ever meets CONCURRENT_TRANSACTIONS, or an
// answer that comes before the markers. It aborts overdue transactions to the millisecond. It
// takes a late abort of a fenced owner for a repeated one, and hands it the epoch of the new
// owner. It forgets open transactions when it restarts, and its coordinators neither move nor
// load.
//
// So the coordinator is implemented here, by the rules of Kafka's: its states are in
// txn_state.go, its delays in coordinator.go. kfake still keeps the log and takes batches. It
// writes the markers that WriteTxnMarkers tells it to write, and from them knows the last
// stable offset and which batches were aborted. It treats the producers as idempotent ones
// without transactions. What a leader checks about a transaction is in kfake_transactions.go.
//
// In a cluster with users, the rights on a transactional id are checked only by
// FindCoordinator, which kfake answers.

// maxTxnTimeout returns Kafka's transaction.max.timeout.ms.
func (c *Cluster) maxTxnTimeout() time.Duration {
	return c.brokerTime("transaction.max.timeout.ms", 15*time.Minute)
}

func (c *Cluster) handleInitProducer(k *kfake.Cluster, kr kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	req := kr.(*kmsg.InitProducerIDRequest)
	if req.TransactionalID == nil {
		return nil, nil, false
	}
	resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
	resp.ProducerID, resp.ProducerEpoch = noProducer, noEpoch
	p, e := c.initProducer(k, req)
	if e != nil {
		resp.ErrorCode = e.Code
	} else {
		resp.ProducerID, resp.ProducerEpoch = p.id, p.epoch
	}
	return resp, nil, true
}

func (c *Cluster) initProducer(k *kfake.Cluster, req *kmsg.InitProducerIDRequest) (producerEpoch, *kerr.Error) {
	id := *req.TransactionalID
	timeout := time.Duration(req.TransactionTimeoutMillis) * time.Millisecond
	switch {
	case id == "":
		return producerEpoch{}, kerr.InvalidRequest
	case timeout <= 0 || timeout > c.maxTxnTimeout():
		return producerEpoch{}, kerr.InvalidTransactionTimeout
	}
	if e := c.unable(k, id); e != nil {
		return producerEpoch{}, e
	}
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	t := c.lookup(id)
	if t == nil {
		producer, ok := c.takeProducer()
		if !ok {
			return producerEpoch{}, kerr.CoordinatorLoadInProgress
		}
		t = newTxnID(id, producer)
		t.updated = time.Now()
		c.txns.ids[id] = t
	}
	if e := c.reserve(t); e != nil {
		return producerEpoch{}, e
	}
	var expected *producerEpoch
	if req.ProducerID >= 0 && req.ProducerEpoch >= 0 {
		expected = &producerEpoch{req.ProducerID, req.ProducerEpoch}
	}
	was := t.state
	p, e := t.init(time.Now(), timeout, expected, c.peekProducer())
	c.used(t)
	if was == txnOngoing && t.preparing() {
		c.finishSoon(t)
	}
	return p, e
}

// reserve makes sure that there is a spare producer id if the producer is about to run out of
// epochs. The caller holds stateMu.
func (c *Cluster) reserve(t *txnID) *kerr.Error {
	if t.epoch < lastEpochOf || c.peekProducer() != noProducer {
		return nil
	}
	if id, ok := c.takeProducer(); ok {
		c.txns.spare = append(c.txns.spare, id)
		return nil
	}
	return kerr.CoordinatorLoadInProgress
}

// used removes a producer id from the reserve if the transactional id now uses it.
func (c *Cluster) used(t *txnID) {
	c.txns.spare = slices.DeleteFunc(c.txns.spare, func(id int64) bool {
		return id == t.producer || id == t.nextProducer
	})
}

func (c *Cluster) handleAddPartitions(k *kfake.Cluster, kr kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	req := kr.(*kmsg.AddPartitionsToTxnRequest)
	resp := req.ResponseKind().(*kmsg.AddPartitionsToTxnResponse)
	if req.Version >= 4 {
		resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code // only brokers may do this
		return resp, nil, true
	}
	var parts []partition
	missing := make(map[partition]bool)
	for _, rt := range req.Topics {
		for _, n := range rt.Partitions {
			tp := partition{rt.Topic, n}
			parts = append(parts, tp)
			if k.PartitionInfo(tp.topic, tp.n) == nil {
				missing[tp] = true
			}
		}
	}
	var e *kerr.Error
	if len(missing) == 0 {
		e = c.addPartitions2(k, req.TransactionalID, producerEpoch{req.ProducerID, req.ProducerEpoch}, parts, false)
	}
	for _, rt := range req.Topics {
		st := kmsg.NewAddPartitionsToTxnResponseTopic()
		st.Topic = rt.Topic
		for _, n := range rt.Partitions {
			sp := kmsg.NewAddPartitionsToTxnResponseTopicPartition()
			sp.Partition = n
			switch {
			case missing[partition{rt.Topic, n}]:
				sp.ErrorCode = kerr.UnknownTopicOrPartition.Code
			case len(missing) > 0:
				sp.ErrorCode = kerr.OperationNotAttempted.Code
			case e != nil:
				sp.ErrorCode = e.Code
			}
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	return resp, nil, true
}

// addPartitions2 adds partitions to a transaction, for a client, or for a leader that got a
// batch from a client of transaction.version 2.
func (c *Cluster) addPartitions2(k *kfake.Cluster, id string, p producerEpoch, parts []partition, leader bool) *kerr.Error {
	if id == "" {
		return kerr.InvalidRequest
	}
	if !leader {
		if e := c.unable(k, id); e != nil {
			return e
		}
	}
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	t := c.lookup(id)
	if t == nil {
		return kerr.InvalidProducerIDMapping
	}
	run := t.run
	e := t.add(time.Now(), p, parts, leader)
	if t.run != run {
		c.began(t)
	}
	return e
}

func (c *Cluster) handleEndTxn(k *kfake.Cluster, kr kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	req := kr.(*kmsg.EndTxnRequest)
	resp := req.ResponseKind().(*kmsg.EndTxnResponse)
	resp.ProducerID, resp.ProducerEpoch = noProducer, noEpoch
	next, e := c.endTxn(k, req)
	if e != nil {
		resp.ErrorCode = e.Code
	} else {
		resp.ProducerID, resp.ProducerEpoch = next.id, next.epoch
	}
	return resp, nil, true
}

func (c *Cluster) endTxn(k *kfake.Cluster, req *kmsg.EndTxnRequest) (producerEpoch, *kerr.Error) {
	if req.TransactionalID == "" {
		return producerEpoch{}, kerr.InvalidRequest
	}
	if e := c.unable(k, req.TransactionalID); e != nil {
		return producerEpoch{}, e
	}
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	t := c.lookup(req.TransactionalID)
	if t == nil {
		return producerEpoch{}, kerr.InvalidProducerIDMapping
	}
	if e := c.reserve(t); e != nil {
		return producerEpoch{}, e
	}
	next, begun, e := t.end(time.Now(), producerEpoch{req.ProducerID, req.ProducerEpoch}, req.Commit, req.Version >= 5, c.peekProducer())
	c.used(t)
	if begun {
		c.finishSoon(t)
	}
	return next, e
}

func (c *Cluster) handleDescribeTransactions(k *kfake.Cluster, kr kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	req := kr.(*kmsg.DescribeTransactionsRequest)
	resp := req.ResponseKind().(*kmsg.DescribeTransactionsResponse)
	for _, id := range req.TransactionalIDs {
		st := kmsg.NewDescribeTransactionsResponseTransactionState()
		st.TransactionalID, st.StartTimestamp, st.ProducerID, st.ProducerEpoch = id, -1, noProducer, noEpoch
		if e := c.unable(k, id); e != nil {
			st.ErrorCode = e.Code
		} else {
			c.describeTxn(id, &st)
		}
		resp.TransactionStates = append(resp.TransactionStates, st)
	}
	return resp, nil, true
}

func (c *Cluster) describeTxn(id string, st *kmsg.DescribeTransactionsResponseTransactionState) {
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	t := c.lookup(id)
	if t == nil {
		st.ErrorCode = kerr.TransactionalIDNotFound.Code
		return
	}
	st.State, st.TimeoutMillis = t.state.String(), int32(t.timeout.Milliseconds())
	st.ProducerID, st.ProducerEpoch = t.producer, t.epoch
	if t.state == txnOngoing || t.preparing() {
		st.StartTimestamp = t.started.UnixMilli()
	}
	for _, tp := range t.parts {
		if n := len(st.Topics); n == 0 || st.Topics[n-1].Topic != tp.topic {
			topic := kmsg.NewDescribeTransactionsResponseTransactionStateTopic()
			topic.Topic = tp.topic
			st.Topics = append(st.Topics, topic)
		}
		last := &st.Topics[len(st.Topics)-1]
		last.Partitions = append(last.Partitions, tp.n)
	}
}

func (c *Cluster) handleListTransactions(k *kfake.Cluster, kr kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	req := kr.(*kmsg.ListTransactionsRequest)
	if req.TransactionalIDPattern != nil && *req.TransactionalIDPattern != "" {
		return nil, nil, false // kfake has no ids to match, but reports errors in the pattern
	}
	resp := req.ResponseKind().(*kmsg.ListTransactionsResponse)
	node := k.CurrentNode()
	for _, t := range c.listed() {
		if c.coordinatorIn(k, t.id) != node || !wanted(req, &t) {
			continue
		}
		st := kmsg.NewListTransactionsResponseTransactionState()
		st.TransactionalID, st.ProducerID, st.TransactionState = t.id, t.producer, t.state.String()
		resp.TransactionStates = append(resp.TransactionStates, st)
	}
	return resp, nil, true
}

// listed returns copies of all transactional ids, sorted.
func (c *Cluster) listed() []txnID {
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	var out []txnID
	for id := range c.txns.ids {
		if t := c.lookup(id); t != nil {
			out = append(out, *t)
		}
	}
	slices.SortFunc(out, func(a, b txnID) int { return strings.Compare(a.id, b.id) })
	return out
}

func wanted(req *kmsg.ListTransactionsRequest, t *txnID) bool {
	if len(req.StateFilters) > 0 && !slices.Contains(req.StateFilters, t.state.String()) {
		return false
	}
	if len(req.ProducerIDFilters) > 0 && !slices.Contains(req.ProducerIDFilters, t.producer) {
		return false
	}
	if req.Version >= 1 && req.DurationFilterMillis >= 0 {
		open := t.state == txnOngoing || t.preparing()
		return open && time.Since(t.started).Milliseconds() > req.DurationFilterMillis
	}
	return true
}

// handleFindCoordinator answers for transactional ids whose coordinator was moved.
func (c *Cluster) handleFindCoordinator(k *kfake.Cluster, kr kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	req := kr.(*kmsg.FindCoordinatorRequest)
	if req.CoordinatorType != 1 {
		return nil, nil, false
	}
	keys := req.CoordinatorKeys
	if req.Version <= 3 {
		keys = []string{req.CoordinatorKey}
	}
	c.stateMu.Lock()
	if len(c.txns.spare) == 0 {
		c.takeProducer() // so that there is one when the client asks for it
	}
	moved := slices.ContainsFunc(keys, func(id string) bool { _, ok := c.txns.moved[id]; return ok })
	c.stateMu.Unlock()
	if !moved {
		return nil, nil, false
	}
	resp := req.ResponseKind().(*kmsg.FindCoordinatorResponse)
	for _, id := range keys {
		sc := kmsg.NewFindCoordinatorResponseCoordinator()
		sc.Key, sc.NodeID, sc.Host = id, c.coordinatorIn(k, id), "127.0.0.1"
		sc.Port = int32(c.ports[sc.NodeID])
		resp.Coordinators = append(resp.Coordinators, sc)
		resp.NodeID, resp.Host, resp.Port = sc.NodeID, sc.Host, sc.Port
	}
	return resp, nil, true
}
