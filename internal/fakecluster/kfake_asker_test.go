package fakecluster

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

// TestRightsBringNothingBackThatCompactionRemoved reads a compacted log as a user who may, while
// another one may not. Older clients send the same fields at other places.
func TestRightsBringNothingBackThatCompactionRemoved(t *testing.T) {
	for name, versions := range map[string]*kversion.Versions{
		"newest": kversion.Stable(), "fetch 11": kversion.V2_3_0(), "fetch 12": kversion.V2_7_0(), "fetch 13": kversion.V3_1_0(),
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t, Options{Users: map[string]string{"may": "x", "not": "x"}})
			check(t, c.Allow("may", "*", kmsg.ACLOperationAll))
			check(t, c.Allow("not", topic, kmsg.ACLOperationDescribe))
			must(c.Append(topic, 0, kv("k", "1")))(t)
			must(c.Append(topic, 0, kv("k", "2")))(t)
			check(t, c.Compact())
			as := func(user string) *kgo.Client {
				return client(t, c, user, kgo.SASL(plain.Auth{User: user, Pass: "x"}.AsMechanism()), kgo.ConsumeTopics(topic), kgo.MaxVersions(versions))
			}
			if r := consume(t, as("may"), 1)[0]; r.Offset != 1 {
				t.Errorf("the first record that is left is at %d, want 1: another user may not read the topic", r.Offset)
			}
			if err := as("not").PollFetches(t.Context()).Err(); !errors.Is(err, kerr.TopicAuthorizationFailed) {
				t.Errorf("the other user reads: %v", err)
			}
		})
	}
}

// TestRequestsAreReadInPieces feeds a login and a fetch to a broker's end of a connection a few
// bytes at a time.
func TestRequestsAreReadInPieces(t *testing.T) {
	login := kmsg.NewPtrSASLAuthenticateRequest()
	login.Version = 2
	login.SASLAuthBytes = []byte("\x00bea\x00secret")
	for version := int16(4); version <= 18; version++ {
		fetch := kmsg.NewPtrFetchRequest()
		fetch.Version = version
		fetch.Topics = []kmsg.FetchRequestTopic{{Topic: "t", Partitions: []kmsg.FetchRequestTopicPartition{{Partition: 3, FetchOffset: 77}}}}
		for step := 1; step < 40; step += 3 {
			a := &askerConn{users: []string{"abe", "bea"}}
			frames := formatter.AppendRequest(nil, login, 1)
			first := len(frames)
			frames = append(frames, formatter.AppendRequest(nil, fetch, 2)...)
			for rest := frames; len(rest) > 0; {
				p := rest[:min(step, len(rest))]
				rest = rest[len(p):]
				for len(p) > 0 {
					p = p[a.pass(p):]
				}
			}
			_, _, body := requestBody(frames[first:])
			got := kmsg.NewPtrFetchRequest()
			got.Version = version
			check(t, got.ReadFrom(frames[first+body:]))
			asker := got.SessionID
			if version < askerInSession {
				asker = got.ReplicaID
			}
			if at := got.Topics[0].Partitions[0].FetchOffset; asker != 2 || at != 77 {
				t.Errorf("version %d, %d bytes at a time: the fetch is of user %d, from %d", version, step, asker, at)
			}
		}
	}
}
