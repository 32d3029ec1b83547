package fakecluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/simnet"
)

// Answer selects requests of clients and says what is answered to them.
type Answer struct {
	Topic   string   // Topic is the topic that requests have to name to be meant, except those that name none.
	Clients []string // Clients are the clients whose requests are meant; empty means all.
	Brokers []int32  // Brokers are the brokers that answer so; empty means all.
	Key     kmsg.Key // Key is the api key of the requests.
	// Err is the error code in the answer. It must be set.
	Err *kerr.Error
	// At is where in the answer the code stands; see Cell. Empty means partition if the answer has
	// partitions, otherwise resource or topic if it has these, and else whole.
	At Place
	// After lets the broker do what it is asked for, and then puts the code into its answer, which otherwise
	// stays as it is. Only Produce and CreateTopics have something to do.
	After bool
	// Throttle is how long the answer tells the client to wait, in whole milliseconds.
	Throttle time.Duration
	Count    int // Count is the number of requests; 0 means until undone.
}

// Answering is an [Answer] under way.
type Answering interface {
	Effect
	// Arrived returns how many of the answers have reached their clients.
	Arrived() int
}

// Answer makes brokers answer requests with an error code. A request that they would have refused with
// another code is not meant. It needs the in-memory network, on which it acts: requests of the harness do
// not go through that.
func (c *Cluster) Answer(a Answer) (Answering, error) {
	if a.Err == nil {
		return nil, errors.New("fakecluster: answer: Err is not set: choose one of package kerr")
	}
	if a.At == "" {
		a.At = a.defaultPlace()
	}
	if !a.fits() {
		return nil, fmt.Errorf("fakecluster: answer: the answer to %s has no error code of the whole, a topic, a partition or a resource where At says, %q", a.Key.Name(), a.At)
	}
	if a.After && a.Key != kmsg.Produce && a.Key != kmsg.CreateTopics {
		return nil, fmt.Errorf("fakecluster: answer: %s does nothing after which there could be an error", a.Key.Name())
	}
	if err := c.checkBroker(a.Brokers...); err != nil {
		return nil, err
	}
	if c.net == nil || c.opts.Network.Raw {
		return nil, ErrNeedsMemory
	}
	t := simnet.Target{Clients: a.Clients, Brokers: a.Brokers, Keys: []int16{int16(a.Key)}}
	if a.After || a.Key == kmsg.Metadata {
		// Metadata describes the brokers besides the topic, exactly as they do it themselves.
		return c.net.EditAnswers(t, func(key, version int16, frame []byte) []byte {
			resp := readAnswer(key, version, frame)
			if resp == nil || !c.taint(a, resp) {
				return nil
			}
			return writeAnswer(resp, frame[:8])
		}, a.Count), nil
	}
	return c.net.AnswerRequests(t, func(_, _ int16, frame []byte) []byte {
		req := readRequest(frame)
		if req == nil {
			return nil
		}
		resp := c.refusal(a, req)
		if resp == nil {
			return nil
		}
		corr := slices.Concat(make([]byte, 4), frame[8:12])
		return writeAnswer(resp, corr)
	}, a.Count), nil
}

func (a Answer) defaultPlace() Place {
	for _, p := range []Place{AtPartition, AtResource, AtTopic} {
		if slices.Contains(places[a.Key], p) && a.Key != kmsg.Metadata {
			return p
		}
	}
	if a.Key == kmsg.Metadata {
		return AtTopic
	}
	return AtWhole
}

// places are where the answers to requests have error codes.
var places = map[kmsg.Key][]Place{
	kmsg.Produce:              {AtPartition},
	kmsg.Fetch:                {AtPartition, AtWhole},
	kmsg.ListOffsets:          {AtPartition},
	kmsg.Metadata:             {AtTopic, AtPartition, AtWhole},
	kmsg.OffsetForLeaderEpoch: {AtPartition},
	kmsg.InitProducerID:       {AtWhole},
	kmsg.DescribeConfigs:      {AtResource},
	kmsg.CreateTopics:         {AtTopic},
	kmsg.ApiVersions:          {AtWhole},
	kmsg.SASLHandshake:        {AtWhole},
	kmsg.SASLAuthenticate:     {AtWhole},
}

func (a Answer) fits() bool { return slices.Contains(places[a.Key], a.At) }

// readRequest reads a request from its frame, nil if it can't be read.
func readRequest(frame []byte) kmsg.Request {
	if len(frame) < 14 {
		return nil
	}
	r := kbin.Reader{Src: frame[4:]}
	req := kmsg.RequestForKey(r.Int16())
	version := r.Int16()
	r.Int32() // correlation id
	r.NullableString()
	if req == nil || version > req.MaxVersion() {
		return nil
	}
	req.SetVersion(version)
	if req.IsFlexible() {
		kmsg.SkipTags(&r)
	}
	if req.ReadFrom(r.Src) != nil {
		return nil
	}
	return req
}

// readAnswer reads the answer to a request of a key and a version from its frame, nil if it can't
// be read.
func readAnswer(key, version int16, frame []byte) kmsg.Response {
	resp := kmsg.ResponseForKey(key)
	if resp == nil {
		return nil
	}
	resp.SetVersion(version)
	header := answerHeader(resp)
	if len(frame) < header || header > 8 && frame[8] != 0 || resp.ReadFrom(frame[header:]) != nil {
		return nil
	}
	return resp
}

