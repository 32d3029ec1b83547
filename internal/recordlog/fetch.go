package recordlog

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// FetchVersion is the last version of a fetch request that names its topics
// instead of their ids.
const FetchVersion = 12

// Rack is the rack that NewFetch names, by which the brokers of package
// fakecluster tell who reads the log from the clients of a test.
const Rack = "kvsim-log-reader"

// NewFetch returns the request that asks the leader of a partition for its log
// from the batch on that holds an offset, committed or not, of about so many
// bytes at most. The leader answers at once unless the caller sets MaxWaitMillis.
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

// Fetched returns the bytes for Parse that a broker answered to a request of
// NewFetch, or its error, which is of package kerr.
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
