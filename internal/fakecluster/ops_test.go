package fakecluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/kvsim/kvsim/internal/simnet"
)

// show prints a log in one line: "0:k=v" for a record, "1:k" for a tombstone,
// "2:commit" and "2:abort" for markers.
func show(tb testing.TB, c *Cluster) string {
	tb.Helper()
	log, err := c.ReadLog(topic, 0, 0)
	if err != nil {
		tb.Fatal(err)
	}
	return showBatches(log)
}

func showBatches(log []Batch) string {
	var out []string
	for _, b := range log {
		if commit, ok := b.Marker(); ok {
			out = append(out, fmt.Sprintf("%d:%s", b.FirstOffset, map[bool]string{true: "commit", false: "abort"}[commit]))
			continue
		}
		if b.Unreadable != nil {
			out = append(out, fmt.Sprintf("%d:unreadable", b.FirstOffset))
		}
		for _, r := range b.Records {
			s := fmt.Sprintf("%d:%s", r.Offset, r.Key)
			if r.Value != nil {
				s += "=" + string(r.Value)
			}
			out = append(out, s)
		}
	}
	return strings.Join(out, " ")
}

func wantLog(tb testing.TB, c *Cluster, want string) {
	tb.Helper()
	if got := show(tb, c); got != want {
		tb.Errorf("log:\n got %s\nwant %s", got, want)
	}
}

func kv(key, value string) Record { return Record{Key: []byte(key), Value: []byte(value)} }

func must[T any](v T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func TestRawWrites(t *testing.T) {
	c := start(t, Options{Brokers: 3})
	must(c.Append(topic, 0, kv("a", "1"), kv("b", "2")))(t)
	must(c.Append(topic, 0, Record{Value: []byte("keyless")}))(t)
	must(c.AppendGarbage(topic, 0))(t)
	must(c.Append(topic, 0, Record{Key: []byte("a"), Headers: []Header{{Key: "h", Value: []byte("v")}}}))(t)
	log := must(c.ReadLog(topic, 0, 0))(t)
	if got, want := showBatches(log), "0:a=1 1:b=2 2:=keyless 3:unreadable 4:a"; got != want {
		t.Errorf("log:\n got %s\nwant %s", got, want)
	}
	if len(log) != 4 || len(log[0].Records) != 2 || log[0].LastOffset != 1 {
		t.Errorf("batch boundaries are wrong: %+v", log)
	}
	if r := log[1].Records[0]; r.Key != nil {
		t.Errorf("key of the keyless record is %q, want nil", r.Key)
	}
	if r := log[3].Records[0]; r.Value != nil || len(r.Headers) != 1 || r.Headers[0].Key != "h" || time.Since(r.Timestamp) > time.Hour {
		t.Errorf("tombstone reads back as %+v", r)
	}
	if _, err := c.Append("nope", 0, kv("a", "1")); !errors.Is(err, ErrNoPartition) {
		t.Errorf("Append to a topic that does not exist: %v", err)
	}
	if _, err := c.Append(topic, 0); err == nil {
		t.Error("Append of nothing: no error")
	}
}

func TestTransactions(t *testing.T) {
	c := start(t, Options{Brokers: 3})
	open := must(c.Begin("one"))(t)
	must(open.Append(topic, 0, kv("a", "open")))(t)
	must(open.Append(topic, 0, kv("b", "open")))(t)
	if p := must(c.Partition(topic, 0))(t); p.LastStableOffset != 0 || p.HighWatermark != 2 {
		t.Errorf("stable offset %d of %d with an open transaction, want 0 of 2", p.LastStableOffset, p.HighWatermark)
	}
	check(t, open.Commit())
	aborted := must(c.Begin("two"))(t)
	must(aborted.Append(topic, 0, kv("a", "aborted")))(t)
	check(t, aborted.Abort())
	if err := aborted.Commit(); err == nil {
		t.Error("Commit after Abort: no error")
	}
	if _, err := aborted.Append(topic, 0, kv("a", "x")); err == nil {
		t.Error("Append after Abort: no error")
	}
	check(t, must(c.Begin("empty"))(t).Commit())
	wantLog(t, c, "0:a=open 1:b=open 2:commit 3:a=aborted 4:abort")
	cl := client(t, c, "reader", kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	put(t, cl, "end", "1")
	var got []string
	for _, r := range consume(t, cl, 3) {
		got = append(got, string(r.Key)+"="+string(r.Value))
	}
	if want := "a=open b=open end=1"; strings.Join(got, " ") != want {
		t.Errorf("read %s, want %s", got, want)
	}
}

func TestCompactReallyCompacts(t *testing.T) {
	c := start(t, Options{})
	cl := client(t, c, "writer")
	for i := range 3 {
		put(t, cl, "a", fmt.Sprint(i))
		put(t, cl, "b", fmt.Sprint(i))
	}
	must(c.Append(topic, 0, Record{Key: []byte("b")}))(t)
	check(t, c.CompactClosed())
	wantLog(t, c, "4:a=2 5:b=2 6:b")
	check(t, c.Compact())
	wantLog(t, c, "4:a=2 6:b 7:abort")
	put(t, cl, "a", "3")
	check(t, c.Compact())
	wantLog(t, c, "6:b 8:a=3 9:abort")
}

// TestCompactionBringsBackNothingThatWasDeleted deletes up to the middle of a
// batch. kfake moves the log's start back to the batch when it compacts.
func TestCompactionBringsBackNothingThatWasDeleted(t *testing.T) {
	c := start(t, Options{})
	must(c.Append(topic, 0, kv("a", "1"), kv("b", "2"), kv("c", "3")))(t)
	must(c.Append(topic, 0, kv("d", "4")))(t)
	check(t, c.DeleteRecords(topic, 0, 2))
	for range 2 {
		check(t, c.Compact())
		info := must(c.Partition(topic, 0))(t)
		if info.LogStartOffset != 2 {
			t.Errorf("the log starts at %d, want 2", info.LogStartOffset)
		}
	}
	reader := client(t, c, "reader", kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	var got []string
	for len(got) < 2 {
		fetches := reader.PollFetches(t.Context())
		check(t, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) { got = append(got, string(r.Key)) })
	}
	if fmt.Sprint(got) != "[c d]" {
		t.Errorf("a new reader reads %v, want [c d]", got)
	}
}

func TestTombstonesExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Options{})
		must(c.Append(topic, 0, kv("a", "1"), Record{Key: []byte("a")}))(t)
		time.Sleep(23 * time.Hour)
		check(t, c.Compact())
		wantLog(t, c, "1:a 2:abort")
		time.Sleep(2 * time.Hour)
		check(t, c.Compact())
		wantLog(t, c, "3:abort")
		time.Sleep(30 * 24 * time.Hour)
		must(c.Append(topic, 0, kv("b", "1")))(t)
		time.Sleep(30 * 24 * time.Hour)
		check(t, c.Compact())
		wantLog(t, c, "4:b=1 5:abort")
	})
}

