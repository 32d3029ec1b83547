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

func (c *Cluster) refuseOffsets(a Answer, req *kmsg.ListOffsetsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
	meant := false
	for _, t := range req.Topics {
		st := kmsg.NewListOffsetsResponseTopic()
		st.Topic = t.Topic
		for _, p := range t.Partitions {
			sp := kmsg.NewListOffsetsResponseTopicPartition()
			sp.Partition, sp.ErrorCode, sp.Timestamp, sp.Offset = p.Partition, kerr.UnknownServerError.Code, -1, -1
			if a.names(c, t.Topic, [16]byte{}) {
				sp.ErrorCode, meant = a.Err.Code, true
			}
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	if !meant {
		return nil
	}
	return resp
}

func (c *Cluster) refuseEpochs(a Answer, req *kmsg.OffsetForLeaderEpochRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
	meant := false
	for _, t := range req.Topics {
		st := kmsg.NewOffsetForLeaderEpochResponseTopic()
		st.Topic = t.Topic
		for _, p := range t.Partitions {
			sp := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			sp.Partition, sp.ErrorCode, sp.LeaderEpoch, sp.EndOffset = p.Partition, kerr.UnknownServerError.Code, -1, -1
			if a.names(c, t.Topic, [16]byte{}) {
				sp.ErrorCode, meant = a.Err.Code, true
			}
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	if !meant {
		return nil
	}
	return resp
}

func (c *Cluster) refuseConfigs(a Answer, req *kmsg.DescribeConfigsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
	meant := false
	for _, r := range req.Resources {
		sr := kmsg.NewDescribeConfigsResponseResource()
		sr.ResourceType, sr.ResourceName, sr.ErrorCode = r.ResourceType, r.ResourceName, kerr.UnknownServerError.Code
		if r.ResourceType == kmsg.ConfigResourceTypeTopic && a.names(c, r.ResourceName, [16]byte{}) {
			sr.ErrorCode, meant = a.Err.Code, true
		}
		resp.Resources = append(resp.Resources, sr)
	}
	if !meant {
		return nil
	}
	return resp
}

func (c *Cluster) refuseTopics(a Answer, req *kmsg.CreateTopicsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
	meant := false
	for _, t := range req.Topics {
		st := kmsg.NewCreateTopicsResponseTopic()
		st.Topic, st.ErrorCode = t.Topic, kerr.UnknownServerError.Code
		if a.names(c, t.Topic, [16]byte{}) {
			st.ErrorCode, meant = a.Err.Code, true
		}
		resp.Topics = append(resp.Topics, st)
	}
	if !meant {
		return nil
	}
	return resp
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
