package fakecluster

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/simnet"
)

func TestLoseTail(t *testing.T) {
	dir := t.TempDir()
	c := start(t, Options{Brokers: 3, Dir: dir, Topics: []Topic{
		{Name: topic, Configs: CompactConfigs()},
		{Name: "other/topic.", Partitions: 2},
	}})
	tap := must(c.Tap(topic, 0))(t)
	must(c.Append("other/topic.", 1, kv("o", "1")))(t)
	for i := range 3 {
		must(c.Append(topic, 0, kv("a", fmt.Sprint(i)), kv("b", fmt.Sprint(i))))(t)
	}
	check(t, c.MoveLeader(topic, 0, 2))
	before := must(c.Partition(topic, 0))(t)
	lost := must(c.LoseTail(topic, 0, 3))(t)
	if got, want := showBatches(lost), "2:a=1 3:b=1 4:a=2 5:b=2"; got != want {
		t.Errorf("lost %s, want %s", got, want)
	}
	wantLog(t, c, "0:a=0 1:b=0")
	after := must(c.Partition(topic, 0))(t)
	if after.Epoch <= before.Epoch || after.Leader != 2 || after.HighWatermark != 2 {
		t.Errorf("after: %+v, want a higher epoch than %d, leader 2 and end 2", after, before.Epoch)
	}
	if off := must(c.Append(topic, 0, kv("a", "new")))(t); off != 2 {
		t.Errorf("the next record got offset %d, want 2", off)
	}
	if end := must(c.EndOffset("other/topic.", 1))(t); end != 1 {
		t.Errorf("the other topic ends at %d, want 1", end)
	}
	// Once more, now that the cluster has its data on disk.
	must(c.LoseTail(topic, 0, 2))(t)
	wantLog(t, c, "0:a=0 1:b=0")
	must(c.Append(topic, 0, kv("a", "newer")))(t)
	var story []string
	for _, b := range must(tap.Batches())(t) {
		s := showBatches([]Batch{b.Batch})
		if b.Lost {
			s = "lost(" + s + ")"
		}
		story = append(story, s)
	}
	want := "0:a=0 1:b=0 lost(2:a=1 3:b=1) lost(4:a=2 5:b=2) lost(2:a=new) 2:a=newer"
	if got := strings.Join(story, " "); got != want {
		t.Errorf("tap:\n got %s\nwant %s", got, want)
	}
	if _, err := c.LoseTail(topic, 0, 99); err == nil {
		t.Error("LoseTail beyond the end: no error")
	}
	if _, err := c.LoseTail("nope", 0, 0); err == nil {
		t.Error("LoseTail of a topic that does not exist: no error")
	}
	c.Close()
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%d entries are left in the directory after Close", len(left))
	}
}

// TestLoseTailOfAnEmptyLog checks that offsets continue where they were even if no batch is
// left to show where that is.
func TestLoseTailOfAnEmptyLog(t *testing.T) {
	c := start(t, Options{})
	for range 5 {
		must(c.Append(topic, 0, kv("a", "1")))(t)
	}
	check(t, c.DeleteRecords(topic, 0, 3))
	must(c.LoseTail(topic, 0, 3))(t)
	if off := must(c.Append(topic, 0, kv("a", "2")))(t); off != 3 {
		t.Errorf("offset after everything was deleted or lost is %d, want 3", off)
	}
	check(t, c.DeleteRecords(topic, 0, -1))
	check(t, c.Crash())
	if p := must(c.Partition(topic, 0))(t); p.LogStartOffset != 4 || p.HighWatermark != 4 {
		t.Errorf("log of deleted records is %d to %d after a crash, want 4 to 4", p.LogStartOffset, p.HighWatermark)
	}
}

