package kvstore

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// guard is a kgo option that the store can't honour unless it has the wanted value, and
// why. docs/kafka-options.md lists how each option is treated.
type guard struct {
	name   string
	opt    any // the kgo function, as Client.OptValue wants it
	want   any
	reason string
}

const (
	readsAlone = "the store reads the whole partition by itself"
	neverAsked = "the store reads and writes without the part of franz-go that would call it"
)

var guards = []guard{
	{"RequiredAcks", kgo.RequiredAcks, kgo.AllISRAcks(), "an acknowledged write could be lost with its leader"},
	{"DisableIdempotentWrite", kgo.DisableIdempotentWrite, false, "a retried write could be in the log twice"},
	{"AllowIdempotentProduceCancellation", kgo.AllowIdempotentProduceCancellation, false, "a cancelled write could be in the log twice"},
	{"RecordPartitioner", kgo.RecordPartitioner, onePartition, "the data would be split when the topic gets more partitions"},
	{"FetchIsolationLevel", kgo.FetchIsolationLevel, int8(readCommitted), "records of open or aborted transactions would be visible"},
	{"ConsumeResetOffset", kgo.ConsumeResetOffset, kgo.NoResetOffset(), "after a loss of data the client would go on from another offset instead of rebuilding"},
	{"ConsumeStartOffset", kgo.ConsumeStartOffset, kgo.NoResetOffset(), "the state is that of the whole log, from its begin"},
	{"AllowAutoTopicCreation", kgo.AllowAutoTopicCreation, false, "the topic would be created without compaction"},
	{"TransactionalID", kgo.TransactionalID, "", "the store does not write in transactions"},
	{"ConsumerGroup", kgo.ConsumerGroup, "", readsAlone},
	{"ShareGroup", kgo.ShareGroup, "", readsAlone},
	{"ConsumeTopics", kgo.ConsumeTopics, nil, readsAlone},
	{"ConsumePartitions", kgo.ConsumePartitions, nil, readsAlone},
	{"ConsumeRegex", kgo.ConsumeRegex, false, readsAlone},
	{"ConsumeExcludeTopics", kgo.ConsumeExcludeTopics, nil, readsAlone},
	{"Rack", kgo.Rack, "", "the store reads from the leader: a follower's high watermark lags behind what was acknowledged, and Sync, the check for lost records and the look for a write whose answer was lost rest on the leader's"},
	{"BalanceRacks", kgo.BalanceRacks, false, readsAlone},
	{"ConsumePreferringLagFn", kgo.ConsumePreferringLagFn, nil, neverAsked},
	{"ProducerOnDataLossDetected", kgo.ProducerOnDataLossDetected, nil, neverAsked + "; what a loss did to a write its own error says, and Status says that there was one"},
	{"UserMetricsFn", kgo.UserMetricsFn, nil, "the store pushes no client metrics, because that makes closing wait for brokers that do not answer"},
	{"WithPools", kgo.WithPools, nil, "the store has pools of its own, and would take buffers from these without giving them back"},
}

// checkPromises refuses what would break a promise, or what would have no effect although
// the program that gave it relies on it.
func checkPromises(cl *kgo.Client) error {
	seeds, _ := cl.OptValue(kgo.SeedBrokers).([]string)
	if len(seeds) == 1 && seeds[0] == noSeed {
		return errors.New("no brokers: use WithBrokers, or kgo.SeedBrokers in WithKafkaOptions")
	}
	if err := checkSeeds("kgo.SeedBrokers", seeds); err != nil {
		return err
	}
	if v, ok := cl.OptValue(kgo.MaxVersions).(*kversion.Versions); ok && v != nil && !modern(v) {
		return refused("MaxVersions", "it names a version before Kafka 0.11, which knows no record batches and no idempotent writes: a retried write could be in the log twice")
	}
	if fn, ok := cl.OptValue(kgo.RetryBackoffFn).(func(int) time.Duration); ok && fn == nil {
		return refused("RetryBackoffFn", "it is nil")
	}
	for _, g := range guards {
		got := cl.OptValue(g.opt)
		if reflect.DeepEqual(got, g.want) || isZero(g.want) && isZero(got) {
			continue
		}
		return refused(g.name, g.reason)
	}
	return checkFetchSizes(cl)
}

// secretive are characters that no address of a broker has, and one with a password in it does, as
// user:password@host or as ?password=.
const secretive = "@?"

