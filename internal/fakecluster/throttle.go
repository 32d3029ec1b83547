package fakecluster

import (
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/recordlog"
	"github.com/kvsim/kvsim/internal/simnet"
)

// Throttle makes brokers answer fetches as they do under a quota.
type Throttle struct {
	Brokers []int32       // Brokers are the brokers that throttle; empty means all.
	Delay   time.Duration // Delay is the throttle time in the answers, in whole milliseconds, at least one.
	Count   int           // Count is the number of fetches to throttle; 0 means until undone.
}

// ThrottleFetches answers fetches immediately, without topics and with a throttle time, as Kafka does
// when a client is above its quota. Kafka also stops reading from the connection until the time is
// over. ThrottleFetches does not, so that the number of hits shows whether a client waits.
func (c *Cluster) ThrottleFetches(t Throttle) (Effect, error) {
	if t.Delay < time.Millisecond {
		return nil, errors.New("fakecluster: throttle fetches: Delay has to be at least one millisecond")
	}
	meant := func(*kfake.Cluster, *kmsg.FetchRequest) bool { return true }
	return c.answerFetches(t.Brokers, t.Count, meant, func(_ *kfake.Cluster, req *kmsg.FetchRequest) kmsg.Response {
		resp := req.ResponseKind().(*kmsg.FetchResponse)
		resp.ThrottleMillis = int32(t.Delay.Milliseconds())
		resp.SessionID = req.SessionID
		return resp
	})
}

// answerFetches makes brokers, all if none is named, answer fetches of clients that are meant in
// place of kfake.
func (c *Cluster) answerFetches(brokers []int32, count int, meant func(*kfake.Cluster, *kmsg.FetchRequest) bool, answer func(*kfake.Cluster, *kmsg.FetchRequest) kmsg.Response) (Effect, error) {
	if err := c.checkBroker(brokers...); err != nil {
		return nil, err
	}
	r := &rule{key: kmsg.Fetch}
	r.answer = func(k *kfake.Cluster, kr kmsg.Request) (kmsg.Response, error, bool) {
		req := kr.(*kmsg.FetchRequest)
		if harnessFetch(req) || !among(brokers, k.CurrentNode()) || !meant(k, req) || !r.take() {
			return nil, nil, false
		}
		return answer(k, req), nil, true
	}
	return r, c.add(r, count)
}

// Throttled changes an answer on its way to a client into one with a throttle time of d, as brokers
// give when a client is above a quota of requests: with everything that was asked for. Answers of a
// kind that has no throttle time stay as they are.
func Throttled(d time.Duration) simnet.EditFunc {
	return func(key, version int16, frame []byte) []byte {
		resp := readAnswer(key, version, frame)
		throttled, ok := resp.(kmsg.SetThrottleResponse)
		if !ok {
			return frame
		}
		throttled.SetThrottle(int32(d.Milliseconds()))
		return writeAnswer(resp, frame)
	}
}

// FetchFault selects fetches and says how they fail.
type FetchFault struct {
	Brokers []int32     // Brokers are the brokers whose answers are errors; empty means all.
	Topic   string      // Topic limits the fault to fetches of this topic; their other topics are answered as empty. "" means all fetches.
	Err     *kerr.Error // Err is the error in the answer, for each partition. It must be set.
	Count   int         // Count is the number of fetches to fail; 0 means until undone.
}

// FailFetches makes fetches of clients fail.
func (c *Cluster) FailFetches(f FetchFault) (Effect, error) {
	if f.Err == nil {
		return nil, errors.New("fakecluster: fail fetches: Err is not set: choose one of package kerr")
	}
	of := func(t kmsg.FetchRequestTopic) bool {
		return f.Topic == "" || c.topicName(t.Topic, t.TopicID) == f.Topic
	}
	meant := func(_ *kfake.Cluster, req *kmsg.FetchRequest) bool { return slices.ContainsFunc(req.Topics, of) }
	return c.answerFetches(f.Brokers, f.Count, meant, func(_ *kfake.Cluster, req *kmsg.FetchRequest) kmsg.Response {
		return withoutRecords(req, func(t kmsg.FetchRequestTopic, sp *kmsg.FetchResponseTopicPartition) {
			if of(t) {
				sp.ErrorCode = f.Err.Code
			}
		})
	})
}

// withoutRecords returns an answer to a fetch that has no batch and names no offset. fill completes
// what it says of each partition.
func withoutRecords(req *kmsg.FetchRequest, fill func(kmsg.FetchRequestTopic, *kmsg.FetchResponseTopicPartition)) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.FetchResponse)
	for _, t := range req.Topics {
		st := kmsg.NewFetchResponseTopic()
		st.Topic, st.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			sp := kmsg.NewFetchResponseTopicPartition()
			sp.Partition, sp.HighWatermark, sp.LastStableOffset, sp.LogStartOffset = p.Partition, -1, -1, -1
			sp.RecordBatches = []byte{}
			fill(t, &sp)
			st.Partitions = append(st.Partitions, sp)
		}
		resp.Topics = append(resp.Topics, st)
	}
	return resp
}

// among reports whether node is one of the brokers of a fault. None means all brokers.
func among(brokers []int32, node int32) bool {
	return len(brokers) == 0 || slices.Contains(brokers, node)
}

// harnessRack marks the harness's own fetches of the log, to which faults do not apply.
const harnessRack = recordlog.Rack

func harnessFetch(req *kmsg.FetchRequest) bool {
	return req.Rack == harnessRack || req.Rack == rawRack
}
