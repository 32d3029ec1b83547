package fakecluster

import (
	"math"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kfake keeps the offsets of a fetch session where they can't be seen from here, and it would
// not notice fetches that are answered without it (see kfake_compact.go). So every fetch is
// changed into one without a session, as by a broker whose session slots are used up.
//
// Also, if kfake cuts an answer because of MaxBytes, it leaves out the aborted transactions of
// the partition in which it cuts, so that a client shows aborted records. If it cuts because of
// PartitionMaxBytes, it includes them. So MaxBytes is turned into limits for partitions.

func (c *Cluster) handleFetch(k *kfake.Cluster, r kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	req := r.(*kmsg.FetchRequest)
	req.SessionID, req.SessionEpoch = 0, -1
	limitPartitions(req)
	resp, ok := c.serve(k, req)
	return resp, nil, ok
}

// limitPartitions divides MaxBytes among the partitions in their order. Each gets as much as
// it asks for, as long as something is left. A partition that gets nothing is answered with
// one batch at most, and only if the partitions before it had none, as Kafka does.
func limitPartitions(req *kmsg.FetchRequest) {
	room := max(req.MaxBytes, 0)
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			most := &req.Topics[i].Partitions[j].PartitionMaxBytes
			*most = min(max(*most, 0), room)
			room -= *most
		}
	}
	req.MaxBytes = math.MaxInt32
}