// A log can begin within a batch. The tail that is lost begins behind it, or the log would end
// before it begins.
func TestLoseTailLeavesTheBatchInWhichTheLogBegins(t *testing.T) {
	for name, want := range map[string]string{"as written": "3:d=1", "compacted": "3:d=1 4:abort"} {
		t.Run(name, func(t *testing.T) {
			c := start(t, Options{})
			must(c.Append(topic, 0, kv("a", "1"), kv("b", "1"), kv("c", "1")))(t)
			must(c.Append(topic, 0, kv("d", "1")))(t)
			if name == "compacted" { // which appends a marker
				check(t, c.Compact())
			}
			check(t, c.DeleteRecords(topic, 0, 1))
			lost := must(c.LoseTail(topic, 0, 1))(t)
			if got := showBatches(lost); got != want {
				t.Errorf("lost %s, want %s", got, want)
			}
			if lost := must(c.LoseTail(topic, 0, 2))(t); len(lost) > 0 {
				t.Errorf("lost %s, want nothing: the log begins at 1", showBatches(lost))
			}
			if off := must(c.Append(topic, 0, kv("a", "2")))(t); off != 3 {
				t.Errorf("the next record got offset %d, want 3", off)
			}
			if p := must(c.Partition(topic, 0))(t); p.LogStartOffset != 1 || p.HighWatermark != 4 {
				t.Errorf("the log is %d to %d, want 1 to 4", p.LogStartOffset, p.HighWatermark)
			}
		})
	}
}

// TestCrashKeepsProducerState loses the answer to a produce and crashes the
// brokers: they must still know the batch when the client sends it again.
func TestCrashKeepsProducerState(t *testing.T) {
	for _, compacted := range []bool{false, true} {
		t.Run(fmt.Sprint("compacted=", compacted), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := start(t, Options{})
				cl := client(t, c, "a")
				for i := range 7 {
					put(t, cl, "k", fmt.Sprint(i))
				}
				f := c.Network().LoseAnswer(simnet.Target{Keys: []int16{int16(kmsg.Produce)}}, 1)
				refuse := c.Network().RefuseDials(simnet.Target{})
				done := make(chan error, 1)
				r := &kgo.Record{Key: []byte("k"), Value: []byte("7")}
				cl.Produce(t.Context(), r, func(_ *kgo.Record, err error) { done <- err })
				check(t, f.Wait(t.Context(), 1))
				if compacted {
					must(c.Append(topic, 0, kv("k", "foreign")))(t)
					check(t, c.Compact())
				}
				check(t, c.Crash())
				refuse.Undo()
				check(t, <-done)
				if r.Offset != 7 {
					t.Errorf("the retried record is at offset %d, want 7", r.Offset)
				}
				want := int64(8)
				if compacted {
					want = 10
				}
				if end := must(c.EndOffset(topic, 0))(t); end != want {
					t.Errorf("the log ends at %d, want %d: the retry was appended twice", end, want)
				}
				put(t, cl, "k", "8")
			})
		})
	}
}

