package fakecluster

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/internal/simnet"
)

const topic = "kv"

// start starts a cluster with one compacted topic and closes it with the test.
func start(tb testing.TB, opts Options) *Cluster {
	tb.Helper()
	if opts.Topics == nil {
		opts.Topics = []Topic{{Name: topic, Configs: CompactConfigs()}}
	}
	c, err := Start(opts)
	if err != nil {
		tb.Fatalf("Start(%+v): %v", opts, err)
	}
	tb.Cleanup(func() { c.Close() })
	return c
}

func client(tb testing.TB, c *Cluster, name string, opts ...kgo.Opt) *kgo.Client {
	tb.Helper()
	base := []kgo.Opt{
		kgo.SeedBrokers(c.Seeds()...),
		kgo.Dialer(c.Dialer(name)),
		kgo.DefaultProduceTopic(topic),
		kgo.ProducerLinger(0),
		kgo.RequestRetries(20),
		kgo.RetryBackoffFn(func(int) time.Duration { return time.Millisecond }),
		kgo.MetadataMinAge(10 * time.Millisecond),
	}
	cl, err := kgo.NewClient(append(base, opts...)...)
	if err != nil {
		tb.Fatalf("kgo.NewClient: %v", err)
	}
	tb.Cleanup(cl.Close)
	return cl
}

func put(tb testing.TB, cl *kgo.Client, key, value string) int64 {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r := &kgo.Record{Key: []byte(key), Value: []byte(value)}
	if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
		tb.Fatalf("put %s=%s: %v", key, value, err)
	}
	return r.Offset
}

// consume polls until n records have come.
func consume(tb testing.TB, cl *kgo.Client, n int) []*kgo.Record {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var out []*kgo.Record
	for len(out) < n {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			tb.Fatalf("poll: %v", err)
		}
		out = append(out, fs.Records()...)
	}
	return out
}

func TestPutIsInTheLog(t *testing.T) {
	for _, tc := range []struct {
		name string
		opts Options
	}{
		{"memory", Options{}},
		{"three brokers", Options{Brokers: 3}},
		{"latency", Options{Network: simnet.Config{Latency: simnet.Latency{Min: 10 * time.Microsecond, Mean: 50 * time.Microsecond}}}},
		{"tcp", Options{TCP: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := start(t, tc.opts)
			cl := client(t, c, "a", kgo.ConsumeTopics(topic))
			for i := range 10 {
				if off := put(t, cl, fmt.Sprint("k", i), "v"); off != int64(i) {
					t.Fatalf("put %d got offset %d", i, off)
				}
			}
			if got := consume(t, cl, 10); string(got[9].Key) != "k9" {
				t.Errorf("last record consumed has key %q, want k9", got[9].Key)
			}
			log, err := c.ReadLog(topic, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, b := range log {
				for _, r := range b.Records {
					if want := fmt.Sprint("k", n); string(r.Key) != want || r.Offset != int64(n) {
						t.Errorf("record %d is %q at offset %d", n, r.Key, r.Offset)
					}
					n++
				}
			}
			if end, err := c.EndOffset(topic, 0); n != 10 || end != 10 || err != nil {
				t.Errorf("log has %d records, EndOffset = %d, %v; want 10, 10, nil", n, end, err)
			}
		})
	}
}

func TestBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, Options{Brokers: 3, Network: simnet.Config{Latency: simnet.Latency{Min: time.Millisecond, Mean: 2 * time.Millisecond}}})
		cl := client(t, c, "a", kgo.ConsumeTopics(topic))
		for i := range 100 {
			put(t, cl, fmt.Sprint("k", i), "v")
		}
		consume(t, cl, 100)
	})
}

func TestClosedClusterSaysSo(t *testing.T) {
	c := start(t, Options{})
	c.Close()
	c.Close()
	if _, err := c.EndOffset(topic, 0); !errors.Is(err, ErrClosed) {
		t.Errorf("EndOffset after Close: %v, want ErrClosed", err)
	}
	if err := c.CreateTopic(Topic{Name: "x"}); !errors.Is(err, ErrClosed) {
		t.Errorf("CreateTopic after Close: %v, want ErrClosed", err)
	}
	if _, err := c.ReadLog(topic, 0, 0); !errors.Is(err, ErrClosed) {
		t.Errorf("ReadLog after Close: %v, want ErrClosed", err)
	}
}

func TestStopAndStartBroker(t *testing.T) {
	c := start(t, Options{})
	cl := client(t, c, "a")
	put(t, cl, "k", "1")
	if err := c.StopBroker(0); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	cl.Produce(context.Background(), &kgo.Record{Key: []byte("k"), Value: []byte("2")}, func(_ *kgo.Record, err error) { done <- err })
	if err := c.StartBroker(0); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("put over a broker restart: %v", err)
	}
	if err := c.StopBroker(1); err == nil {
		t.Error("StopBroker(1) of a cluster of one broker: no error")
	}
}

func BenchmarkStart(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		c, err := Start(Options{Topics: []Topic{{Name: topic, Configs: CompactConfigs()}}})
		if err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
}
