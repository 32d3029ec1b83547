package kvstore

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// topicSettings are the settings of a topic that a store depends on.
type topicSettings struct {
	maxMessageBytes int           // max.message.bytes
	retention       time.Duration // delete.retention.ms: how long a tombstone stays
	policy          string        // cleanup.policy, unknownPolicy when it is not known
	minISR          int           // min.insync.replicas
	segmentBytes    int           // segment.bytes, 0 when it is not known
}

const (
	// unknownPolicy is no cleanup.policy of Kafka's. The empty one is: since Kafka 4.2
	// it means that nothing is ever removed.
	unknownPolicy = "unknown"

	// defaultRetention is Kafka's default for delete.retention.ms.
	defaultRetention = 24 * time.Hour

	// leastRetention is the shortest delete.retention.ms that a client can work with: one
	// that follows the log needs a few requests in that time.
	leastRetention = time.Second
)

// parseSettings uses Kafka's default for what is missing or malformed.
func parseSettings(configs map[string]string) topicSettings {
	ts := topicSettings{maxMessageBytes: defaultMaxMessageBytes, retention: defaultRetention, policy: unknownPolicy, minISR: 1}
	if policy, ok := configs["cleanup.policy"]; ok {
		ts.policy = policy
	}
	if n, err := strconv.Atoi(configs["max.message.bytes"]); err == nil && n >= 0 {
		ts.maxMessageBytes = n
	}
	if n, err := strconv.Atoi(configs["segment.bytes"]); err == nil && n > 0 {
		ts.segmentBytes = n
	}
	if n, err := strconv.ParseInt(configs["delete.retention.ms"], 10, 64); err == nil && n >= 0 {
		ts.retention = time.Duration(min(n, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
	}
	if n, err := strconv.Atoi(configs["min.insync.replicas"]); err == nil && n > 0 {
		ts.minISR = n
	}
	return ts
}

// limit returns the largest record batch that the topic takes. Kafka also refuses
// one that does not fit a segment of the log.
func (ts topicSettings) limit() byteLimit {
	limit := byteLimit{ts.maxMessageBytes, "the topic's max.message.bytes"}
	if ts.segmentBytes > 0 {
		limit = limit.and(byteLimit{ts.segmentBytes, "the topic's segment.bytes"})
	}
	return limit
}

// readBy returns why a running client that reads so many bytes of an answer does not suit the topic.
func (ts topicSettings) readBy(answer int, topic string) error {
	if readable(answer, topic, ts.maxMessageBytes) {
		return nil
	}
	return fmt.Errorf("its max.message.bytes is %d, and kgo.BrokerMaxReadBytes of this client is %d: at a record batch above %d bytes the client would stand still; open it with a larger one",
		ts.maxMessageBytes, answer, answer-around(topic))
}

// problems returns why a store can't rely on the topic. retains is what
// WithTombstoneRetention says, 0 for nothing.
func (ts topicSettings) problems(topic string, retains time.Duration) (problems []error) {
	const alter = "run kafka-configs.sh --alter --entity-type topics --entity-name %s --add-config %s"
	if ts.policy != unknownPolicy && ts.policy != "compact" {
		otherwise := "keys vanish with time"
		if ts.policy == "" {
			otherwise = "the log grows forever"
		}
		problems = append(problems, fmt.Errorf("its cleanup.policy is %q and has to be %q, or %s: "+alter, ts.policy, "compact", otherwise, topic, "cleanup.policy=compact"))
	}
	if retains == 0 && ts.retention < leastRetention {
		problems = append(problems, fmt.Errorf("its delete.retention.ms is %d and has to be at least %d, or a client that is blocked for a moment misses deletions: "+alter,
			ts.retention.Milliseconds(), leastRetention.Milliseconds(), topic, fmt.Sprintf("delete.retention.ms=%d", defaultRetention.Milliseconds())))
	}
	return problems
}

// settingChange is a setting that has changed.
type settingChange struct{ name, from, to string }

// changesFrom returns what differs from before. A setting that was not known before has not
// changed.
func (ts topicSettings) changesFrom(was topicSettings) (changes []settingChange) {
	add := func(name string, from, to any) {
		if from != to {
			changes = append(changes, settingChange{name, fmt.Sprint(from), fmt.Sprint(to)})
		}
	}
	add("max.message.bytes", was.maxMessageBytes, ts.maxMessageBytes)
	if was.segmentBytes > 0 && ts.segmentBytes > 0 {
		add("segment.bytes", was.segmentBytes, ts.segmentBytes)
	}
	add("delete.retention.ms", was.retention.Milliseconds(), ts.retention.Milliseconds())
	if was.policy != unknownPolicy && ts.policy != unknownPolicy {
		add("cleanup.policy", was.policy, ts.policy)
	}
	add("min.insync.replicas", was.minISR, ts.minISR)
	return changes
}
