package kvstore

import (
	"fmt"
	"reflect"

	"github.com/twmb/franz-go/pkg/kgo"
)

// byteLimit is the size of the largest record batch that may be written, and what sets it.
type byteLimit struct {
	bytes int
	by    string
}

// and returns the lower one of two limits.
func (l byteLimit) and(other byteLimit) byteLimit {
	if other.bytes < l.bytes {
		return other
	}
	return l
}

// franz-go's defaults for what a request and an answer may take.
const defaultBrokerBytes = 100 << 20

// What a request or an answer has besides its record batch, apart from the names in it, is
// less than this.
const envelope = 512

// noBatchLimit stands for a kgo.ProducerBatchMaxBytes that was not given. The value matters
// to franz-go only, which wants it to be less than the size of a request.
func noBatchLimit(string) int32 { return 512 }

// clientLimits returns what the options say about the size of a record batch.
func clientLimits(cl *kgo.Client, topic string) (limits []byteLimit) {
	if fn, ok := cl.OptValue(kgo.ProducerBatchMaxBytesFn).(func(string) int32); ok && fn != nil &&
		reflect.ValueOf(fn).Pointer() != reflect.ValueOf(noBatchLimit).Pointer() {
		limits = append(limits, byteLimit{max(0, int(fn(topic))), "kgo.ProducerBatchMaxBytes"})
	}
	if n, ok := cl.OptValue(kgo.BrokerMaxWriteBytes).(int32); ok {
		id, _ := cl.OptValue(kgo.ClientID).(string)
		limits = append(limits, byteLimit{max(0, int(n)-envelope-len(topic)-len(id)), "kgo.BrokerMaxWriteBytes, with room for the request around it"})
	}
	return append(limits,
		byteLimit{max(0, answerLimit(cl)-around(topic)), "kgo.BrokerMaxReadBytes, above which this client could not read it back"},
		byteLimit{inflatedLimit(cl), "kgo.MaxDecompressBatchBytes, above which this client could not read it back"})
}

// around is the most that an answer to a fetch has besides its record batch.
func around(topic string) int { return envelope + len(topic) }

// answerLimit returns how many bytes an answer may have.
func answerLimit(cl *kgo.Client) int {
	if n, ok := cl.OptValue(kgo.BrokerMaxReadBytes).(int32); ok {
		return int(n)
	}
	return defaultBrokerBytes
}

// inflatedLimit returns how many bytes a record batch may decompress to.
func inflatedLimit(cl *kgo.Client) int {
	if n, ok := cl.OptValue(kgo.MaxDecompressBatchBytes).(int); ok && n > 0 {
		return n
	}
	return defaultInflated
}

// checkFetchSizes refuses fetch limits that franz-go accepts and no broker should get:
// below one byte it answers immediately when there is nothing, again and again.
func checkFetchSizes(cl *kgo.Client) error {
	for _, f := range []struct {
		name string
		opt  any
	}{
		{"FetchMinBytes", kgo.FetchMinBytes},
		{"FetchMaxBytes", kgo.FetchMaxBytes},
		{"FetchMaxPartitionBytes", kgo.FetchMaxPartitionBytes},
	} {
		if n, ok := cl.OptValue(f.opt).(int32); ok && n < 1 {
			return refused(f.name, fmt.Sprintf("it is %d, and a fetch of less than one byte would be answered at once when there is nothing to read, again and again", n))
		}
	}
	return nil
}

// checkReadable refuses a kgo.BrokerMaxReadBytes that keeps the largest record batch of the
// topic from being read.
func checkReadable(cl *kgo.Client, topic string, maxMessageBytes int) error {
	if readable(answerLimit(cl), topic, maxMessageBytes) {
		return nil
	}
	return refused("BrokerMaxReadBytes", fmt.Sprintf("it is %d, and the topic's max.message.bytes is %d: a record batch of that size, with %d bytes around it, could never be read",
		answerLimit(cl), maxMessageBytes, around(topic)))
}

// readable reports whether a client that reads so many bytes of an answer can read the largest
// record batch of the topic. franz-go's own default counts as enough: brokers do not accept
// what it keeps out either, unless configured to, and a topic without a real limit may be meant
// to have none.
func readable(answer int, topic string, maxMessageBytes int) bool {
	return answer == defaultBrokerBytes || answer >= maxMessageBytes+around(topic)
}
