// Command kafkaworld is a guest for the tests of package exact: a kfake
// cluster, kgo producers and a consumer in one program, with no network but
// kfake's own. It prints every offset and every simulated nanosecond.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

const topic = "world"

func main() {
	brokers := flag.Int("brokers", 3, "number of brokers")
	clients := flag.Int("clients", 4, "number of producing clients")
	puts := flag.Int("puts", 25, "records that each client produces")
	flag.Parse()
	if err := run(*brokers, *clients, *puts); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(brokers, clients, puts int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	ports := make([]int, brokers)
	for i := range ports {
		ports[i] = 9092 + i
	}
	network := new(kfake.VirtualNetwork)
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(brokers),
		kfake.Ports(ports...),
		kfake.ListenFn(network.Listen),
		kfake.SeedTopics(1, topic),
	)
	if err != nil {
		return err
	}
	defer cluster.Close()

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
			kgo.SeedBrokers(cluster.ListenAddrs()...),
			kgo.Dialer(network.DialContext))...)
	}

	consumer, err := open(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer consumer.Close()
	var wg sync.WaitGroup
	wg.Go(func() { consume(ctx, consumer, clients*puts, lines) })
	for c := range clients {
		producer, err := open(kgo.DefaultProduceTopic(topic))
		if err != nil {
			return err
		}
		defer producer.Close()
		wg.Go(func() { produce(ctx, producer, c, puts, lines) })
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

func consume(ctx context.Context, client *kgo.Client, want int, lines chan<- string) {
	for seen := 0; seen < want; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			lines <- fmt.Sprintf("%d poll: %v", time.Now().UnixNano(), err)
			return
		}
		fetches.EachRecord(func(r *kgo.Record) {
			seen++
			lines <- fmt.Sprintf("%d offset %d %s = %s", time.Now().UnixNano(), r.Offset, r.Key, r.Value)
		})
	}
}
