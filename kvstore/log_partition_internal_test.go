package kvstore

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/internal/fakecluster"
)

// The tail makes sure that a leader's log holds what was read, and then fetches. Another
// goroutine may learn of the next leader in between: the fetch must not go there, for the
// offsets may name other records.
func TestFetchGoesOnlyToTheLeaderThatWasChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster, err := fakecluster.Start(fakecluster.Options{Brokers: 1, Topics: []fakecluster.Topic{{Name: "kv", Configs: fakecluster.CompactConfigs()}}})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := cluster.Close(); err != nil {
				t.Error(err)
			}
		}()
		cl, err := kgo.NewClient(kgo.SeedBrokers(cluster.Seeds()...), kgo.Dialer(cluster.Dialer("c")), kgo.DefaultProduceTopic("kv"))
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		write := func() {
			t.Helper()
			if err := cl.ProduceSync(t.Context(), kgo.KeyStringRecord("k", "v")).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		write()
		write()
		p := newPartition(newRequests(cl, &quota{}), "kv")
		checked, err := p.lead(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cluster.LoseTail("kv", 0, 1); err != nil {
			t.Fatal(err)
		}
		write()
		write()
		for p.leader.epoch == checked.epoch {
			_, _ = p.lookup(t.Context())
			time.Sleep(time.Millisecond)
		}
		limits := fetchLimits{wait: time.Millisecond, minBytes: 1, maxBytes: 1 << 20}
		f, err := p.fetch(t.Context(), checked, 2, limits, plainDecoder(), &room{})
		if !errors.Is(err, kerr.FencedLeaderEpoch) || len(f.records) > 0 {
			t.Errorf("fetch at the leader of epoch %d while that of epoch %d leads = %d records, %v; want FENCED_LEADER_EPOCH", checked.epoch, p.leader.epoch, len(f.records), err)
		}
	})
}
