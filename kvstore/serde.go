package kvstore

import (
	"context"
	"fmt"
)

// Serde turns values of type T into bytes and back. It is called from many
// goroutines at the same time and therefore has to be safe for concurrent use.
//
// Serialize returns bytes that belong to the caller, or an error; it neither
// keeps nor changes v. An empty result is a value like any other: it never
// deletes a key.
//
// Deserialize neither keeps nor changes b, and returns a value that shares no
// memory with b or with an earlier result.
//
// The package kvstoretest has a test suite for these rules.
type Serde[T any] interface {
	Serialize(v T) ([]byte, error)
	Deserialize(b []byte) (T, error)
}

// ContextDeserializer is an optional interface of a [Serde] whose Deserialize
// may have to wait for something, such as a Schema Registry. A
// [ResourceClient] calls DeserializeContext instead of Deserialize, with the
// context of its own caller, and so returns when that context ends.
type ContextDeserializer[T any] interface {
	DeserializeContext(ctx context.Context, b []byte) (T, error)
}

// DecodeError is the error of a stored value that could not be deserialized.
// The value stays as it is in the store and in the log.
type DecodeError struct {
	// Key is the key that the value is stored under.
	Key []byte

	// Cause is what the serde returned.
	Cause error
}

// Error names the key and the cause.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("deserialize value of %s: %v", quoteKey(e.Key), e.Cause)
}

// Unwrap returns the cause.
func (e *DecodeError) Unwrap() error { return e.Cause }

// deserialize decodes b with the context if the serde can make use of one.
func deserialize[T any](ctx context.Context, serde Serde[T], b []byte) (T, error) {
	if s, ok := serde.(ContextDeserializer[T]); ok {
		return s.DeserializeContext(ctx, b)
	}
	return serde.Deserialize(b)
}
