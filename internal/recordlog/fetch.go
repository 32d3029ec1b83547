package recordlog

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// FetchVersion is the last version of the fetch request that has the names of topics
// instead of their ids.
const FetchVersion = 12

// Rack is the rack in the requests of NewFetch. It lets the brokers of package fakecluster
// distinguish readers of the log from the clients under test.
const Rack = "kvsim-log-reader"

// NewFetch returns a request to the leader of a partition for its log, committed or not,
// starting with the batch that holds offset from. The answer has about maxBytes bytes at
// most. The leader answers immediately unless the caller sets MaxWaitMillis.
func NewFetch(topic string, partition int32, from int64, maxBytes int32) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version = FetchVersion
	req.MaxBytes = maxBytes
	req.Rack = Rack
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition = partition
	rp.FetchOffset = from
	rp.PartitionMaxBytes = maxBytes
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return req
}

// Fetched returns the bytes, for Parse, in a broker's answer to a request of NewFetch, or
// the error in the answer, from package kerr.
func Fetched(resp *kmsg.FetchResponse) ([]byte, error) {
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return nil, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil, errors.New("the answer to a fetch has no partition")
	}
	p := &resp.Topics[0].Partitions[0]
	return p.RecordBatches, kerr.ErrorForCode(p.ErrorCode)
}
