package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/metrics"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
)

// openJob is what a child process opens or polls; each in a process of its own,
// so that one's garbage is not the other's.
type openJob struct {
	Addrs []string `json:"addrs"`
	Topic string   `json:"topic"`
	Keys  int      `json:"keys"`
}

// opened is what a child measured.
type opened struct {
	Seconds float64 `json:"seconds"`     // until the first Get has answered
	CPU     float64 `json:"cpu_seconds"` // of this process meanwhile

	// The heap's objects beyond those before the opening, in bytes. Peak is
	// the most while the store opened, garbage that is not swept included,
	// PeakRange the most until its first Range had ended too. Live is what a
	// collection left after that Range: an order that is built when it is
	// first asked for is not for free.
	Peak      float64 `json:"peak_bytes"`
	PeakRange float64 `json:"peak_range_bytes"`
	Live      float64 `json:"live_bytes"`

	FirstGet float64 `json:"first_get_ms"` // its part of Seconds

	First float64 `json:"first_range_ms"` // of 1,000 pairs, the first after the opening
	Range float64 `json:"range_us"`       // of 1,000 pairs, later
	Scan  float64 `json:"scan_ns"`        // of all pairs, a pair
	Get   float64 `json:"get_ns"`
}

// runChild is a child process of the given kind.
func runChild(ctx context.Context, kind string, stdin io.Reader, stdout io.Writer) error {
	if kind == childBroker {
		return runBroker(stdin, stdout)
	}
	in, out := json.NewDecoder(stdin), json.NewEncoder(stdout)
	if kind == childSide {
		return runSide(ctx, in, out)
	}
	var job openJob
	if err := in.Decode(&job); err != nil {
		return err
	}
	do := job.open
	if kind == childPoll {
		do = job.poll
	}
	res, err := do(ctx)
	if err != nil {
		return err
	}
	return out.Encode(res)
}

// child runs a job in a process of its own.
func (j openJob) child(ctx context.Context, kind string) (opened, error) {
	var res opened
	self, err := os.Executable()
	if err != nil {
		return res, err
	}
	in, err := json.Marshal(j)
	if err != nil {
		return res, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), childEnv+"="+kind)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return res, fmt.Errorf("child %s: %w", kind, err)
	}
	err = json.Unmarshal(out, &res)
	return res, err
}

// open opens a store and then reads from it.
func (j openJob) open(ctx context.Context) (*opened, error) {
	before := liveHeap()
	peak := watchHeap()
	c := cluster{addrs: j.Addrs}
	began, cpu := time.Now(), cpuTime()
	kv, err := c.store(ctx, j.Topic)
	if err != nil {
		return nil, err
	}
	defer kv.Close()
	ready := time.Now()
	if _, err := kv.Get(ctx, keyOf(0)); err != nil { // it ends what the opening began, see package memory
		return nil, err
	}
	res := &opened{
		Seconds: time.Since(began).Seconds(), CPU: cpuTime() - cpu, Peak: peak() - before,
		FirstGet: micros(time.Since(ready)) / 1000,
	}
	peak = watchHeap()
	began = time.Now()
	err = drain(kv.Range(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{Limit: 1000}))
	if err != nil {
		return nil, err
	}
	res.First = micros(time.Since(began)) / 1000
	res.PeakRange = max(res.Peak, peak()-before)
	res.Live = liveHeap() - before

	const n = 1000
	i := 0
	if res.Range, err = medianOf(50, func() error {
		i += 7919
		return drain(kv.Range(ctx, kvstore.KeyConstraint{Start: keyOf(i % j.Keys)}, kvstore.QueryOptions{Limit: n}))
	})(); err != nil {
		return nil, err
	}
	if res.Scan, err = j.scans(ctx, kv); err != nil {
		return nil, err
	}
	get, err := medianOf(20, func() error {
		for range n {
			i += 7919
			if _, err := kv.Get(ctx, keyOf(i%j.Keys)); err != nil {
				return err
			}
		}
		return nil
	})()
	res.Get = get * 1000 / n
	return res, err
}

// scans returns what a pair takes in a Range of all, in nanoseconds: the mean of a few,
// since one that meets a collection, or memory that is new to the process, takes twice as
// long as the next; of few keys the mean of as many as take half a second.
func (j openJob) scans(ctx context.Context, kv *kvstore.Client) (float64, error) {
	n := max(8, 8_000_000/j.Keys)
	began := time.Now()
	for range n {
		if err := drain(kv.Range(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{})); err != nil {
			return 0, err
		}
	}
	return micros(time.Since(began)) * 1000 / float64(n*j.Keys), nil
}

