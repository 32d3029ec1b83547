package kvstore

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/kvsim/kvsim/kvstore/internal/registry"
)

// ProtoSerde serializes protobuf messages of type T, in the plain binary
// encoding or, with [WithSchemaRegistry], in the wire format of Confluent's
// Schema Registry. Make one with [Proto]. It is safe for concurrent use.
type ProtoSerde[T proto.Message] struct {
	factory func() T
	name    protoreflect.FullName // of T; empty in the zero value
	schemas *registry.Registry    // nil without a Schema Registry
}

// ProtoOption configures a [ProtoSerde].
type ProtoOption func(*protoConfig)

type protoConfig struct {
	registry *srConfig // nil without a Schema Registry
}

// Proto returns a serde for the protobuf message T. Each call of factory has
// to return a new, empty message.
//
//	serde, err := kvstore.Proto(func() *pb.User { return new(pb.User) })
//
// With [WithSchemaRegistry] it registers the schema before it returns.
func Proto[T proto.Message](factory func() T, opts ...ProtoOption) (Serde[T], error) {
	if factory == nil {
		return nil, errors.New("protobuf serde: factory is nil: pass a function that returns a new message")
	}
	sample := factory()
	if isNilMessage(sample) {
		return nil, errors.New("protobuf serde: factory returned nil: it has to return a new message")
	}
	var cfg protoConfig
	for _, opt := range opts {
		if opt != nil {
			opt(&cfg)
		}
	}
	s := &ProtoSerde[T]{factory: factory, name: sample.ProtoReflect().Descriptor().FullName()}
	if cfg.registry != nil {
		schemas, err := cfg.registry.open(s.name)
		if err != nil {
			return nil, fmt.Errorf("protobuf serde for %s: %w", s.name, err)
		}
		s.schemas = schemas
	}
	return s, nil
}

// NewSchemaRegistrySerde returns a serde for the protobuf message T in the
// wire format of the Schema Registry.
//
// Deprecated: Use [Proto] with [WithSchemaRegistry].
func NewSchemaRegistrySerde[T proto.Message](
	srClient *sr.Client,
	subject string,
	schemaContent string,
	factory func() T,
	opts ...SchemaRegistryOption,
) (Serde[T], error) {
	return Proto(factory, WithSchemaRegistry(srClient, subject, schemaContent, opts...))
}

// Serialize returns the encoding of v, with the Schema Registry header in
// front if a registry is configured. It asks the registry nothing. Equal
// messages give equal bytes within one build of the program; protobuf promises
// no more than that.
//
// A nil message is [ErrNilMessage]. An empty message without a header gives an
// empty slice that is not nil.
func (s *ProtoSerde[T]) Serialize(v T) ([]byte, error) {
	if isNilMessage(v) {
		return nil, ErrNilMessage
	}
	if s == nil {
		return nil, errNoProtoSerde
	}
	if got := v.ProtoReflect().Descriptor().FullName(); s.name != "" && got != s.name {
		return nil, fmt.Errorf("message is a %s, but this serde stores %s", got, s.name)
	}
	var header []byte
	if s.schemas != nil {
		header = s.schemas.Header()
	}
	b := make([]byte, len(header), len(header)+proto.Size(v))
	copy(b, header)
	b, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(b, v)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Deserialize is [ProtoSerde.DeserializeContext] without a context: a lookup
// in the registry is bounded by [WithRegistryTimeout] and
// [WithRegistryContext] alone.
func (s *ProtoSerde[T]) Deserialize(b []byte) (T, error) {
	return s.DeserializeContext(context.Background(), b)
}

// DeserializeContext returns the message that b holds. Unknown fields are kept
// in the message.
//
// With a Schema Registry, b begins with the id of the schema that the value
// was written with and the place of the message in it. An id that was not met
// before is looked up once, by however many callers at the same time, and each
// of them waits until its own ctx ends at most. The value is accepted only if
// that schema is protobuf and has at that place a message of the same full
// name as T; where T stands in today's schema does not matter. Otherwise the
// error matches [ErrSchemaMismatch], or [ErrRegistryUnavailable] if the
// registry could not tell. The encoding itself is read with T's own
// descriptor: protobuf needs no writer's schema for that.
func (s *ProtoSerde[T]) DeserializeContext(ctx context.Context, b []byte) (T, error) {
	var zero T
	if s == nil || s.factory == nil {
		return zero, errNoProtoSerde
	}
	payload := b
	if s.schemas != nil {
		id, index, rest, err := registry.ParseHeader(b)
		if err != nil {
			return zero, err
		}
		if err := s.schemas.Accept(ctx, id, index); err != nil {
			return zero, err
		}
		payload = rest
	}
	v := s.factory()
	if isNilMessage(v) {
		return zero, errors.New("the factory given to Proto returned nil")
	}
	if err := proto.Unmarshal(payload, v); err != nil {
		if s.schemas == nil && len(b) > 0 && b[0] == registry.Magic {
			err = fmt.Errorf("%w (it begins like a value of a Schema Registry: add WithSchemaRegistry)", err)
		}
		return zero, err
	}
	return v, nil
}

var errNoProtoSerde = errors.New("protobuf serde was not made with Proto")

// isNilMessage reports whether there is no message in m: a nil interface, a
// nil pointer, or the read-only empty message that protoreflect uses for nil.
func isNilMessage(m proto.Message) bool {
	if m == nil {
		return true
	}
	if v := reflect.ValueOf(m); v.Kind() == reflect.Pointer && v.IsNil() {
		return true
	}
	return !m.ProtoReflect().IsValid()
}
