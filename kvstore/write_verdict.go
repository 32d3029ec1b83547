package kvstore

import (
	"errors"
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The rules that determine the one outcome of a record batch that is tried again and again.
// They use no clock and no network: a try has an answer, an answer has a grade, and the
// grades of all tries so far give the verdict.

// answer is the result of one try of a record batch.
type answer struct {
	// sent says that bytes of the try may have reached a broker.
	sent bool

	// err is why there is no answer from a broker, nil when there is one.
	err error

	// part is what the broker says of the store's partition. It is nil when
	// the answer does not have that partition, which no broker should do.
	part *kmsg.ProduceResponseTopicPartition

	// broker is the id of the broker that was asked.
	broker int32

	// seen says that the batch was found in the log instead, at offset.
	seen   bool
	offset int64
}

// grade is what an answer says of the try.
type grade int

const (
	// gradeWritten: the batch is in the log, at a known offset.
	gradeWritten grade = iota

	// gradePlaceless: the batch is in the log; the broker does not say where.
	gradePlaceless

	// gradeDuplicate: the broker takes the batch for one that it already has.
	gradeDuplicate

	// gradeUnsent: no byte of it was sent, and none will be.
	gradeUnsent

	// gradeRejected: this try did not append it. Another may.
	gradeRejected

	// gradeRefused: this try did not append it, and no other would.
	gradeRefused

	// gradeForgotten: this try did not append it, because the broker has another state for
	// this producer id than the client, or none.
	gradeForgotten

	// gradeUnseen: there was no try, because nothing can tell any more whether one before it
	// appended the batch.
	gradeUnseen

	// gradeDoubtful: this try may have appended it, or may yet.
	gradeDoubtful
)

// grades are the error codes that say for certain that the try appended nothing. I16: any
// other one leaves doubt.
//
// Kafka checks all of these before it appends. Two of them it may also answer
// later, while it waits for the replicas: see answer.grade.
var grades = map[*kerr.Error]grade{
	// The leader is another broker, or none, or the topic is not known here.
	kerr.UnknownTopicOrPartition: gradeRejected,
	kerr.NotLeaderForPartition:   gradeRejected,
	kerr.LeaderNotAvailable:      gradeRejected,
	kerr.ReplicaNotAvailable:     gradeRejected,
	kerr.FencedLeaderEpoch:       gradeRejected,
	kerr.UnknownLeaderEpoch:      gradeRejected,
	kerr.UnknownTopicID:          gradeRejected,
	kerr.InconsistentTopicID:     gradeRejected,
	// Too few replicas in sync before the append. Those after it have a code of their own.
	kerr.NotEnoughReplicas: gradeRejected,
	// Damaged in transit.
	kerr.CorruptMessage: gradeRejected,
	// A quota, in a protocol that refuses instead of delaying.
	kerr.ThrottlingQuotaExceeded: gradeRejected,
	// A broker in the middle of an upgrade.
	kerr.UnsupportedVersion: gradeRejected,

	kerr.MessageTooLarge:             gradeRefused,
	kerr.RecordListTooLarge:          gradeRefused,
	kerr.InvalidRecord:               gradeRefused,
	kerr.InvalidTimestamp:            gradeRefused,
	kerr.InvalidTopicException:       gradeRefused,
	kerr.InvalidRequiredAcks:         gradeRefused,
	kerr.TopicAuthorizationFailed:    gradeRefused,
	kerr.ClusterAuthorizationFailed:  gradeRefused,
	kerr.PolicyViolation:             gradeRefused,
	kerr.UnsupportedForMessageFormat: gradeRefused,
	kerr.UnsupportedCompressionType:  gradeRefused,

	kerr.OutOfOrderSequenceNumber: gradeForgotten,
	kerr.UnknownProducerID:        gradeForgotten,
	kerr.InvalidProducerEpoch:     gradeForgotten,
	kerr.InvalidProducerIDMapping: gradeForgotten,
	kerr.ProducerFenced:           gradeForgotten,

	kerr.DuplicateSequenceNumber: gradeDuplicate,
}

// mostOffset is the last offset that leaves room for the records of a batch behind it.
const mostOffset = math.MaxInt64 - math.MaxInt32 - 1

// grade says what the answer means for the try.
func (a answer) grade() grade {
	switch {
	case a.seen:
		return gradeWritten
	case errors.Is(a.err, errRenamed) && !a.sent:
		return gradeForgotten
	case errors.Is(a.err, errUnseen) && !a.sent:
		return gradeUnseen
	case a.err != nil && !a.sent:
		if isUnauthorized(a.err) { // in a request for the leader, or for a producer id
			return gradeRefused
		}
		return gradeUnsent
	case a.err != nil, a.part == nil:
		return gradeDoubtful
	case a.part.ErrorCode == 0 && a.part.BaseOffset > mostOffset:
		return gradeDoubtful // no log has it
	case a.part.ErrorCode == 0 && a.part.BaseOffset >= 0:
		return gradeWritten
	case a.part.ErrorCode == 0:
		return gradePlaceless
	}
	code := kerr.TypedErrorForCode(a.part.ErrorCode)
	g, ok := grades[code]
	if !ok {
		return gradeDoubtful
	}
	if afterAppend := code == kerr.NotLeaderForPartition || code == kerr.UnknownTopicOrPartition; afterAppend && a.part.BaseOffset >= 0 {
		// A leader that appended and then, while it waited for the replicas, lost the
		// leadership says so with the offset of what it appended; the new leader may have
		// it, too (Kafka's DelayedProduce).
		return gradeDoubtful
	}
	return g
}

// isUnauthorized reports whether err says that a right is missing.
func isUnauthorized(err error) bool {
	return errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kerr.ClusterAuthorizationFailed)
}

