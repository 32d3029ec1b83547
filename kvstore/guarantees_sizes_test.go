package kvstore_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest"
)

// sizedTopic is a cluster whose topic has these settings as well.
func sizedTopic(configs map[string]string) []kvstoretest.Option {
	return withTopic(1, kvstoretest.WithTopicConfig(configs))
}

// Each legal setting opens, and writes what it lets through, or is refused by the
// name and number that were given.
func TestEveryLegalSizeOpensOrIsRefusedByNameAndNumber(t *testing.T) {
	const (
		byTopic   = "the topic's max.message.bytes"
		bySegment = "the topic's segment.bytes"
		byBatch   = "kgo.ProducerBatchMaxBytes"
		byRequest = "kgo.BrokerMaxWriteBytes, with room for the request around it"
		byAnswer  = "kgo.BrokerMaxReadBytes, above which this client could not read it back"
	)
	most := fmt.Sprint(math.MaxInt32)
	requestRoom := 512 + len(topic) + len("kgo")
	for name, tc := range map[string]struct {
		topic map[string]string
		opts  []kgo.Opt
		limit int      // of a record batch, 0 for any
		by    string   // what sets it
		says  []string // not nil: refused, in these words
	}{
		"all defaults": {nil, nil, 1048588, byTopic, nil},

		"max.message.bytes 0":                 {map[string]string{"max.message.bytes": "0"}, nil, 0, byTopic, nil},
		"max.message.bytes 1":                 {map[string]string{"max.message.bytes": "1"}, nil, 1, byTopic, nil},
		"max.message.bytes of a header":       {map[string]string{"max.message.bytes": "61"}, nil, 61, byTopic, nil},
		"max.message.bytes of one record":     {map[string]string{"max.message.bytes": "71"}, nil, 71, byTopic, nil},
		"max.message.bytes 2000":              {map[string]string{"max.message.bytes": "2000"}, nil, 2000, byTopic, nil},
		"max.message.bytes 3000000":           {map[string]string{"max.message.bytes": "3000000"}, nil, 3000000, byTopic, nil},
		"max.message.bytes of 2 GiB":          {map[string]string{"max.message.bytes": most}, nil, 100<<20 - requestRoom, byRequest, nil},
		"segment.bytes below it":              {map[string]string{"segment.bytes": "1048576"}, nil, 1 << 20, bySegment, nil},
		"segment.bytes 14":                    {map[string]string{"segment.bytes": "14"}, nil, 14, bySegment, nil},
		"segment.bytes of 2 GiB":              {map[string]string{"segment.bytes": most}, nil, 1048588, byTopic, nil},
		"segment.ms 1":                        {map[string]string{"segment.ms": "1"}, nil, 1048588, byTopic, nil},
		"segment.ms forever":                  {map[string]string{"segment.ms": fmt.Sprint(int64(math.MaxInt64))}, nil, 1048588, byTopic, nil},
		"delete.retention.ms forever":         {map[string]string{"delete.retention.ms": fmt.Sprint(int64(math.MaxInt64))}, nil, 1048588, byTopic, nil},
		"min.compaction.lag.ms forever":       {map[string]string{"min.compaction.lag.ms": fmt.Sprint(int64(math.MaxInt64))}, nil, 1048588, byTopic, nil},
		"ProducerBatchMaxBytes 512":           {nil, []kgo.Opt{kgo.ProducerBatchMaxBytes(512)}, 512, byBatch, nil},
		"ProducerBatchMaxBytes as in kgo":     {nil, []kgo.Opt{kgo.ProducerBatchMaxBytes(1000012)}, 1000012, byBatch, nil},
		"ProducerBatchMaxBytes of 1 GiB":      {nil, []kgo.Opt{kgo.ProducerBatchMaxBytes(1 << 30), kgo.BrokerMaxWriteBytes(1 << 30)}, 1048588, byTopic, nil},
		"ProducerBatchMaxBytes too small":     {nil, []kgo.Opt{kgo.ProducerBatchMaxBytes(511)}, 0, "", []string{"kgo.ProducerBatchMaxBytes", "511", "512"}},
		"ProducerBatchMaxBytes 0":             {nil, []kgo.Opt{kgo.ProducerBatchMaxBytes(0)}, 0, "", []string{"kgo.ProducerBatchMaxBytes", " 0 "}},
		"ProducerBatchMaxBytes too large":     {nil, []kgo.Opt{kgo.ProducerBatchMaxBytes(math.MaxInt32)}, 0, "", []string{"kgo.ProducerBatchMaxBytes", most}},
		"ProducerBatchMaxBytesFn":             {nil, []kgo.Opt{kgo.ProducerBatchMaxBytesFn(func(s string) int32 { return int32(1000 * len(s)) })}, 0, "", []string{"kgo.ProducerBatchMaxBytesFn", " 0 "}},
		"ProducerBatchMaxBytesFn of a topic":  {nil, []kgo.Opt{kgo.ProducerBatchMaxBytesFn(func(s string) int32 { return int32(1000 * (1 + len(s))) })}, 3000, byBatch, nil},
		"BrokerMaxWriteBytes of 1 KiB":        {nil, []kgo.Opt{kgo.BrokerMaxWriteBytes(1 << 10)}, 1<<10 - requestRoom, byRequest, nil},
		"BrokerMaxWriteBytes below a batch":   {nil, []kgo.Opt{kgo.BrokerMaxWriteBytes(500000)}, 500000 - requestRoom, byRequest, nil},
		"BrokerMaxWriteBytes too small":       {nil, []kgo.Opt{kgo.BrokerMaxWriteBytes(1)}, 0, "", []string{"kgo.BrokerMaxWriteBytes", " 1 ", "1024"}},
		"BrokerMaxWriteBytes below the other": {nil, []kgo.Opt{kgo.BrokerMaxWriteBytes(2000), kgo.ProducerBatchMaxBytes(3000)}, 0, "", []string{"max broker write bytes 2000", "3000"}},
		"BrokerMaxReadBytes as in kgo":        {map[string]string{"max.message.bytes": most}, []kgo.Opt{kgo.BrokerMaxWriteBytes(1 << 30)}, 100<<20 - 512 - len(topic), byAnswer, nil},
		"BrokerMaxReadBytes of two fetches":   {nil, []kgo.Opt{kgo.BrokerMaxReadBytes(4 << 20)}, 1048588, byTopic, nil},
		"BrokerMaxReadBytes of a batch":       {nil, []kgo.Opt{kgo.BrokerMaxReadBytes(1<<20 + 1000)}, 1048588, byTopic, nil},
		"BrokerMaxReadBytes below a batch":    {nil, []kgo.Opt{kgo.BrokerMaxReadBytes(1 << 20)}, 0, "", []string{"kgo.BrokerMaxReadBytes", "1048576", "max.message.bytes", "1048588"}},
		"BrokerMaxReadBytes too small":        {nil, []kgo.Opt{kgo.BrokerMaxReadBytes(1)}, 0, "", []string{"kgo.BrokerMaxReadBytes", " 1 ", "1024"}},
		"BrokerMaxReadBytes of a small topic": {map[string]string{"max.message.bytes": "2000"}, []kgo.Opt{kgo.BrokerMaxReadBytes(4000)}, 2000, byTopic, nil},
		"FetchMaxBytes 1":                     {nil, []kgo.Opt{kgo.FetchMaxBytes(1)}, 1048588, byTopic, nil},
		"FetchMaxBytes 0":                     {nil, []kgo.Opt{kgo.FetchMaxBytes(0)}, 0, "", []string{"kgo.FetchMaxBytes", "it is 0"}},
		"FetchMaxBytes below zero":            {nil, []kgo.Opt{kgo.FetchMaxBytes(-5)}, 0, "", []string{"kgo.FetchMaxBytes", "it is -5"}},
		"FetchMaxBytes above what is read":    {nil, []kgo.Opt{kgo.FetchMaxBytes(math.MaxInt32)}, 0, "", []string{"kgo.FetchMaxBytes", most, "104857600"}},
		"FetchMaxPartitionBytes 1":            {nil, []kgo.Opt{kgo.FetchMaxPartitionBytes(1)}, 1048588, byTopic, nil},
		"FetchMaxPartitionBytes 0":            {nil, []kgo.Opt{kgo.FetchMaxPartitionBytes(0)}, 0, "", []string{"kgo.FetchMaxPartitionBytes", "it is 0"}},
		"FetchMaxPartitionBytes of 2 GiB":     {nil, []kgo.Opt{kgo.FetchMaxPartitionBytes(math.MaxInt32)}, 1048588, byTopic, nil},
		"FetchMinBytes 0":                     {nil, []kgo.Opt{kgo.FetchMinBytes(0)}, 0, "", []string{"kgo.FetchMinBytes", "it is 0"}},
		"FetchMinBytes below zero":            {nil, []kgo.Opt{kgo.FetchMinBytes(-1)}, 0, "", []string{"kgo.FetchMinBytes", "it is -1"}},
		"FetchMinBytes of 2 GiB":              {nil, []kgo.Opt{kgo.FetchMinBytes(math.MaxInt32)}, 1048588, byTopic, nil},
		"FetchMaxWait 0":                      {nil, []kgo.Opt{kgo.FetchMaxWait(0)}, 0, "", []string{"kgo.FetchMaxWait", " 0s ", "10ms"}},
		"FetchMaxWait of 10 ms":               {nil, []kgo.Opt{kgo.FetchMaxWait(10 * time.Millisecond)}, 1048588, byTopic, nil},
		"FetchMaxWait of 24 days":             {nil, []kgo.Opt{kgo.FetchMaxWait(24 * 24 * time.Hour)}, 1048588, byTopic, nil},
		"FetchMaxWait of 30 days":             {nil, []kgo.Opt{kgo.FetchMaxWait(30 * 24 * time.Hour)}, 0, "", []string{"kgo.FetchMaxWait", "596h"}},
		"MetadataMaxAge below the default":    {nil, []kgo.Opt{kgo.MetadataMaxAge(50 * time.Millisecond)}, 1048588, byTopic, nil},
		"MetadataMaxAge too small":            {nil, []kgo.Opt{kgo.MetadataMaxAge(time.Millisecond)}, 0, "", []string{"kgo.MetadataMaxAge", "1ms"}},
		"MetadataMaxAge too large":            {nil, []kgo.Opt{kgo.MetadataMaxAge(2 * time.Hour)}, 0, "", []string{"kgo.MetadataMaxAge", "2h0m0s"}},
		"MetadataMinAge too small":            {nil, []kgo.Opt{kgo.MetadataMinAge(time.Millisecond)}, 0, "", []string{"kgo.MetadataMinAge", "1ms"}},
		"MetadataMinAge above the other":      {nil, []kgo.Opt{kgo.MetadataMinAge(time.Minute), kgo.MetadataMaxAge(time.Second)}, 0, "", []string{"1s", "1m0s"}},
		"MaxDecompressBatchBytes":             {nil, []kgo.Opt{kgo.MaxDecompressBatchBytes(100_000)}, 100_000, "kgo.MaxDecompressBatchBytes, above which this client could not read it back", nil},
		"MaxDecompressBatchBytes 0":           {nil, []kgo.Opt{kgo.MaxDecompressBatchBytes(0)}, 0, "", []string{"kgo.MaxDecompressBatchBytes", " 0 "}},
		"RequestTimeoutOverhead 0":            {nil, []kgo.Opt{kgo.RequestTimeoutOverhead(0)}, 0, "", []string{"kgo.RequestTimeoutOverhead", " 0s "}},
		"ProduceRequestTimeout too long":      {nil, []kgo.Opt{kgo.ProduceRequestTimeout(30 * 24 * time.Hour)}, 0, "", []string{"kgo.ProduceRequestTimeout", "720h"}},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, sizedTopic(tc.topic), func(t *testing.T, w *world) {
				opts := w.options("c", kvstore.WithKafkaOptions(kgo.ClientID("kgo")), kvstore.WithKafkaOptions(tc.opts...)) // its length counts
				c, err := kvstore.NewClient(w.within(time.Minute), topic, memory.New(), opts...)
				if tc.says != nil {
					if err == nil {
						_ = c.Close()
						t.Fatal("NewClient accepted it")
					}
					wantError(t, "NewClient", err, nil, append(tc.says, "kafka option")...)
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = c.Close() }()
				w.checkLimit(c, tc.limit, tc.by)
			})
		})
	}
}

