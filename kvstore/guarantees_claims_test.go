package kvstore_test

import (
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

// A broker that answers a question about the cluster with 10 MiB, which claim to be as many
// topics: franz-go would allocate 800 MiB for each. The answer is refused by name.
func TestLongListsOfBrokersAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answers atomic.Int64
		list := make([]byte, 10<<20)
		dial := func(context.Context, string, string) (net.Conn, error) {
			here, there := net.Pipe()
			go claimTopics(there, list, &answers)
			return here, nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := kvstore.NewClient(ctx, topic, memory.New(), kvstore.WithBrokers("b:9092"),
			kvstore.WithLogger(slog.New(slog.DiscardHandler)), kvstore.WithKafkaOptions(kgo.Dialer(dial)))
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), "an answer to Metadata has ") {
			t.Errorf("NewClient = %v", err)
		}
		if n, each := answers.Load(), uint64(1<<20); n == 0 || after.TotalAlloc-before.TotalAlloc > uint64(n)*each {
			t.Errorf("%d MiB were allocated for %d answers", (after.TotalAlloc-before.TotalAlloc)>>20, n)
		}
	})
}

// claimTopics says that it is a broker of Kafka 2.0, and answers Metadata with a long list.
func claimTopics(conn net.Conn, zeros []byte, answers *atomic.Int64) {
	defer conn.Close()
	for {
		var size [4]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		request := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(conn, request); err != nil {
			return
		}
		id, body, list := request[4:8], []byte(nil), []byte(nil)
		switch kmsg.Key(binary.BigEndian.Uint16(request)) {
		case kmsg.ApiVersions:
			r := kmsg.NewPtrApiVersionsResponse()
			r.SetVersion(int16(binary.BigEndian.Uint16(request[2:])))
			for key, most := range map[kmsg.Key]int16{kmsg.Produce: 6, kmsg.Fetch: 8, kmsg.ListOffsets: 3, kmsg.Metadata: 6, kmsg.ApiVersions: 2, kmsg.InitProducerID: 0, kmsg.DescribeConfigs: 1} {
				k := kmsg.NewApiVersionsResponseApiKey()
				k.ApiKey, k.MaxVersion = key.Int16(), most
				r.ApiKeys = append(r.ApiKeys, k)
			}
			body = r.AppendTo(nil)
		case kmsg.Metadata:
			answers.Add(1)
			// No throttling, no brokers, no name of the cluster, no controller.
			body = append(body, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
			body = binary.BigEndian.AppendUint32(body, 10<<20)
			list = zeros
		default:
			return
		}
		head := binary.BigEndian.AppendUint32(nil, uint32(len(id)+len(body)+len(list)))
		parts := net.Buffers{append(append(head, id...), body...)}
		if list != nil {
			parts = append(parts, list)
		}
		if _, err := parts.WriteTo(conn); err != nil {
			return
		}
	}
}
