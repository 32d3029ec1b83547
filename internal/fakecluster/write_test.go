package fakecluster

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvsim/kvsim/internal/simnet"
)

func TestAppendFollowsALeaderThatMovesMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Options{Brokers: 3, Network: simnet.Config{Latency: simnet.Latency{Min: time.Millisecond}}})
		leader := must(c.Partition(topic, 0))(t).Leader
		for i := range int32(20) {
			moved := make(chan error)
			go func() {
				time.Sleep(time.Duration(i) * simnet.Round / 10)
				moved <- c.MoveLeader(topic, 0, (leader+1+i)%3)
			}()
			must(c.Append(topic, 0, kv("k", "v")))(t)
			check(t, <-moved)
		}
	})
}