// TestLaggingReaderSurvivesCompaction checks that a reader whose offset was compacted away
// continues at the next batch.
func TestLaggingReaderSurvivesCompaction(t *testing.T) {
	c := start(t, Options{})
	for i := range 10 {
		must(c.Append(topic, 0, kv("a", fmt.Sprint(i))))(t)
	}
	lagging := func() *kgo.Client {
		return client(t, c, "lagging", kgo.ConsumeResetOffset(kgo.NoResetOffset()),
			kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(3)}}))
	}
	check(t, c.Compact())
	cl := lagging()
	if r := consume(t, cl, 1)[0]; r.Offset != 9 {
		t.Errorf("the lagging reader goes on at offset %d, want 9", r.Offset)
	}
	check(t, c.DeleteRecords(topic, 0, 10))
	fs := lagging().PollFetches(t.Context())
	if err := fs.Err(); !errors.Is(err, kerr.OffsetOutOfRange) {
		t.Errorf("a reader below deleted records gets %v, want OFFSET_OUT_OF_RANGE", err)
	}
	if err := c.DeleteRecords(topic, 0, 99); !errors.Is(err, kerr.OffsetOutOfRange) {
		t.Errorf("DeleteRecords beyond the end: %v", err)
	}
}

// TestMoveLeaderLosesNothing moves the leader with no record in between: the
// reader must not see data loss, and must not wait for its fetch to time out.
func TestMoveLeaderLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Options{Brokers: 3, Network: simnet.Config{Latency: simnet.Latency{Min: time.Millisecond}}})
		reader := client(t, c, "reader", kgo.ConsumeResetOffset(kgo.NoResetOffset()), kgo.FetchMaxWait(time.Hour),
			kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(0)}}))
		writer := client(t, c, "writer")
		put(t, writer, "k", "1")
		consume(t, reader, 1)
		synctest.Wait()
		moved := time.Now()
		check(t, c.MoveLeader(topic, 0, 2))
		time.Sleep(20 * time.Millisecond)
		check(t, c.MoveLeader(topic, 0, 1))
		put(t, writer, "k", "2")
		if r := consume(t, reader, 1)[0]; r.Offset != 1 {
			t.Errorf("read offset %d after two moves, want 1", r.Offset)
		}
		if d := time.Since(moved); d > 10*time.Second {
			t.Errorf("the reader came back after %v", d)
		}
		p := must(c.Partition(topic, 0))(t)
		if p.Epoch != 3 || p.Leader != 1 {
			t.Errorf("epoch %d, leader %d after two moves from epoch 1, want 3 and 1", p.Epoch, p.Leader)
		}
	})
	c := start(t, Options{})
	if err := c.MoveLeader(topic, 0, 1); err == nil {
		t.Error("MoveLeader to a broker that does not exist: no error")
	}
	if err := c.MoveLeader("nope", 0, 0); !errors.Is(err, ErrNoPartition) {
		t.Errorf("MoveLeader of a topic that does not exist: %v", err)
	}
}