// checkSeeds refuses an address that has a user and a password: errors, logs and lookups of
// names would have it. So the error does not repeat it.
func checkSeeds(option string, addrs []string) error {
	for i, addr := range addrs {
		if strings.ContainsAny(addr, secretive) {
			return fmt.Errorf("%s: address %d has a user or a password: write host:port, and log in with kgo.SASL", option, i+1)
		}
	}
	return nil
}

// withoutLogin replaces an error that repeats an address with a user and a password.
func withoutLogin(err error) error {
	if strings.ContainsAny(err.Error(), secretive) {
		return errors.New("kafka options: an address of a broker has a user or a password: write host:port, and log in with kgo.SASL")
	}
	return err
}

func refused(name, reason string) error {
	return fmt.Errorf("kafka option kgo.%s can't be used with the store: %s", name, reason)
}

// checkGroupOptions refuses the options of consumer groups before franz-go sees them: it
// refuses some of them in other words and accepts the others silently.
func checkGroupOptions(opts []kgo.Opt) error {
	for i, opt := range opts {
		if _, ok := opt.(kgo.GroupOpt); ok {
			return fmt.Errorf("kafka option %s can't be used with the store: %s, in no group", optionName(opts, i), readsAlone)
		}
	}
	return nil
}

// modern reports whether the protocol has record batches, idempotent writes and fetches of
// committed records only. Without them kgo falls back silently.
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

// settle returns the store's defaults followed by the user's options. A default is left out
// where franz-go would refuse it together with what the user gave.
func settle(before, user []kgo.Opt) ([]kgo.Opt, error) {
	var first error
	for _, age := range []time.Duration{defaultMetadataMinAge, 10 * time.Millisecond} {
		// In franz-go the smallest of these also bounds FetchMaxPartitionBytes, and
		// BrokerMaxReadBytes must not be less: so take the largest that fits.
		for bytes := int32(50 << 20); bytes >= 1<<10; bytes /= 2 {
			all := slices.Concat(promised(), []kgo.Opt{kgo.MetadataMinAge(age), kgo.FetchMaxBytes(bytes)}, before, user)
			err := validated(all)
			if err == nil {
				return all, nil
			}
			if first == nil {
				first = err
			}
		}
	}
	return nil, first
}

// validated is what franz-go says of the options, which it may panic about: it calls functions
// that it was given, or that are nil.
func validated(opts []kgo.Opt) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("franz-go can't use it: %v", p)
		}
	}()
	return kgo.ValidateOpts(opts...)
}

// culprit names the option that franz-go refuses, if it is a single one of the user's.
func culprit(before, user []kgo.Opt, err error) error {
	for i := range user {
		if _, other := settle(before, slices.Concat(user[:i], user[i+1:])); other == nil {
			name := optionName(user, i)
			if strings.HasSuffix(name, "FetchMaxWait") {
				err = fmt.Errorf("%w (franz-go keeps milliseconds in 32 bits: 10ms to 596h)", err)
			}
			return withoutLogin(fmt.Errorf("kafka option %s: %w", name, err))
		}
	}
	return withoutLogin(fmt.Errorf("kafka options: %w", err))
}

// closure matches the name that the compiler gives to an option's function literal. Where it is
// inlined, the function that was called comes first, and in a function literal "func" is missing.
var closure = regexp.MustCompile(`\.([A-Z]\w*)(?:\.([A-Z]\w*))?\.(?:func)?\d+$`)

// optionName returns the name of an option for a message, or its index where the name can't
// be found.
func optionName(opts []kgo.Opt, i int) string {
	if name, ok := nameOf(opts[i]); ok {
		return name
	}
	return fmt.Sprintf("number %d of WithKafkaOptions", i+1)
}

// nameOf returns the name of an option, if it can be found.
func nameOf(opt kgo.Opt) (name string, ok bool) {
	v := reflect.ValueOf(opt)
	if v.Kind() == reflect.Struct && v.NumField() == 1 && v.Field(0).Kind() == reflect.Func {
		if fn := runtime.FuncForPC(v.Field(0).Pointer()); fn != nil {
			if m := closure.FindStringSubmatch(fn.Name()); m != nil {
				if m[2] != "" && !strings.HasPrefix(m[2], m[1]) {
					return "kgo." + m[2], true
				}
				return "kgo." + m[1], true
			}
		}
	}
	return "", false
}

// endWith ends the client when the context given with kgo.WithContext ends: franz-go
// answers nothing after that. The function that it returns takes that back.
func (c *Client) endWith(ctx context.Context) (stop func()) {
	after := context.AfterFunc(ctx, func() {
		c.crash(fmt.Errorf("the context given with kgo.WithContext ended: %w", contextError(ctx)))
	})
	return func() { after() }
}
