// Command kafkaworld is a guest for the tests of package exact: a kfake
// cluster, kgo producers and a consumer in one program, with no network but
// kfake's own. It prints every offset and every simulated nanosecond.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

const topic = "world"

func main() {
	brokers := flag.Int("brokers", 3, "number of brokers")
	clients := flag.Int("clients", 4, "number of producing clients")
	puts := flag.Int("puts", 25, "records that each client produces")
	restart := flag.Bool("restart", false, "restart the cluster, with its data, when half of the records are in")
	flag.Parse()
	w := &world{brokers: *brokers, clients: *clients, puts: *puts, restart: *restart}
	if err := w.run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// world is one run.
type world struct {
	brokers, clients, puts int
	restart                bool

	network kfake.VirtualNetwork
	cluster *kfake.Cluster
	half    chan struct{} // closed when half of the records have been seen
}

// start starts the cluster. With restart it keeps its data in files.
func (w *world) start() (err error) {
	ports := make([]int, w.brokers)
	for i := range ports {
		ports[i] = 9092 + i
	}
	opts := []kfake.Opt{
		kfake.NumBrokers(w.brokers),
		kfake.Ports(ports...),
		kfake.ListenFn(w.network.Listen),
		kfake.SeedTopics(1, topic),
	}
	if w.restart {
		opts = append(opts, kfake.DataDir("/tmp/kafka"), kfake.SyncWrites())
	}
	w.cluster, err = kfake.NewCluster(opts...)
	return err
}

func (w *world) run() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if err := w.start(); err != nil {
		return err
	}
	defer func() { w.cluster.Close() }()

	lines := make(chan string, 1024)
	printed := make(chan struct{})
	go func() {
		defer close(printed)
		for line := range lines {
			fmt.Println(line)
		}
	}()
	open := func(opts ...kgo.Opt) (*kgo.Client, error) {
		return kgo.NewClient(append(opts,
			kgo.SeedBrokers(w.cluster.ListenAddrs()...),
			kgo.Dialer(w.dial))...)
	}

	consumer, err := open(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer consumer.Close()
	var wg sync.WaitGroup
	w.half = make(chan struct{})
	wg.Go(func() { w.consume(ctx, consumer, lines) })
	for c := range w.clients {
		producer, err := open(kgo.DefaultProduceTopic(topic))
		if err != nil {
			return err
		}
		defer producer.Close()
		wg.Go(func() { produce(ctx, producer, c, w.puts, lines) })
	}
	if w.restart {
		<-w.half
		lines <- fmt.Sprintf("%d restart", time.Now().UnixNano())
		w.cluster.Close()
		if err := w.start(); err != nil {
			return err
		}
	}
	wg.Wait()
	close(lines)
	<-printed
	fmt.Println("end", time.Now().UnixNano())
	return nil
}

func produce(ctx context.Context, client *kgo.Client, id, puts int, lines chan<- string) {
	for i := range puts {
		record, err := client.ProduceSync(ctx, &kgo.Record{
			Key:   fmt.Appendf(nil, "key-%d", i%5),
			Value: fmt.Appendf(nil, "client %d put %d", id, i),
		}).First()
		if err != nil {
			lines <- fmt.Sprintf("%d client %d put %d: %v", time.Now().UnixNano(), id, i, err)
			continue
		}
		lines <- fmt.Sprintf("%d client %d put %d at offset %d", time.Now().UnixNano(), id, i, record.Offset)
	}
}

func (w *world) consume(ctx context.Context, client *kgo.Client, lines chan<- string) {
	for seen := 0; seen < w.clients*w.puts; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			lines <- fmt.Sprintf("%d poll: %v", time.Now().UnixNano(), err)
			return
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if seen++; seen == w.clients*w.puts/2 {
				close(w.half)
			}
			lines <- fmt.Sprintf("%d offset %d %s = %s", time.Now().UnixNano(), r.Offset, r.Key, r.Value)
		})
	}
}

// dial refuses as TCP does, so that kgo tries again.
func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := w.network.DialContext(ctx, network, address)
	if err != nil {
		err = &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	return conn, err
}
