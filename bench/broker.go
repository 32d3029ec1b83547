package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// childEnv tells this program that it is a child process, and which.
const childEnv = "KVSIM_BENCH_CHILD"

const (
	childBroker = "broker" // runs kfake until its stdin ends
	childOpen   = "open"   // opens a store once
	childPoll   = "poll"   // reads a topic with kgo once
	childSide   = "side"   // holds one side of the rows about reads
)

// runBroker is the child that runs kfake. It prints the addresses.
func runBroker(stdin io.Reader, stdout io.Writer) error {
	const never = 200 * 365 * 24 * time.Hour // nothing is compacted while it is measured
	c, err := kfake.NewCluster(kfake.NumBrokers(1),
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

// startBroker starts kfake in a child process. stop ends it.
func startBroker() (addrs []string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childEnv+"="+childBroker)
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

// Sizes of the pairs, in bytes.
const (
	keySize   = 16
	valueSize = 100
	pairSize  = keySize + valueSize
)

// keyOf is the i-th key. Its bytes are spread by a bijection, so that keys made
// one after the other are not neighbours in order.
func keyOf(i int) []byte {
	k := make([]byte, keySize)
	putKey(k, i)
	return k
}

// putKey makes k the i-th key.
func putKey(k []byte, i int) {
	binary.BigEndian.PutUint64(k, uint64(i)*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(k[8:], uint64(i))
}

// values makes random values.
type values struct{ rng *rand.ChaCha8 }

func newValues(seed byte) values { return values{rand.NewChaCha8([32]byte{seed})} }

func (v values) next() []byte {
	b := make([]byte, valueSize)
	_, _ = v.rng.Read(b) // never fails
	return b
}

// cluster is brokers to measure on.
type cluster struct {
	kind  string // "kfake" or "kafka"
	addrs []string
	admin *kadm.Client
	made  []string
	run   int64
}

func newCluster(kind string, addrs []string) (*cluster, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addrs...))
	if err != nil {
		return nil, err
	}
	return &cluster{kind: kind, addrs: addrs, admin: kadm.NewClient(cl), run: time.Now().UnixNano()}, nil
}

// maxBatch is the limit of the topics for one record batch: 10,000 pairs need
// more than Kafka's default.
const maxBatch = "8000000"

// unmade returns the name of a topic that is not there. close deletes it if
// somebody made it.
func (c *cluster) unmade(name string) string {
	name = fmt.Sprintf("kvsim-bench-%d-%s-%d", c.run, name, len(c.made))
	c.made = append(c.made, name)
	return name
}

// topic creates a topic that is empty, with a name of its own.
func (c *cluster) topic(ctx context.Context, name string) (string, error) {
	name = c.unmade(name)
	configs := map[string]*string{"cleanup.policy": new("compact"), "max.message.bytes": new(maxBatch)}
	if _, err := c.admin.CreateTopic(ctx, 1, -1, configs, name); err != nil {
		return "", fmt.Errorf("create topic %s: %w", name, err)
	}
	return name, nil
}

// close deletes the topics.
func (c *cluster) close(ctx context.Context) error {
	defer c.admin.Close()
	if len(c.made) == 0 {
		return nil
	}
	_, err := c.admin.DeleteTopics(ctx, c.made...)
	return err
}

// producer returns the raw client that the store is measured against: no linger,
// all else as kgo has it.
func (c *cluster) producer(topic string) (*kgo.Client, error) {
	return kgo.NewClient(kgo.SeedBrokers(c.addrs...), kgo.DefaultProduceTopic(topic),
		kgo.ProducerLinger(0), kgo.RecordPartitioner(kgo.ManualPartitioner()))
}

// fill writes keys 0 to n-1 in an order without order.
func (c *cluster) fill(ctx context.Context, topic string, n int) error {
	cl, err := c.producer(topic)
	if err != nil {
		return err
	}
	defer cl.Close()
	val := newValues(7)
	var failed error
	for i := range n {
		cl.Produce(ctx, &kgo.Record{Key: keyOf(i), Value: val.next()}, func(_ *kgo.Record, err error) {
			if err != nil && failed == nil { // promises come one at a time
				failed = err
			}
		})
	}
	return errors.Join(cl.Flush(ctx), failed)
}
