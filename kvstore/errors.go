package kvstore

import (
	"errors"
	"fmt"

	"github.com/kvsim/kvsim/kvstore/internal/brief"
	"github.com/kvsim/kvsim/kvstore/internal/registry"
)

// Errors that callers branch on, with errors.Is. A returned error wraps one of
// them together with its cause.
var (
	// ErrClientClosed is returned when an operation is performed on a
	// closed client. A write that was under way when the client closed and
	// whose fate is not known matches [ErrOutcomeUnknown] as well.
	ErrClientClosed = errors.New("client is closed")

	// ErrNotFound is returned when a key does not exist.
	ErrNotFound = errors.New("key not found")

	// ErrInvalidKey is returned for a nil or empty key. Nothing was written.
	ErrInvalidKey = errors.New("invalid key: a key needs at least one byte")

	// ErrInvalidRevision is returned for a revision that no record can have.
	ErrInvalidRevision = errors.New("invalid revision: it is an offset, from 0 on")

	// ErrReadOnly is returned by writes to a client that was opened with [WithReadOnly].
	// Nothing was written.
	ErrReadOnly = errors.New("client is read-only")

	// ErrHookReentry is returned by an operation that a hook called on its
	// own client and that would have waited for that very hook.
	ErrHookReentry = errors.New("operation called from a hook of the same client would wait for itself")

	// ErrBatchExecuted is returned by the second Execute of a batch.
	ErrBatchExecuted = errors.New("batch was executed already: make a new one")
)

// The outcomes of a failed write. Every error of Put, Delete, Execute and
// their siblings matches exactly one of ErrNotWritten, ErrRefused and
// ErrOutcomeUnknown.
var (
	// ErrNotWritten says that the write is not in the log and never will
	// be. It can be tried again without harm.
	ErrNotWritten = errors.New("not written")

	// ErrRefused says that the write is not in the log because it can't be accepted as it
	// is: the client or the broker refused it, and would refuse it again.
	ErrRefused = errors.New("refused")

	// ErrOutcomeUnknown says that the write may be in the log, may still get there, or is
	// there but not yet visible to this client's reads. It must not be taken for a
	// failure. Use [Client.Sync] and a read to find out.
	ErrOutcomeUnknown = errors.New("outcome unknown")

	// ErrNotVisible narrows ErrOutcomeUnknown: Kafka acknowledged the
	// write, its revision is known (see [WriteError]), but this client had
	// not applied it when its context ended. A write that the log has lost
	// since does not match it.
	ErrNotVisible = errors.New("written but not yet visible")
)

// ErrDeliveryTimeout ends a write that was not acknowledged within its life, see
// [WithDeliveryTimeout]. It comes with ErrNotWritten or ErrOutcomeUnknown.
var ErrDeliveryTimeout = errors.New("not acknowledged within the delivery timeout")

// Reasons for a refused write.
var (
	// ErrValueTooLarge: key and value do not fit the topic's
	// max.message.bytes.
	ErrValueTooLarge = errors.New("value too large")

	// ErrBatchTooLarge: the batch does not fit one Kafka record batch, which
	// is what makes it atomic.
	ErrBatchTooLarge = errors.New("batch too large")
)