// TestTransactionsSurviveACrash crashes the brokers with transactions that are
// open, committed and aborted, in two leader epochs and around other records.
func TestTransactionsSurviveACrash(t *testing.T) {
	for _, commit := range []bool{true, false} {
		t.Run(fmt.Sprint("commit=", commit), func(t *testing.T) {
			c := start(t, Options{Brokers: 3})
			done := must(c.Begin("done"))(t)
			must(done.Append(topic, 0, kv("a", "committed")))(t)
			check(t, done.Commit())
			txn := must(c.Begin("open"))(t)
			must(txn.Append(topic, 0, kv("a", "open"), kv("b", "open")))(t)
			must(c.Append(topic, 0, kv("c", "plain")))(t)
			must(produceTo(t, c, 0, batchHeader{producer: 7}, kv("d", "idempotent")))(t)
			check(t, c.MoveLeader(topic, 0, 1))
			gone := must(c.Begin("gone"))(t)
			must(gone.Append(topic, 0, kv("a", "aborted")))(t)
			check(t, gone.Abort())
			must(txn.Append(topic, 0, kv("a", "open too")))(t)
			before := must(c.ReadLog(topic, 0, 0))(t)
			was := must(c.Partition(topic, 0))(t)
			for range 2 {
				check(t, c.Crash())
				after := must(c.ReadLog(topic, 0, 0))(t)
				if showBatches(after) != showBatches(before) {
					t.Fatalf("log:\n got %s\nwant %s", showBatches(after), showBatches(before))
				}
				for i, b := range after {
					w := before[i]
					if b.LeaderEpoch != w.LeaderEpoch || b.ProducerID != w.ProducerID || b.ProducerEpoch != w.ProducerEpoch || b.FirstSequence != w.FirstSequence || b.Transactional != w.Transactional {
						t.Errorf("batch at %d is %+v, was %+v", b.FirstOffset, b, w)
					}
				}
				p := must(c.Partition(topic, 0))(t)
				if p.LastStableOffset != was.LastStableOffset || p.HighWatermark != was.HighWatermark || p.Leader != 1 || p.Epoch <= was.Epoch {
					t.Errorf("partition %+v, was %+v", p, was)
				}
			}
			if off := must(produceTo(t, c, 1, batchHeader{producer: 7}, kv("d", "idempotent")))(t); off != 5 {
				t.Errorf("a duplicate was appended at %d", off)
			}
			must(txn.Append(topic, 0, kv("a", "open on")))(t)
			end, want := txn.Abort, "committed plain idempotent"
			if commit {
				end, want = txn.Commit, "committed open open plain idempotent open too open on"
			}
			check(t, end())
			cl := client(t, c, "r", kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
			n := 3
			if commit {
				n = 7
			}
			var got []string
			for _, r := range consume(t, cl, n) {
				got = append(got, string(r.Value))
			}
			if strings.Join(got, " ") != want {
				t.Errorf("read %q, want %q", strings.Join(got, " "), want)
			}
			if p := must(c.Partition(topic, 0))(t); p.LastStableOffset != p.HighWatermark {
				t.Errorf("stable up to %d of %d", p.LastStableOffset, p.HighWatermark)
			}
		})
	}
}

// TestOverlappingTransactionsSurviveACrash has transactions that ended while others were open, one
// of which still is.
func TestOverlappingTransactionsSurviveACrash(t *testing.T) {
	c := start(t, Options{})
	txns := make([]*Txn, 4)
	for i := range txns { // each is open when the next one begins, and ends after it has begun
		txns[i] = must(c.Begin(fmt.Sprint("t", i)))(t)
		must(txns[i].Append(topic, 0, kv("k", fmt.Sprint(i))))(t)
		if i > 0 {
			check(t, txns[i-1].Commit())
		}
	}
	was := must(c.Partition(topic, 0))(t)
	check(t, c.Crash())
	if p := must(c.Partition(topic, 0))(t); p.LastStableOffset != was.LastStableOffset || p.HighWatermark != was.HighWatermark {
		t.Errorf("partition %+v, was %+v", p, was)
	}
	check(t, txns[3].Abort())
	cl := client(t, c, "r", kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	var got []string
	for _, r := range consume(t, cl, 3) {
		got = append(got, string(r.Value))
	}
	if fmt.Sprint(got) != "[0 1 2]" {
		t.Errorf("committed is %v, want [0 1 2]", got)
	}
}

// TestTransactionsSurviveACrashWithoutTheirRecords deletes what transactions wrote before they end.
// They stay open, as in Kafka: the log is stable up to its start at most.
func TestTransactionsSurviveACrashWithoutTheirRecords(t *testing.T) {
	for _, keep := range []int64{1, 2, 3, 4, 5, 6, 7} { // offset to delete up to
		for _, lose := range []int64{7, 6, 5} { // offset to lose from, if it is not deleted
			if lose < keep {
				continue
			}
			t.Run(fmt.Sprintf("from %d to %d", keep, lose), func(t *testing.T) {
				c := start(t, Options{Brokers: 2})
				must(c.Append(topic, 0, kv("a", "0")))(t)
				idempotent := batchHeader{producer: 7}
				one, two := must(c.Begin("one"))(t), must(c.Begin("two"))(t)
				must(one.Append(topic, 0, kv("a", "1"), kv("b", "2")))(t)
				must(two.Append(topic, 0, kv("a", "3")))(t)
				must(produceTo(t, c, 0, idempotent, kv("c", "4")))(t)
				idempotent.sequence++
				must(produceTo(t, c, 0, idempotent, kv("a", "5")))(t)
				must(c.Append(topic, 0, kv("a", "6")))(t)
				check(t, c.DeleteRecords(topic, 0, keep))
				was := must(c.Partition(topic, 0))(t)
				for range 2 {
					must(c.LoseTail(topic, 0, lose))(t)
					p := must(c.Partition(topic, 0))(t)
					if p.LogStartOffset != was.LogStartOffset || p.HighWatermark != lose || max(p.LastStableOffset, p.LogStartOffset) != max(was.LastStableOffset, was.LogStartOffset) {
						t.Fatalf("partition %+v, was %+v", p, was)
					}
				}
				if lose == 7 { // nothing of this producer is lost
					idempotent.sequence++
					must(produceTo(t, c, must(c.Partition(topic, 0))(t).Leader, idempotent, kv("d", "7")))(t)
				}
				must(one.Append(topic, 0, kv("d", "goes on")))(t)
				check(t, two.Abort())
				if p := must(c.Partition(topic, 0))(t); max(p.LastStableOffset, p.LogStartOffset) != max(1, keep) {
					t.Errorf("stable up to %d from %d on while a transaction is open since offset 1", p.LastStableOffset, keep)
				}
				check(t, one.Commit())
				if p := must(c.Partition(topic, 0))(t); p.LastStableOffset != p.HighWatermark {
					t.Errorf("stable up to %d of %d", p.LastStableOffset, p.HighWatermark)
				}
			})
		}
	}
}

// TestOpenTransactionsSurviveWhereClientsAuthenticate checks that the harness can append
// transactions again in a cluster with users. It logs in as a user of its own while the
// brokers answer nobody else.
func TestOpenTransactionsSurviveWhereClientsAuthenticate(t *testing.T) {
	c := start(t, Options{Users: map[string]string{"app": "secret"}})
	txn := must(c.Begin("t"))(t)
	must(txn.Append(topic, 0, kv("a", "open")))(t)
	must(c.Append(topic, 0, kv("a", "lost")))(t)
	must(c.LoseTail(topic, 0, 1))(t)
	check(t, txn.Commit())
	wantLog(t, c, "0:a=open 1:commit")
}

// TestALostTailOfTransactions loses what a transaction wrote, and the marker of
// another.
func TestALostTailOfTransactions(t *testing.T) {
	c := start(t, Options{})
	txn := must(c.Begin("open"))(t)
	must(txn.Append(topic, 0, kv("a", "1")))(t)
	other := must(c.Begin("other"))(t)
	must(other.Append(topic, 0, kv("b", "1")))(t)
	must(txn.Append(topic, 0, kv("a", "2")))(t)
	check(t, other.Commit())
	lost := must(c.LoseTail(topic, 0, 2))(t)
	if got := showBatches(lost); got != "2:a=2 3:commit" {
		t.Errorf("lost %s", got)
	}
	wantLog(t, c, "0:a=1 1:b=1 2:abort")
	check(t, txn.Commit())
	wantLog(t, c, "0:a=1 1:b=1 2:abort 3:commit")
	if p := must(c.Partition(topic, 0))(t); p.LastStableOffset != 4 {
		t.Errorf("stable up to %d, want 4", p.LastStableOffset)
	}
	again := must(c.Begin("again"))(t)
	must(again.Append(topic, 0, kv("a", "3")))(t)
	must(c.LoseTail(topic, 0, 4))(t)
	wantLog(t, c, "0:a=1 1:b=1 2:abort 3:commit")
	check(t, again.Commit()) // nothing is left of the transaction
	wantLog(t, c, "0:a=1 1:b=1 2:abort 3:commit 4:commit")
}

// TestFaultsOfProducesSpareWhatIsAppendedAgain loses a tail behind a transaction that is open while
// answers to produce requests say that the append came too late.
func TestFaultsOfProducesSpareWhatIsAppendedAgain(t *testing.T) {
	c := start(t, Options{})
	txn := must(c.Begin("open"))(t)
	must(txn.Append(topic, 0, kv("a", "1")))(t)
	must(c.Append(topic, 0, kv("b", "1")))(t)
	e := must(c.FailProduces(ProduceFault{Err: kerr.RequestTimedOut, AfterAppend: true}))(t)
	lost := must(c.LoseTail(topic, 0, 1))(t)
	if got := showBatches(lost); got != "1:b=1" {
		t.Errorf("lost %s", got)
	}
	wantLog(t, c, "0:a=1")
	if e.Hits() != 0 {
		t.Errorf("the fault hit %d requests, and no client sent one", e.Hits())
	}
	check(t, txn.Commit())
	wantLog(t, c, "0:a=1 1:commit")
}

// TestALostMarkerAbortsInCompactedLogsToo loses the marker of a transaction whose records compaction
// came past, before or after. All fetch answers have to agree on it with one from a log that was
// never compacted: the transaction is aborted, and supersedes nothing in later compactions.
func TestALostMarkerAbortsInCompactedLogsToo(t *testing.T) {
	for _, tc := range []struct {
		name          string
		before, after bool // when compaction runs
		want          string
	}{
		{"never compacted", false, false, "a=1 b=1 c=1"},
		{"compacted before", true, false, "a=1 c=1"}, // the transaction had superseded b=1
		{"compacted after", false, true, "a=1 b=1 c=1"},
		{"compacted before and after", true, true, "a=1 c=1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := start(t, Options{})
			must(c.Append(topic, 0, kv("a", "1")))(t)
			must(c.Append(topic, 0, kv("b", "1")))(t)
			txn := must(c.Begin("txn"))(t)
			must(txn.Append(topic, 0, kv("b", "theirs")))(t)
			must(c.Append(topic, 0, kv("c", "1")))(t)
			check(t, txn.Commit()) // at 4
			if tc.before {
				check(t, c.Compact())
			}
			must(c.LoseTail(topic, 0, 4))(t)
			if tc.after {
				check(t, c.Compact())
			}
			p := must(c.Partition(topic, 0))(t)
			if p.LastStableOffset != p.HighWatermark {
				t.Errorf("stable up to %d of %d", p.LastStableOffset, p.HighWatermark)
			}
			var got []string
			for _, r := range consume(t, client(t, c, "reader", kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted())), strings.Count(tc.want, "=")) {
				got = append(got, string(r.Key)+"="+string(r.Value))
			}
			if got := strings.Join(got, " "); got != tc.want {
				t.Errorf("a reader of committed records got %s, want %s", got, tc.want)
			}
		})
	}
}

