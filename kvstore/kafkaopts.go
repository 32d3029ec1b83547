package kvstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"reflect"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// Defaults that differ from franz-go's. A user's options override them.
const (
	// A fetch that waits at a broker which lost the leadership is not
	// always woken, so it must not wait long.
	defaultFetchWait = time.Second

	// Twice what the Java client asks for. What a fetch takes decoded, twice over
	// while one is ahead, is live memory to the collector when a log is read.
	defaultFetchBytes = 2 << 20

	// How soon new metadata is asked for after an error. franz-go's five
	// seconds would dominate the time to recover from a leader move.
	defaultMetadataMinAge = 100 * time.Millisecond
)

// onePartition sends every record to the partition that it names.
var onePartition = kgo.ManualPartitioner()

// guard is a kgo option whose value carries a promise.
type guard struct {
	name   string
	opt    any // the kgo function, as Client.OptValue wants it
	want   any
	reason string
}

var guards = []guard{
	{"RequiredAcks", kgo.RequiredAcks, kgo.AllISRAcks(), "an acknowledged write could be lost with its leader"},
	{"DisableIdempotentWrite", kgo.DisableIdempotentWrite, false, "a retried write could be in the log twice"},
	{"AllowIdempotentProduceCancellation", kgo.AllowIdempotentProduceCancellation, false, "a cancelled write could be in the log twice"},
	{"RecordPartitioner", kgo.RecordPartitioner, onePartition, "the data would be split when the topic gets more partitions"},
	{"FetchIsolationLevel", kgo.FetchIsolationLevel, int8(readCommitted), "records of open or aborted transactions would be visible"},
	{"ConsumeResetOffset", kgo.ConsumeResetOffset, kgo.NoResetOffset(), "after a loss of data the client would go on from another offset instead of rebuilding"},
	{"AllowAutoTopicCreation", kgo.AllowAutoTopicCreation, false, "the topic would be created without compaction"},
	{"TransactionalID", kgo.TransactionalID, "", "the store does not write in transactions"},
	{"ConsumerGroup", kgo.ConsumerGroup, "", "the store reads the whole partition by itself"},
	{"ShareGroup", kgo.ShareGroup, "", "the store reads the whole partition by itself"},
	{"ConsumeTopics", kgo.ConsumeTopics, nil, "the store reads the whole partition by itself"},
	{"ConsumePartitions", kgo.ConsumePartitions, nil, "the store reads the whole partition by itself"},
	{"ConsumeRegex", kgo.ConsumeRegex, false, "the store reads the whole partition by itself"},
}

// promised are the guarded options, set as the store needs them. They come
// before the user's, so that what the user changed can be told.
func promised() []kgo.Opt {
	return []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(onePartition),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.RetryBackoffFn(defaultBackoff),
		kgo.MetadataMinAge(defaultMetadataMinAge),
		kgo.FetchMaxWait(defaultFetchWait),
		kgo.FetchMinBytes(1),
		kgo.FetchMaxPartitionBytes(defaultFetchBytes),
		// Telemetry makes closing wait for brokers that do not answer.
		kgo.DisableClientMetrics(),
	}
}

// defaultBackoff is how long to wait after so many failures in a row: from 50 ms
// doubling up to 1 s, a fifth more or less by chance.
func defaultBackoff(failures int) time.Duration {
	d := time.Second
	if failures < 6 {
		d = 50 * time.Millisecond << max(0, failures-1)
	}
	d = min(d, time.Second)
	return d*4/5 + rand.N(d*2/5) //nolint:forbidigo // the default only: kgo.RetryBackoffFn replaces it
}

// newKafka makes the kgo client that everything but writing goes through, and
// refuses options that break a promise. q learns of quotas.
//
// kgo itself does not try again: whoever asks decides that, and an error that kgo
// keeps to itself for 30 s could not be told to those who wait.
func newKafka(cfg *clientConfig, q *quota) (*kgo.Client, error) {
	opts := append(promised(), kgo.RequestRetries(0), kgo.WithHooks(q))
	if len(cfg.brokers) > 0 {
		opts = append(opts, kgo.SeedBrokers(cfg.brokers...))
	} else {
		opts = append(opts, kgo.SeedBrokers(noSeed))
	}
	cl, err := kgo.NewClient(append(opts, cfg.kafka...)...)
	if err != nil {
		return nil, fmt.Errorf("kafka options: %w", err)
	}
	if err := checkPromises(cl); err != nil {
		cl.Close()
		return nil, err
	}
	return cl, nil
}

// noSeed stands for the seeds that nobody gave; it can't be dialed.
const noSeed = "no-brokers.invalid:1"