// checkLimit writes the largest value that a limit lets through, and one byte more.
func (w *world) checkLimit(c *kvstore.Client, limit int, by string) {
	w.t.Helper()
	ctx := w.within(time.Minute)
	if limit > 10<<20 { // too much for a test: the limit is told anyway
		err := c.Put(ctx, []byte("k"), make([]byte, limit))
		w.wantSize(err, limit, by)
		return
	}
	value := bytes.Repeat([]byte("v"), limit+1)
	fits := len(value)
	for ; fits >= 0 && recordBatchSize(fits) > limit; fits-- {
	}
	if fits >= 0 {
		if err := c.Put(ctx, []byte("k"), value[:fits]); err != nil {
			w.t.Errorf("Put of %d bytes, which need a record batch of %d = %v", fits, recordBatchSize(fits), err)
		} else if got, err := c.Get(ctx, []byte("k")); err != nil || !bytes.Equal(got, value[:fits]) {
			w.t.Errorf("Get = %d bytes, %v; want what was put", len(got), err)
		}
	}
	w.wantSize(c.Put(ctx, []byte("k"), value[:fits+1]), limit, by)
}

// recordBatchSize is the size of a record batch with one record of a key of one
// byte and a value of n.
func recordBatchSize(n int) int {
	varint := func(n int) int {
		size := 1
		for n <<= 1; n > 127; n >>= 7 {
			size++
		}
		return size
	}
	record := 1 + 1 + 1 + 1 + 1 + varint(n) + n + 1
	return 61 + varint(record) + record
}