// TestReaderLearnsOfTheLostTail checks that kgo notices the lost tail by the leader epoch: a
// reader ahead of the log gets a data loss error.
func TestReaderLearnsOfTheLostTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Options{Network: simnet.Config{Latency: simnet.Latency{Min: time.Millisecond}}})
		reader := client(t, c, "reader", kgo.ConsumeTopics(topic))
		writer := client(t, c, "writer", kgo.DisableIdempotentWrite())
		for i := range 5 {
			put(t, writer, "k", fmt.Sprint(i))
		}
		consume(t, reader, 5)
		must(c.LoseTail(topic, 0, 3))(t)
		for i := range 9 {
			must(c.Append(topic, 0, kv("k", fmt.Sprint("new", i))))(t)
		}
		var loss *kgo.ErrDataLoss
		for loss == nil {
			fs := reader.PollFetches(t.Context())
			fs.EachError(func(_ string, _ int32, err error) {
				if e, ok := err.(*kgo.ErrDataLoss); ok {
					loss = e
				}
			})
			if r := fs.Records(); len(r) > 0 && loss == nil {
				t.Fatalf("read offset %d without being told of the loss", r[0].Offset)
			}
		}
		if loss.ConsumedTo != 5 || loss.ResetTo != 3 {
			t.Errorf("data loss from %d to %d, want 5 to 3", loss.ConsumedTo, loss.ResetTo)
		}
		if r := consume(t, reader, 1)[0]; string(r.Value) != "new0" || r.Offset != 3 {
			t.Errorf("the reader goes on with %s at %d, want new0 at 3", r.Value, r.Offset)
		}
	})
}

