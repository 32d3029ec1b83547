package fakecluster

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

// newTopic is a topic that does not exist.
const newTopic = "new"

// asks returns a request of a key that names the topic, if such requests do.
func asks(key kmsg.Key, id [16]byte) kmsg.Request {
	name := topic
	switch key {
	case kmsg.Produce:
		req := kmsg.NewPtrProduceRequest()
		req.Acks, req.TimeoutMillis = -1, 1000
		p := kmsg.NewProduceRequestTopicPartition()
		p.Records = encodeBatch([]Record{kv("k", "v")}, anonymous)
		req.Topics = []kmsg.ProduceRequestTopic{{Topic: topic, TopicID: id, Partitions: []kmsg.ProduceRequestTopicPartition{p}}}
		return req
	case kmsg.Fetch:
		req := kmsg.NewPtrFetchRequest()
		req.MaxBytes, req.SessionEpoch = 1<<20, -1
		p := kmsg.NewFetchRequestTopicPartition()
		p.PartitionMaxBytes = 1 << 20
		req.Topics = []kmsg.FetchRequestTopic{{Topic: topic, TopicID: id, Partitions: []kmsg.FetchRequestTopicPartition{p}}}
		return req
	case kmsg.ListOffsets:
		req := kmsg.NewPtrListOffsetsRequest()
		req.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: topic, Partitions: []kmsg.ListOffsetsRequestTopicPartition{kmsg.NewListOffsetsRequestTopicPartition()}}}
		return req
	case kmsg.OffsetForLeaderEpoch:
		req := kmsg.NewPtrOffsetForLeaderEpochRequest()
		req.Topics = []kmsg.OffsetForLeaderEpochRequestTopic{{Topic: topic, Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{kmsg.NewOffsetForLeaderEpochRequestTopicPartition()}}}
		return req
	case kmsg.Metadata:
		req := kmsg.NewPtrMetadataRequest()
		req.Topics = []kmsg.MetadataRequestTopic{{Topic: &name}}
		return req
	case kmsg.DescribeConfigs:
		req := kmsg.NewPtrDescribeConfigsRequest()
		req.Resources = []kmsg.DescribeConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: topic}}
		return req
	case kmsg.CreateTopics:
		req := kmsg.NewPtrCreateTopicsRequest()
		t := kmsg.NewCreateTopicsRequestTopic()
		t.Topic, t.NumPartitions, t.ReplicationFactor = newTopic, 1, 1
		req.Topics = append(req.Topics, t)
		return req
	}
	return kmsg.RequestForKey(int16(key))
}

// codes returns all error codes of an answer, by where they stand.
func codes(v reflect.Value, at string, out map[string]int16) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			codes(v.Elem(), at, out)
		}
	case reflect.Slice:
		for i := range v.Len() {
			codes(v.Index(i), at, out)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			switch name {
			case "ErrorCode":
				out[at] = int16(v.Field(i).Int())
			case "Topics":
				codes(v.Field(i), "topic", out)
			case "Partitions":
				codes(v.Field(i), "partition", out)
			case "Resources":
				codes(v.Field(i), "resource", out)
			}
		}
	default:
	}
}