func TestEpochEnd(t *testing.T) {
	epochs := []epochStart{{epoch: 2}, {epoch: 3, start: 10}, {epoch: 5, start: 10}, {epoch: 6, start: 20}}
	for _, tc := range []struct {
		asked, epoch int32
		end          int64
	}{
		{-1, -1, -1},
		{1, 1, 0},   // before the first: the start of the first
		{2, 2, 10},  // ended where the next began
		{3, 3, 10},  // no record in it
		{4, 3, 10},  // the largest below
		{5, 5, 20},  //
		{6, 6, 30},  // the present one: the end of the log
		{7, -1, -1}, // not known
	} {
		if e, end := epochEnd(epochs, tc.asked, 30); e != tc.epoch || end != tc.end {
			t.Errorf("epochEnd(%d) = %d, %d, want %d, %d", tc.asked, e, end, tc.epoch, tc.end)
		}
	}
}

func TestEpochsThatEndedBelowTheStartAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Options{Brokers: 1})
		for range 3 {
			must(c.Append(topic, 0, kv("a", "1")))(t)
			must(c.Append(topic, 0, kv("a", "2")))(t)
			check(t, c.MoveLeader(topic, 0, 0))
		}
		for _, tc := range []struct {
			start int64
			ends  []int64 // of epochs 0, 1 and 2
		}{
			{0, []int64{2, 4, 6}},
			{1, []int64{2, 4, 6}},
			{2, []int64{2, 4, 6}},
			{3, []int64{3, 4, 6}},
			{5, []int64{5, 5, 6}},
		} {
			check(t, c.DeleteRecords(topic, 0, tc.start))
			for epoch, want := range tc.ends {
				if known, end := askEpoch(t, c, int32(epoch)); known != int32(epoch) || end != want {
					t.Errorf("the log begins at %d: OffsetForLeaderEpoch(%d) = %d, %d, want %d, %d", tc.start, epoch, known, end, epoch, want)
				}
			}
		}
	})
}

func TestFailProduces(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault ProduceFault
		log   string
	}{
		{"before", ProduceFault{Err: kerr.NotLeaderForPartition, Count: 2}, "0:k=v"},
		{"before, this topic", ProduceFault{Err: kerr.NotLeaderForPartition, Topic: topic, Count: 1}, "0:k=v"},
		{"after", ProduceFault{Err: kerr.NotEnoughReplicasAfterAppend, AfterAppend: true, Count: 2}, "0:k=v"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := start(t, Options{})
			cl := client(t, c, "a")
			f := must(c.FailProduces(tc.fault))(t)
			put(t, cl, "k", "v") // kgo tries again
			if f.Hits() != tc.fault.Count {
				t.Errorf("Hits() = %d, want %d", f.Hits(), tc.fault.Count)
			}
			check(t, f.Wait(t.Context(), tc.fault.Count))
			if err := f.Wait(t.Context(), 9); !errors.Is(err, ErrUndone) {
				t.Errorf("Wait for more than the count: %v, want ErrUndone", err)
			}
			wantLog(t, c, tc.log)
		})
	}
	c := start(t, Options{})
	cl := client(t, c, "a")
	f := must(c.FailProduces(ProduceFault{Err: kerr.TopicAuthorizationFailed}))(t)
	err := cl.ProduceSync(t.Context(), &kgo.Record{Key: []byte("k")}).FirstErr()
	if !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("produce: %v, want TOPIC_AUTHORIZATION_FAILED", err)
	}
	must(c.Append(topic, 0, kv("harness", "passes")))(t)
	f.Undo()
	f.Undo()
	put(t, cl, "k", "v")
	wantLog(t, c, "0:harness=passes 1:k=v")
	if _, err := c.FailProduces(ProduceFault{}); err == nil {
		t.Error("FailProduces without an error: no error")
	}
	if _, err := c.FailProduces(ProduceFault{Err: kerr.NotLeaderForPartition, AfterAppend: true}); err == nil {
		t.Error("FailProduces with an error that cannot come after the append: no error")
	}
}

func TestSlowBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Options{})
		cl := client(t, c, "a")
		put(t, cl, "k", "0")
		f := must(c.SlowBroker(Slow{Delay: time.Second, Count: 2}))(t)
		begin := time.Now()
		put(t, cl, "k", "1")
		put(t, cl, "k", "2")
		put(t, cl, "k", "3")
		if d := time.Since(begin).Round(time.Millisecond); d != 2*time.Second {
			t.Errorf("three puts took %v, want 2s", d)
		}
		if f.Hits() != 2 {
			t.Errorf("Hits() = %d, want 2", f.Hits())
		}
		hold := must(c.SlowBroker(Slow{Brokers: []int32{0}}))(t)
		done := make(chan error)
		for i := range 3 {
			name := fmt.Sprint("w", i)
			go func() {
				done <- client(t, c, name).ProduceSync(t.Context(), &kgo.Record{Key: []byte("k")}).FirstErr()
			}()
		}
		check(t, hold.Wait(t.Context(), 3))
		if end := must(c.EndOffset(topic, 0))(t); end != 4 {
			t.Errorf("end offset %d while produces are held, want 4", end)
		}
		time.Sleep(time.Second)
		hold.Undo()
		for range 3 {
			check(t, <-done)
		}
	})
	c := start(t, Options{})
	if _, err := c.SlowBroker(Slow{Delay: -1}); err == nil {
		t.Error("SlowBroker with a negative delay: no error")
	}
	if _, err := c.SlowBroker(Slow{Count: 1}); err == nil {
		t.Error("SlowBroker that holds a number of requests: no error")
	}
}

// TestCloseWithHeldRequests closes a cluster in which several requests are
// held; a leaked goroutine would end the bubble with a panic.
func TestCloseWithHeldRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Options{})
		hold := must(c.SlowBroker(Slow{}))(t)
		var clients []*kgo.Client
		done := make(chan error)
		for i := range 3 {
			cl := client(t, c, fmt.Sprint("w", i))
			clients = append(clients, cl)
			go func() { done <- cl.ProduceSync(t.Context(), &kgo.Record{Key: []byte("k")}).FirstErr() }()
		}
		check(t, hold.Wait(t.Context(), 3))
		waiter := make(chan error)
		go func() { waiter <- hold.Wait(context.Background(), 99) }()
		synctest.Wait()
		c.Close()
		if err := <-waiter; err == nil {
			t.Error("Wait of a fault over Close: no error")
		}
		for _, cl := range clients {
			cl.Close() // otherwise kgo would retry without end
		}
		for range 3 {
			if err := <-done; err == nil {
				t.Error("a held produce succeeded after Close")
			}
		}
	})
}

func TestRecreateTopic(t *testing.T) {
	c := start(t, Options{})
	tap := must(c.Tap(topic, 0))(t)
	must(c.Append(topic, 0, kv("a", "old")))(t)
	check(t, c.RecreateTopic(topic))
	wantLog(t, c, "")
	must(c.Append(topic, 0, kv("a", "1"), kv("a", "2")))(t)
	check(t, c.Compact())
	wantLog(t, c, "1:a=2 2:abort")
	got := must(tap.Batches())(t)
	if len(got) != 3 || got[0].Incarnation != 0 || got[1].Incarnation != 1 {
		t.Errorf("tap: %+v", got)
	}
	check(t, c.DeleteTopic(topic))
	if got := must(tap.Batches())(t); len(got) != 3 {
		t.Errorf("tap after the topic was deleted has %d batches, want 3", len(got))
	}
	if err := c.RecreateTopic(topic); !errors.Is(err, ErrNoPartition) {
		t.Errorf("RecreateTopic of a deleted topic: %v", err)
	}
}