func drain[K any](pairs func(func(K, error) bool)) (failed error) {
	pairs(func(_ K, err error) bool {
		failed = err
		return err == nil
	})
	return failed
}

// poll reads a topic to its end with kgo and keeps nothing.
func (j openJob) poll(ctx context.Context) (*opened, error) {
	began, cpu := time.Now(), cpuTime()
	cl, err := kgo.NewClient(kgo.SeedBrokers(j.Addrs...), kgo.ConsumeTopics(j.Topic))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	for n := 0; n < j.Keys; {
		f := cl.PollFetches(ctx)
		if err := f.Err(); err != nil {
			return nil, err
		}
		n += f.NumRecords()
	}
	return &opened{Seconds: time.Since(began).Seconds(), CPU: cpuTime() - cpu}, nil
}

const heapObjects = "/memory/classes/heap/objects:bytes"

func heapNow() float64 {
	s := []metrics.Sample{{Name: heapObjects}}
	metrics.Read(s)
	return float64(s[0].Value.Uint64())
}

// liveHeap returns the bytes of the heap after a collection.
func liveHeap() float64 {
	runtime.GC()
	runtime.GC()
	return heapNow()
}

// watchHeap looks at the heap every millisecond. The function that it returns
// ends that and returns the most that was seen.
func watchHeap() (peak func() float64) {
	stop, done := make(chan struct{}), make(chan float64)
	go func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		most := 0.0
		for {
			most = max(most, heapNow())
			select {
			case <-tick.C:
			case <-stop:
				done <- most
				return
			}
		}
	}()
	return func() float64 {
		close(stop)
		return <-done
	}
}

var openingRows = []string{"bootstrap", "bootstrap-cpu", "first-get", "memory", "peak-heap", "peak-heap-range", "first-range"}

// opening measures the bootstrap in rounds of an open and a poll, each in a new
// process.
func (b *bench) opening(ctx context.Context, c *cluster, topic string) error {
	if !b.wants(openingRows...) {
		return nil
	}
	boot := row{
		ID: "bootstrap", What: fmt.Sprintf("bootstrap of %d records and the first Get", b.keys), Yardstick: "kgo poll of the same topic", Brokers: c.kind,
		Unit: "records/s", Limit: 0.7, AtLeast: true,
	}
	cpu := row{
		ID: "bootstrap-cpu", What: "processor time of that bootstrap, the broker's aside", Yardstick: "that of the poll", Brokers: c.kind, Unit: "s",
		Note: "on a machine that does other things too this says more than the time by the clock",
	}
	mem := row{
		ID: "memory", What: fmt.Sprintf("memory per key at %d", b.keys), Yardstick: "key and value", Brokers: c.kind,
		Unit: "bytes", Limit: 2,
	}
	peak := row{
		ID: "peak-heap", What: "peak heap during bootstrap", Yardstick: "live keys and values", Brokers: c.kind,
		Unit: "bytes/key", Limit: 3, Note: "GOGC as Go has it; the peak counts garbage that is not swept yet",
	}
	peakRange := row{
		ID: "peak-heap-range", What: "peak heap until the first Range has ended", Yardstick: "live keys and values", Brokers: c.kind,
		Unit: "bytes/key",
	}
	firstGet := row{ID: "first-get", What: "of which the first Get", Brokers: c.kind, Unit: "ms"}
	first := row{ID: "first-range", What: "the first Range of 1,000 after the bootstrap", Brokers: c.kind, Unit: "ms"}
	job, keys := openJob{c.addrs, topic, b.keys}, float64(b.keys)
	for i := 0; i == 0 || boot.wantsMore(b.rounds) || peak.wantsMore(b.rounds) || mem.wantsMore(b.rounds); i++ {
		var open, poll opened
		var err, err2 error
		if i%2 == 0 {
			open, err = job.child(ctx, childOpen)
		}
		poll, err2 = job.child(ctx, childPoll)
		if i%2 == 1 {
			open, err = job.child(ctx, childOpen)
		}
		if err := errors.Join(err, err2); err != nil {
			return err
		}
		if i == 0 {
			continue
		}
		boot.add(keys/open.Seconds, keys/poll.Seconds)
		if poll.CPU > 0 {
			cpu.add(open.CPU, poll.CPU)
		}
		mem.add(open.Live/keys, pairSize)
		peak.add(open.Peak/keys, pairSize)
		peakRange.add(open.PeakRange/keys, pairSize)
		firstGet.addValue(open.FirstGet)
		first.addValue(open.First)
	}
	for _, r := range []row{boot, cpu, firstGet, mem, peak, peakRange, first} {
		b.row(r)
	}
	return nil
}