func (w *world) wantSize(err error, limit int, by string) {
	w.t.Helper()
	wantOutcome(w.t, "Put", err, kvstore.ErrRefused)
	var size *kvstore.SizeError
	if !errors.As(err, &size) || size.Limit != limit || size.LimitedBy != by || size.Records != 1 || size.Bytes <= limit {
		w.t.Errorf("Put of a byte more = %v (%+v), want a SizeError with the limit %d by %s", err, size, limit, by)
		return
	}
	wantError(w.t, "Put", err, kvstore.ErrValueTooLarge, fmt.Sprint(size.Bytes), fmt.Sprint(limit), by)
}

// Brokers that don't answer what the topic's limit is now delay nobody for longer than
// seconds, whatever the context.
func TestUnansweredQuestionForTheLimitHoldsNobodyUp(t *testing.T) {
	inWorld(t, slow(3), func(t *testing.T, w *world) {
		c := w.open("c")
		w.put(c, "a", "1")
		w.On(kvstoretest.Traffic{Clients: []string{"c"}, APIs: []kmsg.Key{kmsg.DescribeConfigs}}).Stall()
		var err error
		d := took(func() { err = c.Put(t.Context(), []byte("k"), make([]byte, 2<<20)) })
		var size *kvstore.SizeError
		if !errors.As(err, &size) || d > 7*time.Second {
			t.Errorf("Put of too much = %v after %v, want it refused for its size within seconds", err, d)
		}
	})
}

// A reader that was blocked asks for the topic's settings before it shows anything newer.
// It takes an answer that comes late: a question that is given up would never be answered.
func TestReaderThatWasHeldUpTakesASlowAnswer(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		other, c := w.open("other"), w.open("c", kvstore.WithReadOnly())
		w.put(other, "k", "0")
		must(t, c.Sync(t.Context()))
		answers := kvstoretest.Traffic{Clients: []string{"c"}, Dir: kvstoretest.ToClient, APIs: []kmsg.Key{kmsg.DescribeConfigs}}
		w.On(answers).Latency(7 * time.Second)
		for i := range 3 {
			away := w.On(kvstoretest.Traffic{Clients: []string{"c"}, APIs: []kmsg.Key{kmsg.Fetch}}).Stall()
			time.Sleep(8 * time.Second)
			value := fmt.Sprint(i + 1)
			w.put(other, "k", value)
			away.Undo()
			must(t, c.Sync(w.within(time.Minute)))
			w.want(c, "k", value)
		}
	})
}