func TestEveryCellOfTheTableIsAnswered(t *testing.T) {
	c := start(t, Options{Brokers: 1})
	cl := client(t, c, "a")
	check(t, cl.Ping(t.Context()))
	id := must(cl.Broker(0).Request(t.Context(), asks(kmsg.Metadata, [16]byte{})))(t).(*kmsg.MetadataResponse).Topics[0].TopicID
	secured := start(t, Options{Users: map[string]string{"u": "p"}})
	seen := map[string]bool{}
	for _, cell := range Answers() {
		t.Run(cell.String(), func(t *testing.T) {
			if seen[cell.String()] {
				t.Error("it is in the table twice")
			}
			seen[cell.String()] = true
			opens := cell.Key == kmsg.SASLHandshake || cell.Key == kmsg.SASLAuthenticate || cell.Key == kmsg.ApiVersions
			in, who := c, cl
			if opens {
				in = secured
				who = client(t, secured, "b", kgo.SASL(plain.Auth{User: "u", Pass: "p"}.AsMechanism()), kgo.RequestRetries(0))
			}
			about := topic
			if cell.Key == kmsg.CreateTopics {
				about = newTopic
			}
			f := must(in.Answer(Answer{Topic: about, Key: cell.Key, Err: cell.Err, At: cell.At, After: cell.After, Throttle: 7 * time.Millisecond, Count: 1}))(t)
			before := must(c.EndOffset(topic, 0))(t)
			if opens {
				err := who.Ping(t.Context())
				if passing := cell.Err == kerr.UnsupportedVersion; (err == nil) != passing || !passing && !strings.Contains(err.Error(), cell.Err.Message) {
					t.Errorf("ping = %v, want %v", err, cell.Err)
				}
			} else {
				req := asks(cell.Key, id)
				resp := must(who.Broker(0).Request(t.Context(), req))(t)
				got := map[string]int16{}
				codes(reflect.ValueOf(resp), "whole", got)
				if got[string(cell.At)] != cell.Err.Code {
					t.Errorf("the answer has the codes %v, want %v for the %s", got, cell.Err, cell.At)
				}
				if ms, _ := resp.(interface{ Throttle() (int32, bool) }).Throttle(); ms != 7 {
					t.Errorf("the answer throttles for %d ms, want 7", ms)
				}
			}
			if f.Hits() != 1 || f.Arrived() != 1 {
				t.Errorf("%d hits, %d arrived, want 1 of each", f.Hits(), f.Arrived())
			}
			if _, err := c.EndOffset(newTopic, 0); (err == nil) != (cell.Key == kmsg.CreateTopics && cell.After) {
				t.Errorf("the new topic is there: %v", err == nil)
			}
			_ = c.DeleteTopic(newTopic)
			if appended := must(c.EndOffset(topic, 0))(t) > before; appended != (cell.Key == kmsg.Produce && cell.After) {
				t.Errorf("something was appended: %v", appended)
			}
		})
	}
}

func TestAnswersThatMakeNoSenseAreRefused(t *testing.T) {
	c := start(t, Options{Brokers: 3})
	for want, a := range map[string]Answer{
		"Err is not set":                               {Key: kmsg.Fetch},
		"Fetch does nothing after which":               {Key: kmsg.Fetch, Err: kerr.UnknownTopicID, After: true},
		"the answer to Fetch has no error code":        {Key: kmsg.Fetch, Err: kerr.UnknownTopicID, At: AtResource},
		"the answer to OffsetCommit has no error code": {Key: kmsg.OffsetCommit, Err: kerr.UnknownTopicID},
		"no broker 3":                                  {Key: kmsg.Fetch, Err: kerr.UnknownTopicID, Brokers: []int32{3}},
	} {
		if _, err := c.Answer(a); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Answer(%+v) = %v, want an error with %q", a, err, want)
		}
	}
	tcp := start(t, Options{TCP: true})
	if _, err := tcp.Answer(Answer{Key: kmsg.Fetch, Err: kerr.UnknownTopicID}); !errors.Is(err, ErrNeedsMemory) {
		t.Errorf("Answer on TCP = %v, want ErrNeedsMemory", err)
	}
}

// Other topics, and brokers and clients that are not named, are answered as ever.
func TestOnlyWhatIsMeantIsAnswered(t *testing.T) {
	c := start(t, Options{Brokers: 2, Topics: []Topic{{Name: topic}, {Name: "other"}}})
	f := must(c.Answer(Answer{Topic: "other", Clients: []string{"a"}, Brokers: []int32{1}, Key: kmsg.ListOffsets, Err: kerr.OffsetNotAvailable}))(t)
	for _, tc := range []struct {
		client, topic string
		broker        int
		want          int
	}{{"b", "other", 1, 0}, {"a", topic, 1, 0}, {"a", "other", 0, 0}, {"a", "other", 1, 1}} {
		cl := client(t, c, tc.client)
		check(t, cl.Ping(t.Context()))
		req := asks(kmsg.ListOffsets, [16]byte{}).(*kmsg.ListOffsetsRequest)
		req.Topics[0].Topic = tc.topic
		must(cl.Broker(tc.broker).Request(t.Context(), req))(t)
		if f.Hits() != tc.want {
			t.Errorf("%d hits after a request of %s for %s at broker %d, want %d", f.Hits(), tc.client, tc.topic, tc.broker, tc.want)
		}
	}
}
