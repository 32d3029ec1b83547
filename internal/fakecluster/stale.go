package fakecluster

import (
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// OtherID is an id that no topic has.
var OtherID = [16]byte{0: 0xee, 15: 1}

// Stale makes brokers answer metadata requests from an outdated state of a topic, as a broker
// does that has not heard of a change yet. Exactly one of Unknown, OtherID, Partitions and
// Elections must be set.
type Stale struct {
	Topic   string  // Topic is the topic about which they are wrong. It must be set.
	Brokers []int32 // Brokers are the brokers that are wrong; empty means all.
	Count   int     // Count is the number of wrong answers; 0 means until undone.

	Unknown    bool     // Unknown: they have not heard of the topic.
	OtherID    [16]byte // OtherID: they know another topic of this name, which has this id.
	Partitions int32    // Partitions: they know of this many partitions. Partitions that do not exist have no leader.
	Elections  int      // Elections: they have missed this many of the last elections. If there were fewer, they name the first leader.
}

// StaleMetadata makes brokers give stale answers to metadata requests. Hits is the number of such
// answers. Other requests are answered from the present state.
func (c *Cluster) StaleMetadata(s Stale) (Effect, error) {
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
	if err := c.checkBroker(s.Brokers...); err != nil {
		return nil, err
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

// harnessMetadata reports whether a request is the harness's own.
func harnessMetadata(req *kmsg.MetadataRequest) bool {
	return req.Version == harnessMetadataVersion && req.Topics == nil && !req.AllowAutoTopicCreation
}

const harnessMetadataVersion = 9

// asks reports whether a request is about a topic.
func (c *Cluster) asks(req *kmsg.MetadataRequest, s Stale) bool {
	return req.Topics == nil || slices.ContainsFunc(req.Topics, func(t kmsg.MetadataRequestTopic) bool {
		return c.asked(t) == s.Topic || s.OtherID != [16]byte{} && t.TopicID == s.OtherID
	})
}

// asked returns the name of the topic that a request asks for, empty if it is unknown.
func (c *Cluster) asked(t kmsg.MetadataRequestTopic) string {
	if t.TopicID == [16]byte{} && t.Topic != nil {
		return *t.Topic
	}
	return c.topicName("", t.TopicID)
}

// rackOfAll is the rack that kfake reports for each of its brokers.
const rackOfAll = "krack"

// staleAnswer returns an answer that is wrong about the topic only. It describes the brokers
// exactly as kfake does. If the description of a broker changes, a franz-go client takes it for
// another broker and drops its connections.
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

// describe returns what a stale answer says about a topic.
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

// formerLeader returns the leader of a partition, and its epoch, the given number of elections
// ago.
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
