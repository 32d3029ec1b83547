package fakecluster

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kfake answers OffsetForLeaderEpoch from the epochs of its batches. If an epoch ended and no
// record follows, it answers that the epoch is not known, and kgo concludes that data was
// lost although nothing was. Kafka keeps a list of the offsets at which epochs started, adds
// to it at each election, and answers from that list. The code here does the same: [Cluster]
// holds every election, so it knows the list.

func (c *Cluster) handleEpochs(k *kfake.Cluster, req kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	resp, ok := c.answerEpochs(k, req.(*kmsg.OffsetForLeaderEpochRequest))
	return resp, nil, ok
}

// describing lists the rights that let a user ask for epochs. One of them is enough.
var describing = []kmsg.ACLOperation{kmsg.ACLOperationDescribe, kmsg.ACLOperationRead, kmsg.ACLOperationWrite}

// answerEpochs answers a request that names known partitions only. If not every user has the
// right to ask, the request is left to kfake, which knows who sent it, provided that kfake
// knows the answer. If it does not, the answer is an error that makes the client ask again.
func (c *Cluster) answerEpochs(k *kfake.Cluster, req *kmsg.OffsetForLeaderEpochRequest) (kmsg.Response, bool) {
	node := k.CurrentNode()
	resp := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
	for _, rt := range req.Topics {
		st := kmsg.NewOffsetForLeaderEpochResponseTopic()
		st.Topic = rt.Topic
		for _, rp := range rt.Partitions {
			info := k.PartitionInfo(rt.Topic, rp.Partition)
			p := c.part(partition{rt.Topic, rp.Partition})
			if info == nil || p == nil {
				return nil, false
			}
			sp := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			sp.Partition = rp.Partition
			sp.LeaderEpoch, sp.EndOffset = -1, -1
			switch {
			case info.Leader != node:
				sp.ErrorCode = kerr.NotLeaderForPartition.Code
			case rp.CurrentLeaderEpoch >= 0 && rp.CurrentLeaderEpoch < info.Epoch:
				sp.ErrorCode = kerr.FencedLeaderEpoch.Code
			case rp.CurrentLeaderEpoch > info.Epoch:
				sp.ErrorCode = kerr.UnknownLeaderEpoch.Code
			case c.everyoneMay(rt.Topic, describing...):
				c.stateMu.Lock()
				sp.LeaderEpoch, sp.EndOffset = epochEnd(sinceStart(p.epochs, info.LogStartOffset), rp.LeaderEpoch, info.HighWatermark)
				c.stateMu.Unlock()
			case c.kfakeKnows(p, rp.LeaderEpoch, info):
				return nil, false
			default:
				sp.ErrorCode = kerr.LeaderNotAvailable.Code
			}
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	return resp, true
}

// kfakeKnows reports whether kfake can find the end of an epoch in its batches: a batch of a
// later epoch follows, or the epoch is the present one.
func (c *Cluster) kfakeKnows(p *part, epoch int32, info *kfake.PartitionInfo) bool {
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	return epoch >= info.Epoch || slices.ContainsFunc(p.epochs, func(e epochStart) bool {
		return e.epoch > epoch && e.start < info.HighWatermark
	})
}

// sinceStart returns what Kafka keeps of a list of epochs once the log begins at start: it
// forgets those that ended there or below, and says of the first one left that it started
// there (LeaderEpochFileCache.truncateFromStart).
func sinceStart(epochs []epochStart, start int64) []epochStart {
	if start == 0 {
		return epochs // nothing was deleted
	}
	for i, e := range slices.Backward(epochs) {
		if e.start <= start {
			left := slices.Clone(epochs[i:])
			left[0].start = start
			return left
		}
	}
	return epochs
}

// epochEnd returns the largest epoch that is not above the one asked for, and the offset at
// which it ended (KIP-101, KIP-320). -1 means not known.
func epochEnd(epochs []epochStart, asked int32, end int64) (int32, int64) {
	if len(epochs) == 0 || asked < 0 || asked > epochs[len(epochs)-1].epoch {
		return -1, -1
	}
	for i := len(epochs) - 1; i >= 0; i-- {
		if epochs[i].epoch <= asked {
			return epochs[i].epoch, end
		}
		end = epochs[i].start
	}
	return asked, end
}
