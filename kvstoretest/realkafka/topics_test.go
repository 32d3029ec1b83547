package realkafka_test

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstoretest/realkafka"
)

// The fake broker refuses once, as Kafka does on a compacted topic; what it
// answers after the change of the policy is about the offset.
func TestDeleteRecordsOfACompactedTopicSaysWhyItFailed(t *testing.T) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "kv"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	k, err := realkafka.Launch(t.Context(), realkafka.At(fake.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	fake.ControlKey(int16(kmsg.DeleteRecords), func(req kmsg.Request) (kmsg.Response, error, bool) {
		resp := req.ResponseKind().(*kmsg.DeleteRecordsResponse)
		rt := kmsg.NewDeleteRecordsResponseTopic()
		rt.Topic = "kv"
		rp := kmsg.NewDeleteRecordsResponseTopicPartition()
		rp.ErrorCode = kerr.PolicyViolation.Code
		rt.Partitions = append(rt.Partitions, rp)
		resp.Topics = append(resp.Topics, rt)
		return resp, nil, true
	})
	start, err := k.DeleteRecords(t.Context(), "kv", 999)
	if !errors.Is(err, kerr.OffsetOutOfRange) {
		t.Errorf("DeleteRecords below an offset that the log does not have = %d, %v, want OFFSET_OUT_OF_RANGE", start, err)
	}
}
