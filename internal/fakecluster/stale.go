package fakecluster

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Stale makes brokers answer metadata requests from another state of a topic
// than the present one, as a broker does that has not heard of a change yet.
// Exactly one of Unknown, OtherID, Partitions and Elections is set.
type Stale struct {
	Topic   string  // Topic is what they are wrong about. It must be set.
	Brokers []int32 // Brokers are those that are wrong; empty means all.
	Count   int     // Count is the number of answers; 0 means until undone.

	Unknown    bool     // Unknown: they have not heard of the topic.
	OtherID    [16]byte // OtherID: they know another topic of this name, by its id.
	Partitions int32    // Partitions: they know so many partitions; for more than there are, nobody leads the others.
	Elections  int      // Elections: they have not heard of so many of the last elections. Those before the topic was known count as the first.
}

// StaleMetadata makes brokers give stale answers. Hits is their number. Answers
// to the other requests are those of the present.
func (c *Cluster) StaleMetadata(s Stale) (Fault, error) {
	set := 0
	for _, is := range []bool{s.Unknown, s.OtherID != [16]byte{}, s.Partitions != 0, s.Elections != 0} {
		if is {
			set++
		}
	}
	switch {
	case s.Topic == "":
		return nil, errors.New("fakecluster: stale metadata: Topic is not set")
	case set != 1:
		return nil, fmt.Errorf("fakecluster: stale metadata: %d of Unknown, OtherID, Partitions and Elections are set: set one", set)
	case s.Partitions < 0 || s.Elections < 0:
		return nil, fmt.Errorf("fakecluster: stale metadata: %d partitions, %d elections: neither can be negative", s.Partitions, s.Elections)
	}
	for _, b := range s.Brokers {
		if err := c.checkBroker(b); err != nil {
			return nil, err
		}
	}
	r := &rule{key: kmsg.Metadata}
	r.answer = func(k *kfake.Cluster, kr kmsg.Request) (kmsg.Response, error, bool) {
		req := kr.(*kmsg.MetadataRequest)
		if harnessMetadata(req) || !among(s.Brokers, k.CurrentNode()) || !c.asks(req, s) || !r.take() {
			return nil, nil, false
		}
		return c.staleAnswer(k, req, s), nil, true
	}
	return r, c.add(r, s.Count)
}

// harnessMetadata tells the harness's own requests.
func harnessMetadata(req *kmsg.MetadataRequest) bool {
	return req.Version == harnessMetadataVersion && req.Topics == nil && !req.AllowAutoTopicCreation
}

const harnessMetadataVersion = 9

// asks reports whether a request is about a topic.
func (c *Cluster) asks(req *kmsg.MetadataRequest, s Stale) bool {
	if req.Topics == nil {
		return true
	}
	for _, t := range req.Topics {
		if c.asked(t) == s.Topic || s.OtherID != [16]byte{} && t.TopicID == s.OtherID {
			return true
		}
	}
	return false
}

// asked is the name of the topic that is asked for, empty if it is unknown.
func (c *Cluster) asked(t kmsg.MetadataRequestTopic) string {
	if t.TopicID == [16]byte{} && t.Topic != nil {
		return *t.Topic
	}
	return c.topicName("", t.TopicID)
}

// rackOfAll is the rack in which kfake says that each of its brokers is.
const rackOfAll = "krack"

// staleAnswer is wrong about the topic alone. What it says of the brokers is what kfake
// says: a broker that is described in another way is another one to a franz-go client,
// which drops its connections to the one before.
func (c *Cluster) staleAnswer(k *kfake.Cluster, req *kmsg.MetadataRequest, s Stale) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.MetadataResponse)
	resp.ClusterID = new("kfake")
	for i, port := range c.ports {
		b := kmsg.NewMetadataResponseBroker()
		b.NodeID, b.Host, b.Port, b.Rack = int32(i), "127.0.0.1", int32(port), new(rackOfAll)
		resp.Brokers = append(resp.Brokers, b)
	}
	resp.ControllerID = int32(len(c.ports) - 1)
	if req.Topics == nil {
		last := ""
		for _, tp := range c.known() {
			if tp.topic == last || tp.topic == s.Topic && s.Unknown {
				continue
			}
			last = tp.topic
			resp.Topics = append(resp.Topics, c.describe(k, tp.topic, s))
		}
	}
	for _, rt := range req.Topics {
		name := c.asked(rt)
		switch {
		case s.OtherID != [16]byte{} && rt.TopicID == s.OtherID:
			resp.Topics = append(resp.Topics, c.describe(k, s.Topic, s))
		case name == "" || rt.TopicID != [16]byte{} && name == s.Topic && (s.Unknown || s.OtherID != [16]byte{}):
			st := kmsg.NewMetadataResponseTopic()
			st.TopicID, st.ErrorCode = rt.TopicID, kerr.UnknownTopicID.Code
			resp.Topics = append(resp.Topics, st)
		default:
			resp.Topics = append(resp.Topics, c.describe(k, name, s))
		}
	}
	return resp
}

// describe is what an answer says of a topic.
func (c *Cluster) describe(k *kfake.Cluster, name string, s Stale) kmsg.MetadataResponseTopic {
	st := kmsg.NewMetadataResponseTopic()
	st.Topic = &name
	ti := k.TopicInfo(name)
	wrong := name == s.Topic
	if ti == nil || wrong && s.Unknown {
		st.ErrorCode = kerr.UnknownTopicOrPartition.Code
		return st
	}
	st.TopicID = ti.TopicID
	if wrong && s.OtherID != [16]byte{} {
		st.TopicID = s.OtherID
	}
	n := int32(len(k.PartitionInfos(name)))
	if wrong && s.Partitions > 0 {
		n = s.Partitions
	}
	for p := range n {
		st.Partitions = append(st.Partitions, c.describePartition(k, partition{name, p}, ti.NumReplicas, s))
	}
	return st
}

func (c *Cluster) describePartition(k *kfake.Cluster, tp partition, replicas int, s Stale) kmsg.MetadataResponseTopicPartition {
	sp := kmsg.NewMetadataResponseTopicPartition()
	sp.Partition, sp.Leader, sp.LeaderEpoch = tp.n, -1, -1
	info := k.PartitionInfo(tp.topic, tp.n)
	if info == nil {
		sp.ErrorCode = kerr.LeaderNotAvailable.Code
		return sp
	}
	sp.Leader, sp.LeaderEpoch = info.Leader, info.Epoch
	if tp.topic == s.Topic && s.Elections > 0 {
		sp.Leader, sp.LeaderEpoch = c.formerLeader(tp, s.Elections, info)
	}
	for i := range min(replicas, c.opts.Brokers) {
		sp.Replicas = append(sp.Replicas, (sp.Leader+int32(i))%int32(c.opts.Brokers))
	}
	sp.ISR = sp.Replicas
	return sp
}

// formerLeader returns who led a partition so many elections ago.
func (c *Cluster) formerLeader(tp partition, ago int, now *kfake.PartitionInfo) (leader, epoch int32) {
	c.stateMu.Lock()
	defer c.stateMu.Unlock()
	p := c.parts[tp]
	if p == nil || len(p.epochs) == 0 {
		return now.Leader, now.Epoch
	}
	e := p.epochs[max(0, len(p.epochs)-1-ago)]
	return e.leader, e.epoch
}