// Problems with the topic. [ErrTopicDeleted] and [ErrTopicRecreated] end a client: every
// operation fails with them, and the remedy is to close it and open another.
// [ErrTopicConfig] fails an opening. The others end nothing: the client rebuilds by itself.
var (
	// ErrTopicConfig: the topic can't be used as a store; the message says why and how to
	// fix it.
	ErrTopicConfig = errors.New("topic configuration does not fit a key-value store")

	// ErrTopicDeleted: the topic does not exist any more.
	ErrTopicDeleted = errors.New("topic was deleted")

	// ErrTopicRecreated: the topic was deleted and created again, or the brokers belong to
	// another cluster that has a topic of the same name. So this client's data belongs to a
	// log that no longer exists, or lies elsewhere. Where topics have no ids this can't be
	// told, and the client rebuilds instead.
	ErrTopicRecreated = errors.New("topic was deleted and created again")

	// ErrTombstonesExpired: this client did not see the end of the log for so
	// long that compaction may have removed deletions which it had not read.
	// The log lost nothing. The client rebuilds by itself; the error shows in
	// [Client.Status] and in operations whose context ended meanwhile.
	ErrTombstonesExpired = errors.New("deletions may have been compacted away unread")

	// ErrRecordsWithheld: the leader answered with records for offsets for which it had
	// answered without records for so long that they counted as read. Apache Kafka's brokers never
	// do that. The client rebuilds by itself before it shows anything newer; the error
	// shows in [Client.Status] and in operations whose context ended meanwhile.
	ErrRecordsWithheld = errors.New("the leader had answered without records that it has")

	// ErrDataLoss: the log lost records that this client had read or was about to read.
	// Where topics have no ids, this also covers a cluster whose brokers give it another id
	// than before: the log may be another one. The client rebuilds by itself; the error
	// shows in [Client.Status] and in operations whose context ended meanwhile.
	ErrDataLoss = errors.New("the log lost records")
)

// What may block a client for a while, as [Status].Reading, [Status].Writing and the errors of calls
// that waited for it say. Each ends without the client's doing.
var (
	// ErrOpenTransaction: what is behind the first record of an open transaction can't be
	// shown yet.
	ErrOpenTransaction = errors.New("an open transaction of another producer holds the log")

	// ErrStorage: the [Storage] returned an error, or has been busy with a change for long. The
	// client tries again what changes the storage. To a read it returns the storage's error, or
	// what the read waited for when its context ended.
	ErrStorage = errors.New("storage")

	// ErrCallbackBusy: a hook, the handler of [WithHookErrorHandler] or the function given to
	// [WithProgress] has not returned for long, or the hooks for what one fetch brought have taken
	// long together. Nothing newer is read until they return.
	ErrCallbackBusy = errors.New("callbacks block the reading of the log")

	// ErrThrottled: the client has used up a quota of the cluster.
	ErrThrottled = errors.New("throttled")
)

// ErrStorageInUse is returned by [NewClient] for a storage that another client
// of this process uses, by itself or embedded in another one: two clients would
// write over each other's state.
var ErrStorageInUse = errors.New("storage is in use by another client")

// ErrLossyJSON is returned by [JSONSerde] where encoding/json by itself would
// change a value and say nothing; the message says what and where.
var ErrLossyJSON = errors.New("JSON would change the value")

// ErrNilMessage is returned by [ProtoSerde] for a nil message, be it a nil
// interface or a nil pointer. An empty message is not nil: it is stored.
var ErrNilMessage = errors.New("protobuf message is nil: use Delete to remove a key")

// Errors of a [ProtoSerde] with a Schema Registry that callers branch on.
var (
	// ErrSchemaMismatch says that a value was written with a schema that
	// does not fit: the registry does not know its id, or the schema is not
	// protobuf, or it has another message in the place that the value
	// names. Trying again soon gives the same answer.
	ErrSchemaMismatch = registry.ErrMismatch

	// ErrRegistryUnavailable says that the Schema Registry could not be asked, did not
	// answer in time, or answered with an error that says nothing of the schema, such as a
	// missing right. Trying again may help, but not immediately: after a failure values whose
	// schema is not known yet fail without asking, for a second at first and 15 seconds at
	// most, or for as long as the registry has asked for, up to a minute. The message says
	// when it is asked again. So a registry that hangs delays a reader of the log once, not
	// once for each record.
	ErrRegistryUnavailable = registry.ErrUnavailable
)

// noError is what a nil pointer to an error says, instead of a panic where one is
// printed or compared.
const noError = "<nil>"

// quoteKey prints a key for people: quoted, and cut when it is long.
func quoteKey(key []byte) string {
	const most = 64
	if len(key) > most {
		return fmt.Sprintf("%q... (%d bytes)", key[:most], len(key))
	}
	return fmt.Sprintf("%q", key)
}

// withMessage adds the message that a broker sent with the code of an error.
func withMessage(err error, message *string) error {
	if message == nil || *message == "" {
		return err
	}
	return brief.Error(fmt.Errorf("%w: %s", err, *message))
}

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }
