package kvstore_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"iter"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"github.com/twmb/franz-go/pkg/sasl"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

// listedOptions reads docs/kafka-options.md: how each option is treated.
func listedOptions(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../docs/kafka-options.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `kgo\\.(\\w+)` \\| (honoured|refused|no meaning) \\|").FindAllStringSubmatch(string(text), -1) {
		if listed[m[1]] != "" {
			t.Errorf("the list has kgo.%s twice", m[1])
		}
		listed[m[1]] = m[2]
	}
	return listed
}

// exportedOptions finds the functions of franz-go's package kgo that return an
// option of a client.
func exportedOptions(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/twmb/franz-go/pkg/kgo").Output()
	if err != nil {
		t.Skipf("the go command can't say where franz-go's source lies: %v", err)
	}
	dir := strings.TrimSpace(string(out))
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !fn.Name.IsExported() || fn.Type.Results == nil || len(fn.Type.Results.List) != 1 {
				continue
			}
			result, ok := fn.Type.Results.List[0].Type.(*ast.Ident)
			if ok && slices.Contains([]string{"Opt", "ProducerOpt", "ConsumerOpt", "GroupOpt"}, result.Name) {
				names = append(names, fn.Name.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// TestEveryKafkaOptionIsListed fails with a new option of a newer franz-go.
func TestEveryKafkaOptionIsListed(t *testing.T) {
	listed := slices.Sorted(maps.Keys(listedOptions(t)))
	exported := exportedOptions(t)
	if len(exported) < 90 {
		t.Fatalf("found %d options in franz-go's source: is it where they are?", len(exported))
	}
	for _, name := range exported {
		if !slices.Contains(listed, name) {
			t.Errorf("docs/kafka-options.md does not say what becomes of kgo.%s: honour or refuse it, or say that it has no meaning", name)
		}
	}
	for _, name := range listed {
		if !slices.Contains(exported, name) {
			t.Errorf("docs/kafka-options.md has kgo.%s, which franz-go has not", name)
		}
	}
	if given := slices.Sorted(maps.Keys(sampleOptions())); !slices.Equal(given, listed) {
		t.Errorf("options that are tried: %q\nwant those listed: %q", given, listed)
	}
}

type hook struct{}

func (hook) OnNewClient(*kgo.Client) {}

type pool struct{}

func (pool) GetDecompressBytes([]byte, kgo.CompressionCodecType) []byte { return nil }
func (pool) PutDecompressBytes([]byte)                                  {}

// sampleOptions gives each option a value that is not the store's own.
func sampleOptions() map[string][]kgo.Opt {
	one := func(opt kgo.Opt) []kgo.Opt { return []kgo.Opt{opt} }
	group := kgo.ConsumerGroup("g")
	callback := func(context.Context, *kgo.Client, map[string][]int32) {}
	return map[string][]kgo.Opt{
		"ClientID":                            one(kgo.ClientID("me")),
		"SoftwareNameAndVersion":              one(kgo.SoftwareNameAndVersion("me", "1")),
		"WithLogger":                          one(kgo.WithLogger(kgo.BasicLogger(os.Stderr, kgo.LogLevelNone, nil))),
		"WithContext":                         one(kgo.WithContext(context.Background())),
		"RequestTimeoutOverhead":              one(kgo.RequestTimeoutOverhead(time.Second)),
		"ConnIdleTimeout":                     one(kgo.ConnIdleTimeout(time.Minute)),
		"Dialer":                              nil, // every client of these tests has one
		"DialTimeout":                         one(kgo.DialTimeout(time.Minute)),
		"DialTLSConfig":                       one(kgo.DialTLSConfig(nil)), // see TestDialOptionsAreHonoured
		"DialTLS":                             nil,
		"SeedBrokers":                         nil, // see TestBadArgumentsAreExplained
		"MaxVersions":                         one(kgo.MaxVersions(kversion.V3_0_0())),
		"MinVersions":                         one(kgo.MinVersions(kversion.V1_0_0())),
		"RetryBackoffFn":                      one(kgo.RetryBackoffFn(func(int) time.Duration { return time.Second })),
		"RequestRetries":                      one(kgo.RequestRetries(1)),
		"RetryTimeout":                        one(kgo.RetryTimeout(time.Second)),
		"RetryTimeoutFn":                      one(kgo.RetryTimeoutFn(func(int16) time.Duration { return time.Second })),
		"AllowAutoTopicCreation":              one(kgo.AllowAutoTopicCreation()),
		"BrokerMaxWriteBytes":                 one(kgo.BrokerMaxWriteBytes(10 << 20)),
		"BrokerMaxReadBytes":                  one(kgo.BrokerMaxReadBytes(10 << 20)),
		"MaxDecompressBatchBytes":             one(kgo.MaxDecompressBatchBytes(10 << 20)),
		"MetadataMaxAge":                      one(kgo.MetadataMaxAge(time.Minute)),
		"MetadataMinAge":                      one(kgo.MetadataMinAge(time.Second)),
		"SASL":                                one(kgo.SASL([]sasl.Mechanism{}...)), // see the tests of passwords
		"WithHooks":                           one(kgo.WithHooks(hook{})),
		"WithPools":                           one(kgo.WithPools(pool{})),
		"ConcurrentTransactionsBackoff":       one(kgo.ConcurrentTransactionsBackoff(time.Second)),
		"ConsiderMissingTopicDeletedAfter":    one(kgo.ConsiderMissingTopicDeletedAfter(time.Second)),
		"OnRebootstrapRequired":               one(kgo.OnRebootstrapRequired(func() ([]string, error) { return nil, nil })),
		"DisableClientMetrics":                one(kgo.DisableClientMetrics()),
		"UserMetricsFn":                       one(kgo.UserMetricsFn(func() iter.Seq[kgo.Metric] { return nil })),
		"AlwaysRetryEOF":                      one(kgo.AlwaysRetryEOF()),
		"DefaultProduceTopic":                 one(kgo.DefaultProduceTopic("elsewhere")),
		"DefaultProduceTopicAlways":           {kgo.DefaultProduceTopicAlways(), kgo.DefaultProduceTopic("elsewhere")},
		"RequiredAcks":                        {kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite()},
		"DisableIdempotentWrite":              one(kgo.DisableIdempotentWrite()),
		"AllowIdempotentProduceCancellation":  one(kgo.AllowIdempotentProduceCancellation()),
		"MaxProduceRequestsInflightPerBroker": one(kgo.MaxProduceRequestsInflightPerBroker(1)),
		"ProducerBatchCompression":            one(kgo.ProducerBatchCompression(kgo.GzipCompression())),
		"WithCompressor":                      one(kgo.WithCompressor(gzipCompressor())),
		"StreamingCompression":                one(kgo.StreamingCompression()),
		"ProducerBatchMaxBytes":               one(kgo.ProducerBatchMaxBytes(5000)),
		"ProducerBatchMaxBytesFn":             one(kgo.ProducerBatchMaxBytesFn(func(string) int32 { return 5000 })),
		"MaxBufferedRecords":                  one(kgo.MaxBufferedRecords(1)),
		"MaxBufferedBytes":                    one(kgo.MaxBufferedBytes(1)),
		"RecordPartitioner":                   one(kgo.RecordPartitioner(kgo.RoundRobinPartitioner())),
		"RackAwarePartitioning":               one(kgo.RackAwarePartitioning()),
		"ProduceRequestTimeout":               one(kgo.ProduceRequestTimeout(time.Second)),
		"RecordRetries":                       one(kgo.RecordRetries(0)),
		"UnknownTopicRetries":                 one(kgo.UnknownTopicRetries(0)),
		"StopProducerOnDataLossDetected":      one(kgo.StopProducerOnDataLossDetected()),
		"ProducerOnDataLossDetected":          one(kgo.ProducerOnDataLossDetected(func(string, int32) {})),
		"ProducerLinger":                      one(kgo.ProducerLinger(time.Minute)),
		"ManualFlushing":                      one(kgo.ManualFlushing()),
		"RecordDeliveryTimeout":               one(kgo.RecordDeliveryTimeout(time.Hour)),
		"TransactionalID":                     one(kgo.TransactionalID("t")),
		"TransactionTimeout":                  one(kgo.TransactionTimeout(time.Second)),
		"FetchMaxWait":                        one(kgo.FetchMaxWait(time.Minute)),
		"FetchMaxBytes":                       one(kgo.FetchMaxBytes(100)),
		"FetchMinBytes":                       one(kgo.FetchMinBytes(2)),
		"FetchMaxPartitionBytes":              one(kgo.FetchMaxPartitionBytes(100)),
		"MaxConcurrentFetches":                one(kgo.MaxConcurrentFetches(1)),
		"ConsumeStartOffset":                  one(kgo.ConsumeStartOffset(kgo.NewOffset().At(5))),
		"ConsumeResetOffset":                  one(kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd())),
		"Rack":                                one(kgo.Rack("r")),
		"BalanceRacks":                        one(kgo.BalanceRacks()),
		"FetchIsolationLevel":                 one(kgo.FetchIsolationLevel(kgo.ReadUncommitted())),
		"KeepControlRecords":                  one(kgo.KeepControlRecords()),
		"ConsumeTopics":                       one(kgo.ConsumeTopics(topic)),
		"ConsumePartitions":                   one(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset()}})),
		"ConsumeRegex":                        one(kgo.ConsumeRegex()),
		"ConsumeExcludeTopics":                one(kgo.ConsumeExcludeTopics("x")),
		"DisableFetchSessions":                one(kgo.DisableFetchSessions()),
		"ConsumePreferringLagFn":              one(kgo.ConsumePreferringLagFn(kgo.PreferLagAt(1))),
		"WithDecompressor":                    one(kgo.WithDecompressor(kgo.DefaultDecompressor())),
		"KeepRetryableFetchErrors":            one(kgo.KeepRetryableFetchErrors()),
		"DisableFetchCRCValidation":           one(kgo.DisableFetchCRCValidation()),
		"RecheckPreferredReplicaInterval":     one(kgo.RecheckPreferredReplicaInterval(time.Second)),
		"ConsumerGroup":                       one(group),
		"ShareGroup":                          one(kgo.ShareGroup("g")),
		"ShareMaxRecords":                     one(kgo.ShareMaxRecords(1)),
		"ShareMaxRecordsStrict":               one(kgo.ShareMaxRecordsStrict()),
		"ShareAckCallback":                    one(kgo.ShareAckCallback(func(*kgo.Client, kgo.ShareAckResults) {})),
		"Balancers":                           one(kgo.Balancers(kgo.RangeBalancer())),
		"ServerSideBalancer":                  one(kgo.ServerSideBalancer()),
		"SessionTimeout":                      one(kgo.SessionTimeout(time.Minute)),
		"RebalanceTimeout":                    one(kgo.RebalanceTimeout(time.Minute)),
		"HeartbeatInterval":                   one(kgo.HeartbeatInterval(time.Second)),
		"RequireStableFetchOffsets":           one(kgo.RequireStableFetchOffsets()), //nolint:staticcheck // it does nothing any more, but is there
		"BlockRebalanceOnPoll":                one(kgo.BlockRebalanceOnPoll()),
		"AdjustFetchOffsetsFn": one(kgo.AdjustFetchOffsetsFn(func(_ context.Context, o map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
			return o, nil
		})),
		"OnPartitionsAssigned":        one(kgo.OnPartitionsAssigned(callback)),
		"OnPartitionsRevoked":         one(kgo.OnPartitionsRevoked(callback)),
		"OnPartitionsLost":            one(kgo.OnPartitionsLost(callback)),
		"OnPartitionsCallbackBlocked": one(kgo.OnPartitionsCallbackBlocked(func(context.Context, *kgo.Client) {})),
		"OnOffsetsFetched":            one(kgo.OnOffsetsFetched(func(context.Context, *kgo.Client, *kmsg.OffsetFetchResponse) error { return nil })),
		"DisableAutoCommit":           one(kgo.DisableAutoCommit()),
		"GreedyAutoCommit":            one(kgo.GreedyAutoCommit()),
		"AutoCommitInterval":          one(kgo.AutoCommitInterval(time.Second)),
		"AutoCommitMarks":             one(kgo.AutoCommitMarks()),
		"InstanceID":                  one(kgo.InstanceID("i")),
		"GroupProtocol":               one(kgo.GroupProtocol("p")),
		"AutoCommitCallback":          one(kgo.AutoCommitCallback(func(*kgo.Client, *kmsg.OffsetCommitRequest, *kmsg.OffsetCommitResponse, error) {})),
	}
}

func gzipCompressor() kgo.Compressor {
	c, err := kgo.DefaultCompressor(kgo.GzipCompression())
	if err != nil {
		panic(err)
	}
	return c
}

// Each option that is refused is refused by its name, with a reason; with each
// other one a client opens, writes and reads.
func TestEveryKafkaOptionIsTakenOrRefusedAsListed(t *testing.T) {
	samples := sampleOptions()
	for name, fate := range listedOptions(t) {
		t.Run(name, func(t *testing.T) {
			inWorld(t, noTopic(), func(t *testing.T, w *world) {
				c, err := kvstore.NewClient(w.within(time.Minute), topic, memory.New(), w.options("c", kvstore.WithKafkaOptions(samples[name]...))...)
				if fate == "refused" {
					if err == nil {
						_ = c.Close()
						t.Fatal("NewClient accepted it")
					}
					wantError(t, "NewClient", err, nil, "kafka option kgo."+name, ": ")
					return
				}
				if err != nil {
					t.Fatalf("NewClient = %v, want a client: it is listed as %s", err, fate)
				}
				defer func() { _ = c.Close() }()
				w.put(c, "k", "v")
				w.want(c, "k", "v")
			})
		})
	}
}
