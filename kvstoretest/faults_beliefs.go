package kvstoretest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/kvsim/kvsim/internal/fakecluster"
)

// OutOfSync takes the replicas of a running broker out of sync until it is undone. Replicas of
// stopped brokers are out of sync too. While fewer replicas of the topic are in sync than its
// min.insync.replicas, writes are refused with NOT_ENOUGH_REPLICAS. Hits counts the refused
// writes.
func (k *Kit) OutOfSync(broker int) *Effect {
	k.t.Helper()
	call, text := fmt.Sprintf("OutOfSync(%d)", broker), line("below-min-insync", "broker", strconv.Itoa(broker))
	return inject(k, call, text, k.exists("OutOfSync", broker), k.cluster.OutOfSync, int32(broker))
}

// Forgetting says what a broker does with the next write of a producer that it
// has forgotten.
type Forgetting int

const (
	// AcceptForgotten appends the write as a new one, even if it was appended
	// before, as Apache Kafka does from 2.5 on.
	AcceptForgotten Forgetting = iota
	// RefuseForgotten answers OUT_OF_ORDER_SEQUENCE_NUMBER, as other brokers
	// do.
	RefuseForgotten
	// DenyForgotten answers UNKNOWN_PRODUCER_ID, as older brokers do.
	DenyForgotten
)

func (f Forgetting) String() string {
	if f < AcceptForgotten || f > DenyForgotten {
		return fmt.Sprintf("Forgetting(%d)", int(f))
	}
	return fakecluster.ForgetMode(f).String()
}

// ForgetProducers makes the brokers forget, now, which writes of each client they have
// appended, by which they recognise a write that is sent again. Kafka forgets a client that has
// written nothing for a day, and writes that an unclean election lost. Hits counts the writes of
// forgotten clients. Undo ends the refusals; what was forgotten stays forgotten.
func (k *Kit) ForgetProducers(then Forgetting) *Effect {
	k.t.Helper()
	return k.forget("ForgetProducers", then, false)
}

// ForgetProducersAtElections does the same as [Kit.ForgetProducers] at each election of a leader
// from now on, until it is undone. Hits also counts the elections that made a broker forget a
// write.
func (k *Kit) ForgetProducersAtElections(then Forgetting) *Effect {
	k.t.Helper()
	return k.forget("ForgetProducersAtElections", then, true)
}

func (k *Kit) forget(call string, then Forgetting, elections bool) *Effect {
	k.t.Helper()
	text := line("forget-producers", "mode", then.String(), "elections", elections)
	ok := k.require(then >= AcceptForgotten && then <= DenyForgotten, "%s(%v): use AcceptForgotten, RefuseForgotten or DenyForgotten", call, then)
	return inject(k, call, text, ok, k.cluster.ForgetProducers, fakecluster.Forget{
		Topic: k.cfg.topic, Mode: fakecluster.ForgetMode(then), AtElections: elections,
	})
}

// ThrottleFetches answers the next n fetches as brokers do when a client is above its quota:
// immediately, without a topic, and with the time for which the client must wait. 0 means every fetch
// until the fault is undone.
func (k *Kit) ThrottleFetches(n int, d time.Duration) *Effect {
	k.t.Helper()
	text := line("throttle", "api", "fetch", "delay", d, "count", n)
	ok := k.countable("ThrottleFetches", n) &&
		k.require(d >= time.Millisecond, "ThrottleFetches(%d, %v): the time has to be at least one millisecond", n, d)
	return inject(k, "ThrottleFetches", text, ok, k.cluster.ThrottleFetches, fakecluster.Throttle{Delay: d, Count: n})
}

// AnswerAtOnce makes leaders answer the next n fetches that have to wait for records immediately. 0
// means every fetch until the fault is undone. A fetch that waits at the broker already goes on waiting;
// see [Kit.DropConnections].
func (k *Kit) AnswerAtOnce(n int) *Effect {
	k.t.Helper()
	return k.hasten("AnswerAtOnce", line("answer-at-once", "count", n), k.countable("AnswerAtOnce", n), n, 0)
}

// OlderEnds makes leaders answer the next n fetches from near the end of the log immediately, without
// records, as if the log ended the given number of offsets further back, as a leader does that was just
// elected and has not heard of the newest high watermark. 0 means every fetch until the fault is undone.
func (k *Kit) OlderEnds(n, back int) *Effect {
	k.t.Helper()
	ok := k.countable("OlderEnds", n) && k.require(back >= 1, "OlderEnds(%d, %d): the ends have to lie back by 1 or more", n, back)
	return k.hasten("OlderEnds", line("older-ends", "back", back, "count", n), ok, n, back)
}

func (k *Kit) hasten(call, text string, ok bool, n, back int) *Effect {
	k.t.Helper()
	return inject(k, call, text, ok, k.cluster.AnswerAtOnce, fakecluster.Haste{Topic: k.cfg.topic, Back: back, Count: n})
}