// TestImageIsAsKfakeWrites compares an image with the files that kfake itself leaves.
func TestImageIsAsKfakeWrites(t *testing.T) {
	theirs, ours := t.TempDir(), t.TempDir()
	c := start(t, Options{Kfake: []kfake.Opt{kfake.DataDir(theirs)}})
	cl := client(t, c, "a")
	for i := range 7 {
		put(t, cl, "k", fmt.Sprint(i))
	}
	if _, _, err := c.halt(); err != nil {
		t.Fatal(err)
	}
	// kfake writes everything when it ends; read the log from its files.
	seg := filepath.Join(theirs, "partitions", topic+"-0", "0.dat")
	raw, err := os.ReadFile(seg)
	check(t, err)
	log := must(parseBatches(raw))(t)
	p := c.part(partition{topic, 0})
	im := image{Topics: []imageTopic{{
		Name: topic, ID: p.id, Partitions: 1, Replicas: 1, Configs: CompactConfigs(),
		Logs: [][]Batch{log}, Ends: []int64{7}, Producers: []map[int64]*producer{p.producers},
	}}}
	check(t, im.write(ours))
	for _, name := range []string{"meta.json", "topics.json", "seq_windows.json", "pids.log", "partitions/kv-0/0.dat", "partitions/kv-0/0.idx"} {
		got, err := os.ReadFile(filepath.Join(ours, name))
		check(t, err)
		want, err := os.ReadFile(filepath.Join(theirs, name))
		check(t, err)
		if strings.HasSuffix(name, ".log") {
			got, want = got[10:], want[10:] // the frame has the checksum of the order of the fields
		}
		if same, g, w := equal(name, got, want); !same {
			t.Errorf("%s:\n got %s\nwant %s", name, g, w)
		}
	}
}