func TestTapSeesWhatIsErased(t *testing.T) {
	c := start(t, Options{})
	tap := must(c.Tap(topic, 0))(t)
	cl := client(t, c, "writer")
	for i := range 50 {
		put(t, cl, "a", fmt.Sprint(i))
		switch i {
		case 10, 20:
			check(t, c.Compact())
		case 30:
			check(t, c.DeleteRecords(topic, 0, -1))
		case 40:
			must(c.LoseTail(topic, 0, must(c.EndOffset(topic, 0))(t)-1))(t)
		}
	}
	var values []string
	lost := 0
	for _, b := range must(tap.Batches())(t) {
		for _, r := range b.Records {
			if !b.Control {
				values = append(values, string(r.Value))
			}
			if b.Lost {
				lost++
			}
		}
	}
	want := make([]string, 50)
	for i := range want {
		want[i] = fmt.Sprint(i)
	}
	if !slices.Equal(values, want) {
		t.Errorf("tap saw %v", values)
	}
	if lost != 1 {
		t.Errorf("%d records are marked lost, want 1", lost)
	}
}

func TestUsersAndRights(t *testing.T) {
	c := start(t, Options{Users: map[string]string{"app": "secret"}})
	cl := client(t, c, "app", kgo.SASL(plain.Auth{User: "app", Pass: "secret"}.AsMechanism()), kgo.DisableIdempotentWrite())
	err := cl.ProduceSync(t.Context(), &kgo.Record{Key: []byte("k")}).FirstErr()
	if err == nil {
		t.Error("produce without rights: no error")
	}
	check(t, c.Allow("app", topic, kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe))
	put(t, cl, "k", "1")
	check(t, c.Crash())
	put(t, cl, "k", "2")
	check(t, c.Revoke("app", topic, kmsg.ACLOperationWrite))
	err = cl.ProduceSync(t.Context(), &kgo.Record{Key: []byte("k")}).FirstErr()
	if !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("produce after Revoke: %v, want TOPIC_AUTHORIZATION_FAILED", err)
	}
	wantLog(t, c, "0:k=1 1:k=2")
	if err := c.Revoke("app", topic, kmsg.ACLOperationWrite); err == nil {
		t.Error("Revoke of a right that was not given: no error")
	}
	if err := c.Allow("nobody", topic, kmsg.ACLOperationWrite); err == nil {
		t.Error("Allow for a user that does not exist: no error")
	}
}

// TestAnswerLostAfterTheAppend tests the fault that matters most: the client can't know that
// its batch was appended and tries again, and the broker recognises the batch.
func TestAnswerLostAfterTheAppend(t *testing.T) {
	c := start(t, Options{})
	cl := client(t, c, "a")
	put(t, cl, "k", "0")
	f := c.Network().LoseAnswer(simnet.Target{Keys: []int16{int16(kmsg.Produce)}}, 1)
	put(t, cl, "k", "1")
	if f.Hits() != 1 {
		t.Errorf("Hits() = %d, want 1", f.Hits())
	}
	g := c.Network().LoseRequest(simnet.Target{Keys: []int16{int16(kmsg.Produce)}}, 1)
	put(t, cl, "k", "2")
	if g.Hits() != 1 {
		t.Errorf("Hits() = %d, want 1", g.Hits())
	}
	wantLog(t, c, "0:k=0 1:k=1 2:k=2")
}

func TestTCPSaysWhatItCannotDo(t *testing.T) {
	c := start(t, Options{TCP: true})
	if err := c.StopBroker(0); !errors.Is(err, ErrNeedsMemory) {
		t.Errorf("StopBroker on TCP: %v, want ErrNeedsMemory", err)
	}
	conn, err := net.Dial("tcp", c.Seeds()[0])
	check(t, err)
	c.Close()
	conn.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, io.ErrNoProgress) {
		t.Errorf("read after Close: %v", err)
	}
}

func TestPartitionsAreAddedWhileBrokersAreDown(t *testing.T) {
	c := start(t, Options{Brokers: 3, Topics: []Topic{{Name: topic}}})
	check(t, c.StopBroker(0))
	check(t, c.AddPartitions(topic, 4))
	check(t, c.StartBroker(0))
	for p := range int32(4) {
		info, err := c.Partition(topic, p)
		if err != nil || info.HighWatermark != 0 {
			t.Errorf("partition %d = %+v, %v; want an empty one", p, info, err)
		}
		if _, err := c.Append(topic, p, kv("k", "v")); err != nil {
			t.Errorf("append to partition %d: %v", p, err)
		}
	}
	if err := c.AddPartitions(topic, 3); err == nil {
		t.Error("AddPartitions to fewer than there are = nil, want an error")
	}
	if err := c.AddPartitions("nope", 3); !errors.Is(err, ErrNoPartition) {
		t.Errorf("AddPartitions to a topic that is not there = %v, want ErrNoPartition", err)
	}
	check(t, c.RecreateTopic(topic))
	if _, err := c.Partition(topic, 3); err != nil {
		t.Errorf("partition 3 of the topic created anew = %v, want it to be there", err)
	}
}
