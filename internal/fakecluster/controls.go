package fakecluster

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A handler gets a request before kfake does. If it returns true, the answer is sent, or,
// if there is an error, the connection is closed. Otherwise the request, which the handler
// may have changed, goes to the next handler and finally to kfake. Handlers run inside
// kfake's loop, one request at a time. They must not block, may call kfake's admin methods,
// and must take no lock but stateMu.
type handler func(k *kfake.Cluster, req kmsg.Request) (resp kmsg.Response, err error, done bool)

// handlers returns, by request, the handlers that make up for differences between kfake and
// Kafka, in the order in which they get the request. Faults get it before them.
func (c *Cluster) handlers() map[kmsg.Key][]handler {
	return map[kmsg.Key][]handler{
		kmsg.Produce:                 {c.checkReplicas, c.checkProducers, c.checkTransactions, c.noteAppends},
		kmsg.Fetch:                   {c.handleFetch},
		kmsg.Metadata:                {c.learnTopics},
		kmsg.ListOffsets:             nil,
		kmsg.OffsetForLeaderEpoch:    {c.handleEpochs},
		kmsg.DescribeConfigs:         nil,
		kmsg.CreateTopics:            {c.forgetConfigs},
		kmsg.DeleteTopics:            {c.forgetConfigs},
		kmsg.AlterConfigs:            {c.forgetConfigs, c.keepCleanerOff},
		kmsg.IncrementalAlterConfigs: {c.forgetConfigs, c.keepCleanerOff},
		kmsg.SASLAuthenticate:        {c.checkPassword},
		kmsg.FindCoordinator:         {c.handleFindCoordinator},
		kmsg.InitProducerID:          {c.handleInitProducer},
		kmsg.AddPartitionsToTxn:      {c.handleAddPartitions},
		kmsg.AddOffsetsToTxn:         {c.handleAddOffsets},
		kmsg.TxnOffsetCommit:         {c.handleTxnOffsetCommit},
		kmsg.EndTxn:                  {c.handleEndTxn},
		kmsg.WriteTxnMarkers:         {c.noteMarkers},
		kmsg.DescribeTransactions:    {c.handleDescribeTransactions},
		kmsg.ListTransactions:        {c.handleListTransactions},
		kmsg.DescribeProducers:       {c.handleDescribeProducers},
	}
}

// installHandlers makes a new kfake pass requests to the faults and the handlers first.
func (c *Cluster) installHandlers(k *kfake.Cluster) {
	for key, hs := range c.handlers() {
		k.ControlKey(int16(key), func(req kmsg.Request) (kmsg.Response, error, bool) {
			resp, err, done := c.handle(k, key, hs, req)
			if done {
				k.KeepControl()
			}
			return resp, err, done
		})
	}
}

func (c *Cluster) handle(k *kfake.Cluster, key kmsg.Key, hs []handler, req kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	if replayed(req) {
		return nil, nil, false
	}
	c.noteAsker(req)
	c.stateMu.Lock()
	rules, replaying := slices.Clone(c.rules), c.replaying
	c.stateMu.Unlock()
	if replaying {
		// No client may see a log that is not complete yet.
		if key == kmsg.WriteTxnMarkers || harnessLogin(req) {
			return nil, nil, false
		}
		return nil, ErrClosed, true
	}
	for _, r := range rules {
		if r.key != key || r.answer == nil || r.Over() {
			continue
		}
		if resp, err, done := r.answer(k, req); done {
			return resp, err, true
		}
	}
	for _, h := range hs {
		if resp, err, done := h(k, req); done {
			return resp, err, true
		}
	}
	return nil, nil, false
}
