package sim

import (
	"testing"
	"testing/synctest"
)

// TestOneBrokerLeadsAllPartitions is what keeps a bubble's time going on a topic
// that grew, see fakeCluster.together.
func TestOneBrokerLeadsAllPartitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := startFake(&Plan{World: World{Clients: 1, Brokers: 3, LatencyMin: 1000}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		led := func(after string, partitions int32) {
			t.Helper()
			for n := range partitions {
				first, err := c.Partition()
				if err != nil {
					t.Fatal(err)
				}
				info, err := c.(fakeCluster).Cluster.Partition(topicName, n)
				if err != nil {
					t.Fatal(err)
				}
				if info.Leader != first.Leader {
					t.Errorf("after %s broker %d leads partition %d, and broker %d partition 0", after, info.Leader, n, first.Leader)
				}
			}
		}
		do := func(what string, err error) {
			t.Helper()
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			led(what, 4)
		}
		do("AddPartitions", c.AddPartitions(4))
		do("MoveLeader", c.MoveLeader(2))
		do("MoveLeadersFrom", c.MoveLeadersFrom(2))
		do("RecreateTopic", c.RecreateTopic(func() {}))
	})
}
