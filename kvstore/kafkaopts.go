package kvstore

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore/internal/claims"
	"github.com/kvsim/kvsim/kvstore/internal/inflate"
)

// Defaults that differ from franz-go's. A user's options override them.
const (
	// A fetch that waits at a broker which lost the leadership is not
	// always woken, so it must not wait long.
	defaultFetchWait = time.Second

	// Twice what the Java client asks for. A decoded fetch, and a second one while the next
	// is prefetched, is live memory for the garbage collector while a log is read.
	defaultFetchBytes = 2 << 20

	// How soon new metadata is asked for after an error. franz-go's five
	// seconds would dominate the time to recover from a leader move.
	defaultMetadataMinAge = 100 * time.Millisecond
)

// onePartition sends every record to the partition that it names.
var onePartition = kgo.ManualPartitioner()

// promised are the guarded options, set as the store needs them. They come before the
// user's, so that a change by the user can be detected.
func promised() []kgo.Opt {
	return []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(onePartition),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.RetryBackoffFn(defaultBackoff),
		kgo.FetchMaxWait(defaultFetchWait),
		kgo.FetchMinBytes(1),
		kgo.FetchMaxPartitionBytes(defaultFetchBytes),
		kgo.MaxDecompressBatchBytes(defaultInflated),
		kgo.ProducerBatchMaxBytesFn(noBatchLimit),
		// Telemetry makes closing wait for brokers that do not answer.
		kgo.DisableClientMetrics(),
	}
}

// defaultBackoff is how long to wait after so many failures in a row: 50 ms, doubled up to
// 1 s, randomised by a fifth up or down.
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
// kgo itself does not retry unless it is told to: the caller decides that, and an error
// that kgo kept to itself for 30 s could not be reported to those who wait.
func newKafka(cfg *clientConfig, q *quota) (*kgo.Client, error) {
	if err := checkGroupOptions(cfg.kafka); err != nil {
		return nil, err
	}
	seeds := kgo.SeedBrokers(noSeed)
	if len(cfg.brokers) > 0 {
		if err := checkSeeds("WithBrokers", cfg.brokers); err != nil {
			return nil, err
		}
		seeds = kgo.SeedBrokers(cfg.brokers...)
	}
	own := []kgo.Opt{seeds, kgo.RequestRetries(0), kgo.WithHooks(q)}
	opts, err := settle(own, cfg.kafka)
	if err != nil {
		return nil, culprit(own, cfg.kafka, err)
	}
	d := newDialing(opts, cfg.kafka)
	cl, err := kgo.NewClient(append(opts, kgo.DialTLSConfig(nil), kgo.Dialer(claims.Guard(d.dial)))...)
	if err != nil {
		return nil, withoutLogin(fmt.Errorf("kafka options: %w", err))
	}
	d.timeout, _ = cl.OptValue(kgo.DialTimeout).(time.Duration)
	if err := checkPromises(cl); err != nil {
		cl.Close()
		return nil, err
	}
	return cl, nil
}

// noSeed stands for the seeds when none were given; it can't be dialed.
const noSeed = "no-brokers.invalid:1"

// newProducer makes the kgo client that the writer sends its requests with. Its
// own producer is not used. It asks once and does not try again: the writer does,
// and wants to know what was answered.
func newProducer(cfg *clientConfig, ws *wires, q *quota) (*kgo.Client, error) {
	opts, err := settle([]kgo.Opt{kgo.SeedBrokers(cfg.brokers...)}, cfg.kafka)
	if err != nil {
		return nil, culprit(nil, cfg.kafka, err)
	}
	opts = append(opts,
		kgo.RequestRetries(0),
		kgo.DialTLSConfig(nil), // the dialer of ws has it
		kgo.Dialer(ws.Dial),
		kgo.WithHooks(q),
	)
	return kgo.NewClient(opts...)
}

// produceSettings reads back the options for producing.
func (w *writer) produceSettings(cl *kgo.Client) error {
	w.produceTimeout = defaultProduceTimeout
	if v, ok := cl.OptValue(kgo.ProduceRequestTimeout).(time.Duration); ok && v > 0 {
		w.produceTimeout = v
	}
	w.peekBytes = fetchSettings(cl, w.part.topic).maxBytes
	if v, ok := cl.OptValue(kgo.WithCompressor).(kgo.Compressor); ok && v != nil {
		w.codec = guardedCompressor{v, w.log}
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

// fetchSettings reads back the fetch options. What is around the records has to fit the answer,
// too.
func fetchSettings(cl *kgo.Client, topic string) fetchLimits {
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
	lim.maxBytes = max(1, min(lim.maxBytes, int32(answerLimit(cl)-around(topic))))
	return lim
}

// newDecoder reads the options for decoding back.
func newDecoder(cl *kgo.Client, topic string) *decoder {
	noCRC, _ := cl.OptValue(kgo.DisableFetchCRCValidation).(bool)
	codec, ok := cl.OptValue(kgo.WithDecompressor).(kgo.Decompressor)
	if !ok || codec == nil {
		codec = kgo.DefaultDecompressor()
	}
	most := inflatedLimit(cl)
	if inflate.IsFranzGos(codec) {
		codec = inflate.New(codec, most)
	}
	return &decoder{codec: codec, most: most, opts: kgo.ProcessFetchPartitionOpts{
		Topic:                topic,
		Partition:            partitionNumber,
		KeepControlRecords:   true, // they move the position and the leader epoch
		DisableCRCValidation: noCRC,
		IsolationLevel:       kgo.ReadCommitted(),
	}}
}

func backoffSetting(cl *kgo.Client) func(int) time.Duration {
	if fn, ok := cl.OptValue(kgo.RetryBackoffFn).(func(int) time.Duration); ok && fn != nil {
		return fn
	}
	return defaultBackoff
}