// problem returns the answer as an error, nil when it is not one.
func (a answer) problem() error {
	switch {
	case a.seen:
		return nil
	case a.err != nil:
		return a.err
	case a.part == nil:
		return fmt.Errorf("produce at broker %d: %w", a.broker, errNoPartition)
	case a.part.ErrorCode == 0:
		return nil
	}
	err := kerr.ErrorForCode(a.part.ErrorCode)
	if errors.Is(err, kerr.UnknownServerError) && a.part.ErrorCode != kerr.UnknownServerError.Code {
		err = fmt.Errorf("error code %d: %w", a.part.ErrorCode, err)
	}
	return withMessage(fmt.Errorf("produce at broker %d: %w", a.broker, err), a.part.ErrorMessage)
}

// verdict is what follows from the answers to all tries of a batch so far.
type verdict int

const (
	// verdictWritten: it is in the log, at the answer's offset.
	verdictWritten verdict = iota

	// verdictDuplicate: it is in the log, at an unknown offset.
	verdictDuplicate

	// verdictAgain: try again, under the same identity.
	verdictAgain

	// verdictRenew: try again under a new identity; no try was appended.
	verdictRenew

	// verdictRefused: it is not in the log and never will be.
	verdictRefused

	// verdictUnknown: the answers do not tell whether it is in the log.
	verdictUnknown
)

// trial is what is known about a batch from the answers so far.
type trial struct {
	// doubt says that a try may have been appended. It stays (I16). From then on
	// nothing may be sent under another identity: the broker would take it for
	// another batch and append it once more.
	doubt bool
}

// judge adds the grade of another try.
func (t *trial) judge(g grade) verdict {
	switch g {
	case gradeWritten:
		return verdictWritten
	case gradeDuplicate:
		if t.doubt {
			return verdictDuplicate
		}
		return verdictUnknown // a duplicate of what, if no try so far was appended?
	case gradePlaceless:
		return verdictDuplicate
	case gradeRefused:
		if t.doubt {
			return verdictUnknown
		}
		return verdictRefused
	case gradeForgotten:
		if t.doubt {
			return verdictUnknown
		}
		return verdictRenew
	case gradeUnseen:
		return verdictUnknown
	case gradeDoubtful:
		t.doubt = true
	}
	return verdictAgain
}

// tooLarge reports whether a batch was refused for its size.
func tooLarge(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge)
}
