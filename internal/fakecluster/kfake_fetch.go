package fakecluster

import (
	"math"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A fetch session keeps offsets inside kfake, where they can't be seen, and a
// fetch that is answered beside kfake (see kfake_compact.go) would not be in it.
// So every fetch is made one without a session, as a broker whose session slots
// are used up does.
//
// And an answer that MaxBytes cuts lacks the aborted transactions of the partition in
// which that happens, of which a client then shows what was aborted. One that
// PartitionMaxBytes cuts has them. So kfake gets the limit in the latter form.

func (c *Cluster) handleFetch(k *kfake.Cluster, r kmsg.Request) (kmsg.Response, error, bool) { //nolint:revive // as in kfake
	req := r.(*kmsg.FetchRequest)
	req.SessionID, req.SessionEpoch = 0, -1
	limitPartitions(req)
	resp, ok := c.serve(k, req)
	return resp, nil, ok
}

// limitPartitions shares out MaxBytes among the partitions, in their order and each as
// much as it asks for. One that gets nothing is answered with one batch at most, and
// only if those before it had none, as it has to be.
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
