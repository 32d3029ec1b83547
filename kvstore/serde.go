package kvstore

import (
	"context"
	"reflect"
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

// deserializer returns how to decode with a serde: with the context if the serde
// can make use of one, unless that would bypass a Deserialize that it declares
// over that of a serde which it embeds.
func deserializer[T any](serde Serde[T]) func(ctx context.Context, b []byte) (T, error) {
	s, ok := serde.(ContextDeserializer[T])
	if ok && !bypasses(reflect.ValueOf(serde), []lookup{deserializeMethod}, deserializeContextMethod) {
		return s.DeserializeContext
	}
	return func(_ context.Context, b []byte) (T, error) { return serde.Deserialize(b) }
}
