package kvstore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/kvsim/kvsim/kvstore/internal/registry"
)

// Defaults of the Schema Registry options.
const (
	// DefaultRegistryTimeout is the default of [WithRegistryTimeout].
	DefaultRegistryTimeout = 10 * time.Second

	// DefaultNegativeCacheTTL is the default of [WithNegativeCacheTTL].
	DefaultNegativeCacheTTL = 30 * time.Second
)

// SchemaRegistryOption configures how a [ProtoSerde] uses the Schema Registry.
type SchemaRegistryOption func(*srConfig)

// srConfig collects what the options say.
type srConfig struct {
	to registry.Config
}

// WithSchemaRegistry makes [Proto] use the wire format of the Schema Registry
// behind srClient. The schema is registered under subject, usually
// "{topic}-value", before Proto returns; a program that has no right to register
// uses [WithSchemaLookup] or [WithSchemaID].
//
// A registry that can't be reached, or answers with status 429 or 5xx, is asked
// again until the context given with [WithRegistryContext] ends if that has a
// deadline, else for as long as [WithRegistryTimeout] says. Its header Retry-After is
// honoured up to a minute.
//
// schemaContent is the text of the .proto file that declares the message, with
// the same package and message name as the Go type. The message has to be the
// first of the file unless [WithMessageName] names it; Proto checks that.
//
// A schema may have 1 MiB of text, this one and those that the registry holds. A larger one
// is refused: with [ErrSchemaMismatch] when a value names it.
//
//	serde, err := kvstore.Proto(
//		func() *pb.User { return new(pb.User) },
//		kvstore.WithSchemaRegistry(srClient, "users-value", userProto),
//	)
func WithSchemaRegistry(
	srClient *sr.Client,
	subject string,
	schemaContent string,
	opts ...SchemaRegistryOption,
) ProtoOption {
	return func(c *protoConfig) {
		c.registry = &srConfig{registry.Config{
			Client:      srClient,
			Subject:     subject,
			Schema:      schemaContent,
			Context:     context.Background(),
			Timeout:     DefaultRegistryTimeout,
			NegativeTTL: DefaultNegativeCacheTTL,
			Guard:       func(fn func() error) error { return guarded("transport of the Schema Registry", fn) },
			Panicked:    isPanic,
		}}
		for _, opt := range opts {
			if opt != nil {
				opt(c.registry)
			}
		}
	}
}

// WithMessageName says which message of the file is stored: "User", or
// "Outer.Inner" for a nested one. The package may be put in front. Its index,
// which values carry, is taken from the file, so messages may be reordered:
// values written before stay readable.
//
// Default: the first message of the file.
func WithMessageName(name string) SchemaRegistryOption {
	return func(c *srConfig) { c.to.Message = name }
}

// WithSchemaReferences names the subjects and versions that hold the files
// which the schema imports. They are registered with it.
//
//	kvstore.WithSchemaReferences([]sr.SchemaReference{
//		{Name: "common.proto", Subject: "common", Version: 1},
//	})
func WithSchemaReferences(refs []sr.SchemaReference) SchemaRegistryOption {
	refs = slices.Clone(refs)
	return func(c *srConfig) { c.to.References = refs }
}

// WithSchemaLookup makes [Proto] look the schema up under the subject instead of
// registering it: that takes the right to read alone. A schema that is not there
// is [ErrSchemaMismatch]. It excludes [WithSchemaID].
func WithSchemaLookup() SchemaRegistryOption {
	return func(c *srConfig) { c.to.Lookup = true }
}

// WithSchemaID says under which id the schema is registered: [Proto] believes it and asks
// the registry nothing, so it works without any right and while the registry is down. If it
// is wrong, other readers refuse, or misread, what is written. Values with other ids are
// looked up as usual. The id is from 1 to the largest int32.
func WithSchemaID(id int) SchemaRegistryOption {
	return func(c *srConfig) { c.to.Trusted, c.to.ID = true, id }
}

// WithRegistryTimeout bounds each answer of the registry: registering the
// schema in [Proto], and looking up an id when a value is deserialized. It has
// to be more than zero. Default: [DefaultRegistryTimeout].
//
// The HTTP client of srClient has a timeout of its own, 5 s by default; the
// shorter one counts.
func WithRegistryTimeout(d time.Duration) SchemaRegistryOption {
	return func(c *srConfig) { c.to.Timeout = d }
}

// WithRegistryContext makes all calls to the registry end when ctx does, for
// as long as the serde lives. Afterwards only ids that are known already can
// be deserialized. The values of ctx reach the registry client, so sr.InContext
// and sr.WithParams work. Default: [context.Background].
func WithRegistryContext(ctx context.Context) SchemaRegistryOption {
	return func(c *srConfig) { c.to.Context = ctx } //nolint:fatcontext // it is the caller's, and kept as it is
}

// WithNegativeCacheTTL sets how long the client remembers an id that the registry does not
// know or whose schema is of no use here. Until then values with that id fail without
// another request. Zero asks every time. Only the registry's own answer is remembered; for
// a failure to reach it see [ErrRegistryUnavailable]. Default: [DefaultNegativeCacheTTL].
func WithNegativeCacheTTL(d time.Duration) SchemaRegistryOption {
	return func(c *srConfig) { c.to.NegativeTTL = d }
}

// validate names the option that can't be used and its value.
func (c *srConfig) validate() error {
	switch {
	case c.to.Client == nil:
		return errors.New("WithSchemaRegistry: registry client is nil")
	case c.to.Subject == "":
		return errors.New(`WithSchemaRegistry: subject is empty: use "{topic}-value"`)
	case strings.TrimSpace(c.to.Schema) == "":
		return errors.New("WithSchemaRegistry: schema is empty: pass the text of the .proto file")
	case c.to.Context == nil:
		return errors.New("WithRegistryContext: context is nil")
	case c.to.Timeout <= 0:
		return fmt.Errorf("WithRegistryTimeout: %v: want more than zero", c.to.Timeout)
	case c.to.Trusted && c.to.Lookup:
		return errors.New("WithSchemaID and WithSchemaLookup exclude each other")
	case c.to.Trusted && (c.to.ID <= 0 || c.to.ID > math.MaxInt32):
		return fmt.Errorf("WithSchemaID: %d: want 1 to %d", c.to.ID, math.MaxInt32)
	case c.to.NegativeTTL < 0:
		return fmt.Errorf("WithNegativeCacheTTL: %v: want zero or more", c.to.NegativeTTL)
	}
	return nil
}

// open registers or finds the schema for the message want, if the options can be used.
func (c *srConfig) open(want protoreflect.FullName) (*registry.Registry, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	return registry.New(&c.to, want)
}
