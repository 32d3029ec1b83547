package fakecluster

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What brokers answer that have done nothing of what they were asked for, by request. Each returns nil for
// a request that does not name the topic.

func (c *Cluster) refuseProduce(a Answer, req *kmsg.ProduceRequest) kmsg.Response {
	if req.Acks == 0 || !slices.ContainsFunc(req.Topics, func(t kmsg.ProduceRequestTopic) bool { return a.names(c, t.Topic, t.TopicID) }) {
		return nil
	}
	resp, _, _ := refuse(req, a.Err)
	return resp
}

func (c *Cluster) refuseFetch(a Answer, req *kmsg.FetchRequest) kmsg.Response {
	of := func(t kmsg.FetchRequestTopic) bool { return a.names(c, t.Topic, t.TopicID) }
	if !slices.ContainsFunc(req.Topics, of) {
		return nil
	}
	if a.At == AtWhole {
		if req.Version < firstWholeFetch {
			return nil
		}
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		resp.ErrorCode = a.Err.Code
		return resp
	}
	return withoutRecords(req, func(t kmsg.FetchRequestTopic, sp *kmsg.FetchResponseTopicPartition) {
		if of(t) {
			sp.ErrorCode = a.Err.Code
		}
	})
}

// firstWholeFetch is the first version of fetches whose answers have an error code of the whole.
const firstWholeFetch = 7

// refusing gives the parts of an answer their error codes.
type refusing struct {
	c      *Cluster
	answer Answer
	meant  bool // a part is one that the answer is about
}

// code returns the error code of a part about a topic.
func (r *refusing) code(topic string) int16 {
	if !r.answer.names(r.c, topic, [16]byte{}) {
		return kerr.UnknownServerError.Code
	}
	r.meant = true
	return r.answer.Err.Code
}

// whole returns the answer, nil if no part of it is meant.
func (r *refusing) whole(resp kmsg.Response) kmsg.Response {
	if !r.meant {
		return nil
	}
	return resp
}

func (c *Cluster) refuseOffsets(a Answer, req *kmsg.ListOffsetsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
	r := refusing{c: c, answer: a}
	for _, t := range req.Topics {
		st := kmsg.NewListOffsetsResponseTopic()
		st.Topic = t.Topic
		for _, p := range t.Partitions {
			sp := kmsg.NewListOffsetsResponseTopicPartition()
			sp.Partition, sp.ErrorCode, sp.Timestamp, sp.Offset = p.Partition, r.code(t.Topic), -1, -1
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	return r.whole(resp)
}

func (c *Cluster) refuseEpochs(a Answer, req *kmsg.OffsetForLeaderEpochRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
	r := refusing{c: c, answer: a}
	for _, t := range req.Topics {
		st := kmsg.NewOffsetForLeaderEpochResponseTopic()
		st.Topic = t.Topic
		for _, p := range t.Partitions {
			sp := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			sp.Partition, sp.ErrorCode, sp.LeaderEpoch, sp.EndOffset = p.Partition, r.code(t.Topic), -1, -1
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	return r.whole(resp)
}

func (c *Cluster) refuseConfigs(a Answer, req *kmsg.DescribeConfigsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
	r := refusing{c: c, answer: a}
	for _, q := range req.Resources {
		sr := kmsg.NewDescribeConfigsResponseResource()
		sr.ResourceType, sr.ResourceName, sr.ErrorCode = q.ResourceType, q.ResourceName, kerr.UnknownServerError.Code
		if q.ResourceType == kmsg.ConfigResourceTypeTopic {
			sr.ErrorCode = r.code(q.ResourceName)
		}
		resp.Resources = append(resp.Resources, sr)
	}
	return r.whole(resp)
}

func (c *Cluster) refuseTopics(a Answer, req *kmsg.CreateTopicsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
	r := refusing{c: c, answer: a}
	for _, t := range req.Topics {
		st := kmsg.NewCreateTopicsResponseTopic()
		st.Topic, st.ErrorCode = t.Topic, r.code(t.Topic)
		resp.Topics = append(resp.Topics, st)
	}
	return r.whole(resp)
}

// refuseVersions answers an unsupported version as brokers do, in the first version, with the versions of
// this request that they have (KIP-511). Version 0 they always have.
func refuseVersions(a Answer, req *kmsg.ApiVersionsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ApiVersionsResponse)
	resp.ErrorCode = a.Err.Code
	if a.Err != kerr.UnsupportedVersion {
		return resp
	}
	if req.Version == 0 {
		return nil
	}
	resp.SetVersion(0)
	k := kmsg.NewApiVersionsResponseApiKey()
	k.ApiKey, k.MaxVersion = int16(kmsg.ApiVersions), 0
	resp.ApiKeys = append(resp.ApiKeys, k)
	return resp
}