// equal compares files, JSON by meaning.
func equal(name string, a, b []byte) (same bool, as, bs string) {
	if !strings.HasSuffix(name, ".json") && !strings.HasSuffix(name, ".log") {
		return string(a) == string(b), fmt.Sprintf("%x", a), fmt.Sprintf("%x", b)
	}
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false, string(a), string(b)
	}
	return reflect.DeepEqual(normal(x), normal(y)), string(a), string(b)
}

// normal sorts the ring buffers of batches, of which only the contents and the place for
// the next batch matter.
func normal(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	ws, ok := m["windows"].([]any)
	if !ok {
		return v
	}
	for _, w := range ws {
		w := w.(map[string]any)
		es := w["entries"].([]any)
		sort.Slice(es, func(i, j int) bool {
			return es[i].(map[string]any)["offset"].(float64) < es[j].(map[string]any)["offset"].(float64)
		})
		delete(w, "at") // ours starts at the oldest, theirs anywhere
		delete(w, "seq")
		delete(w, "offsets") // an older format, always zero
	}
	return v
}

func BenchmarkLoseTail(b *testing.B) {
	c := start(b, Options{})
	for range 100 {
		must(c.Append(topic, 0, kv("k", "v")))(b)
	}
	b.ReportAllocs()
	for b.Loop() {
		must(c.Append(topic, 0, kv("k", "v")))(b)
		must(c.LoseTail(topic, 0, 100))(b)
	}
}