func checkPromises(cl *kgo.Client) error {
	if seeds, ok := cl.OptValue(kgo.SeedBrokers).([]string); ok && len(seeds) == 1 && seeds[0] == noSeed {
		return errors.New("no brokers: use WithBrokers, or kgo.SeedBrokers in WithKafkaOptions")
	}
	if v, ok := cl.OptValue(kgo.MaxVersions).(*kversion.Versions); ok && v != nil && !modern(v) {
		return errors.New("kafka option kgo.MaxVersions can't be used with the store: it names a version before Kafka 0.11, which knows no record batches and no idempotent writes: a retried write could be in the log twice")
	}
	for _, g := range guards {
		got := cl.OptValue(g.opt)
		if reflect.DeepEqual(got, g.want) || isZero(g.want) && isZero(got) {
			continue
		}
		return fmt.Errorf("kafka option kgo.%s can't be used with the store: %s", g.name, g.reason)
	}
	return nil
}

// modern reports whether the protocol has record batches, idempotent writes and
// fetches of committed records only. Without them kgo falls back in silence.
func modern(v *kversion.Versions) bool {
	for key, least := range map[kmsg.Key]int16{kmsg.Produce: 3, kmsg.Fetch: 4, kmsg.InitProducerID: 0} {
		if most, ok := v.LookupMaxKeyVersion(int16(key)); !ok || most < least {
			return false
		}
	}
	return true
}

func isZero(v any) bool {
	if v == nil {
		return true
	}
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.Map, reflect.Slice:
		return rv.Len() == 0
	default:
		return rv.IsZero()
	}
}

// newProducer makes the kgo client that the writer sends its requests with. Its
// own producer is not used. It asks once and does not try again: the writer does,
// and wants to know what was answered.
func newProducer(cfg *clientConfig, ws *wires) (*kgo.Client, error) {
	opts := promised()
	if len(cfg.brokers) > 0 {
		opts = append(opts, kgo.SeedBrokers(cfg.brokers...))
	}
	opts = append(opts, cfg.kafka...)
	opts = append(opts,
		kgo.RequestRetries(0),
		kgo.DialTLSConfig(nil), // the dialer of ws has it
		kgo.Dialer(ws.Dial),
	)
	return kgo.NewClient(opts...)
}

// dialer returns how a kgo client reaches brokers, TLS included.
func dialer(cl *kgo.Client) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return cl.OptValue(kgo.Dialer).(func(context.Context, string, string) (net.Conn, error))
}

// produceSettings reads the options for producing back.
func (w *writer) produceSettings(cl *kgo.Client) error {
	w.produceTimeout = defaultProduceTimeout
	if v, ok := cl.OptValue(kgo.ProduceRequestTimeout).(time.Duration); ok && v > 0 {
		w.produceTimeout = v
	}
	w.peekBytes = fetchSettings(cl).maxBytes
	if v, ok := cl.OptValue(kgo.WithCompressor).(kgo.Compressor); ok && v != nil {
		w.codec = v
		return nil
	}
	codecs, _ := cl.OptValue(kgo.ProducerBatchCompression).([]kgo.CompressionCodec)
	var err error
	w.codec, err = kgo.DefaultCompressor(codecs...)
	return err
}

// defaultProduceTimeout is how long a leader waits for the replicas before it answers,
// when kgo.ProduceRequestTimeout is not given.
const defaultProduceTimeout = 10 * time.Second

// fetchSettings reads the fetch options back.
func fetchSettings(cl *kgo.Client) fetchLimits {
	lim := fetchLimits{wait: defaultFetchWait, minBytes: 1, maxBytes: defaultFetchBytes}
	if v, ok := cl.OptValue(kgo.FetchMaxWait).(time.Duration); ok {
		lim.wait = v
	}
	if v, ok := cl.OptValue(kgo.FetchMinBytes).(int32); ok {
		lim.minBytes = v
	}
	if v, ok := cl.OptValue(kgo.FetchMaxPartitionBytes).(int32); ok {
		lim.maxBytes = v
	}
	return lim
}

// batchSetting returns the largest record batch that the user set for franz-go, 0 if
// he did not: franz-go's default is a little below Kafka's and not meant for us.
func batchSetting(cl *kgo.Client) int {
	const kgoDefault = 1000012
	if n, ok := cl.OptValue(kgo.ProducerBatchMaxBytes).(int32); ok && n != kgoDefault {
		return int(n)
	}
	return 0
}

func decodeSettings(cl *kgo.Client) (kgo.ProcessFetchPartitionOpts, kgo.Decompressor) {
	noCRC, _ := cl.OptValue(kgo.DisableFetchCRCValidation).(bool)
	codec, ok := cl.OptValue(kgo.WithDecompressor).(kgo.Decompressor)
	if !ok || codec == nil {
		codec = kgo.DefaultDecompressor()
	}
	return kgo.ProcessFetchPartitionOpts{
		KeepControlRecords:   true, // they move the position and the leader epoch
		DisableCRCValidation: noCRC,
		IsolationLevel:       kgo.ReadCommitted(),
	}, codec
}

func backoffSetting(cl *kgo.Client) func(int) time.Duration {
	if fn, ok := cl.OptValue(kgo.RetryBackoffFn).(func(int) time.Duration); ok && fn != nil {
		return fn
	}
	return defaultBackoff
}
