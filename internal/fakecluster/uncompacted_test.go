package fakecluster

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestANewLeaderHasWhatTheFormerOneHadRemoved checks what comes back, that nothing else changes, and
// that the new leader's own cleaner keeps the tombstones that it meets for as long as any.
func TestANewLeaderHasWhatTheFormerOneHadRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		configs := CompactConfigs()
		configs["delete.retention.ms"] = "24000"
		c := start(t, Options{Brokers: 2, Horizons: true, Topics: []Topic{{Name: topic, Configs: configs}}})
		must(c.Append(topic, 0, kv("first", "1")))(t)
		must(c.Append(topic, 0, kv("a", "1"), kv("b", "1")))(t)
		must(c.Append(topic, 0, tombstone("a")))(t)
		must(c.Append(topic, 0, kv("b", "2")))(t)
		check(t, c.DeleteRecords(topic, 0, 1))
		check(t, c.Compact())
		wantLog(t, c, "3:a 4:b=2 5:abort")
		time.Sleep(25 * time.Second)
		check(t, c.Compact())
		wantLog(t, c, "4:b=2 6:abort")
		was := must(c.Partition(topic, 0))(t)

		back := must(c.LeadUncompacted(topic, 0, 1))(t)
		if got, want := showBatches(back), "1:a=1 2:b=1 3:a 5:abort"; got != want {
			t.Errorf("LeadUncompacted brought back %s, want %s", got, want)
		}
		wantLog(t, c, "1:a=1 2:b=1 3:a 4:b=2 5:abort 6:abort")
		is := must(c.Partition(topic, 0))(t)
		was.Leader, was.Epoch = 1, was.Epoch+1
		if is.LogStartOffset != was.LogStartOffset || is.HighWatermark != was.HighWatermark || is.LastStableOffset != was.LastStableOffset || is.Leader != was.Leader || is.Epoch != was.Epoch {
			t.Errorf("the partition is %+v, want %+v", is, was)
		}
		for i, r := range consume(t, client(t, c, "r", kgo.ConsumeTopics(topic)), 4) {
			if r.Offset != int64(i+1) {
				t.Errorf("a reader gets offset %d, want %d", r.Offset, i+1)
			}
		}
		check(t, c.Compact())
		wantLog(t, c, "3:a 4:b=2 7:abort")
		time.Sleep(23 * time.Second)
		check(t, c.Compact())
		wantLog(t, c, "3:a 4:b=2 8:abort")
		time.Sleep(time.Second)
		check(t, c.Compact())
		wantLog(t, c, "4:b=2 9:abort")
	})
}

// TestALeaderThatHasCompactedIsElectedAgain has a leader without what another one has, and is gone
// again with it, tombstones too. What was appended meanwhile is there.
func TestALeaderThatHasCompactedIsElectedAgain(t *testing.T) {
	configs := CompactConfigs()
	configs["delete.retention.ms"] = "0"
	c := start(t, Options{Brokers: 2, Topics: []Topic{{Name: topic, Configs: configs}}})
	for _, r := range []Record{kv("a", "1"), tombstone("a"), kv("b", "1")} {
		must(c.Append(topic, 0, r))(t)
	}
	check(t, c.Compact())
	wantLog(t, c, "2:b=1 3:abort")
	must(c.LeadUncompacted(topic, 0, 1))(t)
	must(c.Append(topic, 0, kv("c", "1")))(t)
	must(c.Append(topic, 0, kv("lost", "1")))(t)
	must(c.LoseTail(topic, 0, 5))(t)
	must(c.Append(topic, 0, kv("d", "1")))(t)
	wantLog(t, c, "0:a=1 1:a 2:b=1 3:abort 4:c=1 5:d=1")
	check(t, c.LeadCompacted(topic, 0, 0))
	wantLog(t, c, "2:b=1 3:abort 4:c=1 5:d=1")
	if p := must(c.Partition(topic, 0))(t); p.Leader != 0 {
		t.Errorf("broker %d leads", p.Leader)
	}

	must(c.LeadUncompacted(topic, 0, 1))(t)
	must(c.LoseTail(topic, 0, 1))(t)
	must(c.Append(topic, 0, kv("e", "1")))(t)
	check(t, c.LeadCompacted(topic, 0, 0))
	wantLog(t, c, "1:e=1")

	must(c.LeadUncompacted(topic, 0, 1))(t)
	check(t, c.Compact())
	check(t, c.LeadCompacted(topic, 0, 0))
	wantLog(t, c, "0:a=1 1:e=1 2:abort") // what superseded a=1 was lost
}

// TestWhatWasLostDoesNotComeBack brings back what is below a lost tail only, and as it was in the
// topic of this name that there is now. A transaction whose marker was lost is aborted there too.
func TestWhatWasLostDoesNotComeBack(t *testing.T) {
	c := start(t, Options{Brokers: 2})
	must(c.Append(topic, 0, kv("b", "former")))(t)
	check(t, c.RecreateTopic(topic))
	if back := must(c.LeadUncompacted(topic, 0, 1))(t); len(back) > 0 {
		t.Errorf("LeadUncompacted brought back %s of a log that was not compacted", showBatches(back))
	}
	must(c.Append(topic, 0, kv("b", "1")))(t)
	txn := must(c.Begin("txn"))(t)
	must(txn.Append(topic, 0, kv("b", "theirs")))(t)
	must(c.Append(topic, 0, kv("c", "1")))(t)
	check(t, txn.Commit()) // at 3
	check(t, c.Compact())
	wantLog(t, c, "1:b=theirs 2:c=1 3:commit 4:abort")
	must(c.LoseTail(topic, 0, 3))(t)
	must(c.LeadUncompacted(topic, 0, 0))(t)
	p := must(c.Partition(topic, 0))(t)
	if p.Leader != 0 || p.LastStableOffset != p.HighWatermark {
		t.Errorf("broker %d leads, stable up to %d of %d", p.Leader, p.LastStableOffset, p.HighWatermark)
	}
	for i, r := range consume(t, client(t, c, "r", kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted())), 2) {
		if want := []string{"b=1", "c=1"}[i]; string(r.Key)+"="+string(r.Value) != want {
			t.Errorf("a reader of committed records gets %s=%s, want %s", r.Key, r.Value, want)
		}
	}
	if _, err := c.LeadUncompacted(topic, 0, 2); err == nil {
		t.Error("LeadUncompacted of a broker that does not exist: no error")
	}
}
