package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// brokerEnv makes this program a child process that runs kfake until its stdin
	// ends. It holds how long each way between a client and the broker takes.
	brokerEnv = "KVSIM_BENCH_BROKER"

	// smallEnv divides the numbers of keys, for a quick look whether all still runs.
	smallEnv = "KVSIM_BENCH_SMALL"

	// kafkaEnv names brokers to measure on, in place of kfake.
	kafkaEnv = "KVSIM_KAFKA_BROKERS"
)

func TestMain(m *testing.M) {
	if delay := os.Getenv(brokerEnv); delay != "" {
		if err := runBroker(delay, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	if flag.Lookup("test.bench").Value.String() != "" {
		tellConfig(os.Stdout)
	}
	code := m.Run()
	for _, c := range clusters {
		if err := c.close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// tellConfig prints what the numbers depend on, in the form that Go's tools read.
func tellConfig(w io.Writer) {
	brokers := "kfake"
	if os.Getenv(kafkaEnv) != "" {
		brokers = "kafka"
	}
	fmt.Fprintln(w, "brokers:", brokers)
	if small() > 1 {
		fmt.Fprintln(w, "keys-divided-by:", small())
	}
}

// small is what all numbers of keys are divided by.
func small() int {
	n, err := strconv.Atoi(os.Getenv(smallEnv))
	if err != nil || n < 1 {
		return 1
	}
	return n
}

// runBroker is the child that runs kfake. It prints the addresses.
func runBroker(delay string, stdin io.Reader, stdout io.Writer) error {
	each, err := time.ParseDuration(delay)
	if err != nil {
		return err
	}
	const never = 200 * 365 * 24 * time.Hour // nothing is compacted while it is measured
	c, err := kfake.NewCluster(kfake.NumBrokers(1),
		kfake.ListenFn(func(network, address string) (net.Listener, error) { return listenFar(network, address, each) }),
		kfake.BrokerConfigs(map[string]string{"log.cleaner.backoff.ms": strconv.FormatInt(never.Milliseconds(), 10)}))
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := fmt.Fprintln(stdout, strings.Join(c.ListenAddrs(), ",")); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, stdin)
	return err
}

// cluster is brokers to measure on.
type cluster struct {
	addrs []string
	admin *kadm.Client
	stop  func() // ends the brokers
	run   int64
	made  []string
	full  map[string]string // topics that fill has filled, by use and number of keys
}

// clusters are those that were asked for, by their delay.
var clusters = map[time.Duration]*cluster{}

// brokers returns the brokers that are so far away, each way. It starts them when they
// are first asked for: kfake in a child process, so that its work is none of ours.
func brokers(b *testing.B, delay time.Duration) *cluster {
	b.Helper()
	c := clusters[delay]
	if c != nil {
		return c
	}
	c = &cluster{run: time.Now().UnixNano(), stop: func() {}, full: map[string]string{}}
	var err error
	if known := os.Getenv(kafkaEnv); known != "" {
		if delay != 0 {
			b.Skip("only kfake can be put far away")
		}
		c.addrs = strings.Split(known, ",")
	} else if c.addrs, c.stop, err = startBroker(delay); err != nil {
		b.Fatal(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...))
	if err != nil {
		c.stop()
		b.Fatal(err)
	}
	c.admin = kadm.NewClient(cl)
	clusters[delay] = c
	return c
}

// startBroker starts kfake in a child process.
func startBroker(delay time.Duration) (addrs []string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), brokerEnv+"="+delay.String())
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	stop = func() {
		_ = stdin.Close()
		_ = cmd.Wait() // nothing is measured any more
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		stop()
		return nil, nil, fmt.Errorf("the child with the brokers gave no address: %w", err)
	}
	return strings.Split(strings.TrimSpace(line), ","), stop, nil
}

// close deletes the topics, and ends brokers that were started.
func (c *cluster) close() error {
	defer c.stop()
	defer c.admin.Close()
	if len(c.made) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := c.admin.DeleteTopics(ctx, c.made...)
	return err
}

// unmade returns the name of a topic that is not there. close deletes it if it was made.
func (c *cluster) unmade(name string) string {
	name = fmt.Sprintf("kvsim-bench-%d-%s-%d", c.run, name, len(c.made))
	c.made = append(c.made, name)
	return name
}

// topic creates an empty topic. Its limit for one record batch lets 10,000 pairs
// through, which need more than Kafka's default.
func (c *cluster) topic(b *testing.B, name string) string {
	b.Helper()
	name = c.unmade(name)
	configs := map[string]*string{"cleanup.policy": new("compact"), "max.message.bytes": new("8000000")}
	if _, err := c.admin.CreateTopic(b.Context(), 1, -1, configs, name); err != nil {
		b.Fatalf("create topic %s: %v", name, err)
	}
	return name
}

// producer returns the raw client that the store is measured against: no linger,
// all else as kgo has it. It is closed when b ends.
func (c *cluster) producer(b *testing.B, topic string) *kgo.Client {
	b.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.DefaultProduceTopic(topic),
		kgo.ProducerLinger(0), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(cl.Close)
	return cl
}

// filled returns a topic with the keys 0 to n-1 in an order without order. Benchmarks
// that write into it share it under another use than those that don't.
func (c *cluster) filled(b *testing.B, use string, n int) string {
	b.Helper()
	use = fmt.Sprintf("%s-%d", use, n)
	if name := c.full[use]; name != "" {
		return name
	}
	name := c.topic(b, use)
	cl, val := c.producer(b, name), newValues(7)
	var failed error
	for i := range n {
		cl.Produce(b.Context(), &kgo.Record{Key: keyOf(i), Value: val.next()}, func(_ *kgo.Record, err error) {
			if err != nil && failed == nil { // promises come one at a time
				failed = err
			}
		})
	}
	if err := errors.Join(cl.Flush(b.Context()), failed); err != nil {
		b.Fatal(err)
	}
	c.full[use] = name
	return name
}