// FailFetches makes the brokers answer the next n fetches of the topic with err, an error of
// package kerr. 0 means every fetch until the fault is undone.
func (k *Kit) FailFetches(n int, err error) *Effect {
	k.t.Helper()
	text := line("fail-fetch", "error", errorName(err), "count", n)
	ke, ok := errors.AsType[*kerr.Error](err)
	ok = k.require(ok, "FailFetches(%d, %v): the error has to be one of package kerr, such as kerr.UnknownTopicID", n, err) && k.countable("FailFetches", n)
	return inject(k, "FailFetches", text, ok, k.cluster.FailFetches, fakecluster.FetchFault{Topic: k.cfg.topic, Err: ke, Count: n})
}

// WithholdRecords makes leaders answer the next n fetches that would get records without them,
// without an error and with the true end of the log, as brokers other than Apache Kafka's do while
// memory is short or a remote storage is slow. 0 means every fetch until the fault is undone. A
// fetch that waits at the broker already gets what it waits for; see [Kit.DropConnections].
func (k *Kit) WithholdRecords(n int) *Effect {
	k.t.Helper()
	text := line("withhold-records", "count", n)
	return inject(k, "WithholdRecords", text, k.countable("WithholdRecords", n), k.cluster.WithholdRecords, fakecluster.Withhold{Topic: k.cfg.topic, Count: n})
}

// Stale says what brokers have not heard of; see [Kit.StaleMetadata]. Exactly one of Unknown,
// Other, Partitions and Elections must be set.
type Stale struct {
	// Brokers are the brokers that are behind; empty means all.
	Brokers []int
	// Unknown: they have not heard of the topic.
	Unknown bool
	// Other: they know another topic of this name, with another id.
	Other bool
	// Partitions: they know of this many partitions of the topic.
	Partitions int
	// Elections: they have not heard of this many of its last elections.
	Elections int
}

// String returns what of the fault's line is about who knows what.
func (s Stale) String() string { return strings.TrimSpace(line("", s.settings()...)) }

func (s Stale) settings() []any {
	who := make([]string, len(s.Brokers))
	for i, b := range s.Brokers {
		who[i] = strconv.Itoa(b)
	}
	knows := "election"
	switch {
	case s.Unknown:
		knows = "unknown"
	case s.Other:
		knows = "other-id"
	case s.Partitions > 0:
		knows = "partitions"
	}
	return []any{"broker", strings.Join(who, ","), "knows", knows, "partitions", s.Partitions, "elections", s.Elections}
}

// StaleMetadata makes brokers answer the next n metadata requests as if they had not heard of a
// change yet, or of the topic at all. 0 means every request until the fault is undone.
func (k *Kit) StaleMetadata(n int, s Stale) *Effect {
	k.t.Helper()
	text := line("stale-metadata", append(s.settings(), "count", n)...)
	if !k.countable("StaleMetadata", n) {
		return k.inert(text)
	}
	fs := fakecluster.Stale{
		Topic: k.cfg.topic, Count: n, Unknown: s.Unknown,
		Partitions: int32(s.Partitions), Elections: s.Elections,
	}
	if s.Other {
		fs.OtherID = fakecluster.OtherID
	}
	for _, b := range s.Brokers {
		if !k.exists("StaleMetadata", b) {
			return k.inert(text)
		}
		fs.Brokers = append(fs.Brokers, int32(b))
	}
	f, err := k.cluster.StaleMetadata(fs)
	if err != nil {
		k.misuse("StaleMetadata(%d, %v): set exactly one of Unknown, Other, Partitions and Elections, none below zero", n, s)
		return k.inert(text)
	}
	return k.lasting(text, f)
}

// AlterTopic changes the topic's configuration while it is in use, by Kafka's names and
// values, such as max.message.bytes, delete.retention.ms, cleanup.policy and
// min.insync.replicas. An empty value restores the brokers' default, which for
// cleanup.policy is delete. When AlterTopic returns, the change is in effect and in the
// brokers' answers about the topic.
func (k *Kit) AlterTopic(configs map[string]string) {
	k.t.Helper()
	if len(configs) == 0 {
		k.misuse("AlterTopic: there is nothing to change")
		return
	}
	given := maps.Clone(configs)
	maps.DeleteFunc(given, func(_, v string) bool { return v == "" })
	if err := checkTopicConfigs(given); err != nil {
		k.misuse("AlterTopic: %v", err)
		return
	}
	values := make(map[string]*string, len(configs))
	for _, name := range slices.Sorted(maps.Keys(configs)) {
		values[name] = nil
		if v := configs[name]; v != "" {
			values[name] = &v
		}
	}
	if err := k.cluster.AlterTopic(k.cfg.topic, values); err != nil {
		k.fatal("alter the topic: %v", err)
	}
}