// writeAnswer returns the frame of an answer. head has room for its length, and the correlation id.
func writeAnswer(resp kmsg.Response, head []byte) []byte {
	out := slices.Clone(head[:8])
	for len(out) < answerHeader(resp) {
		out = append(out, 0) // no tags
	}
	out = resp.AppendTo(out)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out
}

// answerHeader returns how long the header of an answer is, with the length of the frame.
func answerHeader(resp kmsg.Response) int {
	if resp.IsFlexible() && resp.Key() != int16(kmsg.ApiVersions) {
		return 9 // length, correlation id, and no tags
	}
	return 8
}

// names reports whether a topic in a request is the one that is meant.
func (a Answer) names(c *Cluster, topic string, id [16]byte) bool {
	return a.Topic == "" || c.topicName(topic, id) == a.Topic
}

// taint puts the code into an answer of a broker. It reports false if the answer does not say
// anything of the topic, or is another error already.
func (c *Cluster) taint(a Answer, resp kmsg.Response) (done bool) {
	a.throttle(resp)
	switch resp := resp.(type) {
	case *kmsg.ProduceResponse:
		for i := range resp.Topics {
			t := &resp.Topics[i]
			for j := range t.Partitions {
				if p := &t.Partitions[j]; p.ErrorCode == 0 && a.names(c, t.Topic, t.TopicID) {
					p.ErrorCode, done = a.Err.Code, true
				}
			}
		}
	case *kmsg.CreateTopicsResponse:
		for i := range resp.Topics {
			t := &resp.Topics[i]
			if t.ErrorCode != 0 && t.ErrorCode != kerr.TopicAlreadyExists.Code { // then it is there, too
				continue
			}
			if a.names(c, t.Topic, t.TopicID) {
				t.ErrorCode, done = a.Err.Code, true
			}
		}
	case *kmsg.MetadataResponse:
		return c.taintMetadata(a, resp)
	}
	return done
}

func (c *Cluster) taintMetadata(a Answer, resp *kmsg.MetadataResponse) (done bool) {
	for i := range resp.Topics {
		t := &resp.Topics[i]
		name := ""
		if t.Topic != nil {
			name = *t.Topic
		}
		if t.ErrorCode != 0 || !a.names(c, name, t.TopicID) {
			continue
		}
		done = true
		switch a.At {
		case AtWhole:
			resp.ErrorCode = a.Err.Code
			resp.Topics, resp.Brokers = nil, nil
			return resp.Version >= firstWhole
		case AtTopic:
			t.ErrorCode, t.Partitions = a.Err.Code, nil
			if a.Err == kerr.UnknownTopicOrPartition {
				t.TopicID = [16]byte{}
			}
		default:
			for j := range t.Partitions {
				p := &t.Partitions[j]
				p.ErrorCode = a.Err.Code
				if a.Err != kerr.ReplicaNotAvailable {
					p.Leader = -1
				}
			}
		}
	}
	return done
}

// firstWhole is the first version of metadata whose answers have an error code of the whole.
const firstWhole = 13

func (a Answer) throttle(resp kmsg.Response) {
	if r, ok := resp.(kmsg.SetThrottleResponse); ok && a.Throttle > 0 {
		r.SetThrottle(int32(a.Throttle.Milliseconds()))
	}
}

// refusal returns the answer of a broker that does nothing, nil if the request is not meant.
func (c *Cluster) refusal(a Answer, req kmsg.Request) kmsg.Response {
	resp := c.refuse(a, req)
	if resp != nil {
		a.throttle(resp)
	}
	return resp
}

func (c *Cluster) refuse(a Answer, kr kmsg.Request) kmsg.Response {
	switch req := kr.(type) {
	case *kmsg.ProduceRequest:
		return c.refuseProduce(a, req)
	case *kmsg.FetchRequest:
		return c.refuseFetch(a, req)
	case *kmsg.ListOffsetsRequest:
		return c.refuseOffsets(a, req)
	case *kmsg.OffsetForLeaderEpochRequest:
		return c.refuseEpochs(a, req)
	case *kmsg.DescribeConfigsRequest:
		return c.refuseConfigs(a, req)
	case *kmsg.CreateTopicsRequest:
		return c.refuseTopics(a, req)
	case *kmsg.InitProducerIDRequest:
		resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
		resp.ErrorCode, resp.ProducerID, resp.ProducerEpoch = a.Err.Code, -1, -1
		return resp
	case *kmsg.ApiVersionsRequest:
		return refuseVersions(a, req)
	case *kmsg.SASLHandshakeRequest:
		resp := req.ResponseKind().(*kmsg.SASLHandshakeResponse)
		resp.ErrorCode, resp.SupportedMechanisms = a.Err.Code, []string{"GSSAPI"}
		return resp
	case *kmsg.SASLAuthenticateRequest:
		resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		resp.ErrorCode, resp.ErrorMessage = a.Err.Code, new("Authentication failed")
		return resp
	}
	return nil
}
