package registry

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/twmb/franz-go/pkg/sr"
	"golang.org/x/sync/singleflight"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/kvsim/kvsim/kvstore/internal/brief"
)

// Registry knows the header of the values written by one serde and
// decides which values it may read.
type Registry struct {
	cfg    *Config
	want   protoreflect.FullName // the message that values must hold
	header []byte                // of the values written; never changed

	client    *sr.Client
	available availability
	flights   singleflight.Group // one per id that is being looked up

	mu sync.RWMutex

	// good holds the schemas by id. An id never changes its meaning, so
	// they stay forever; their number is bounded by what is registered.
	good map[int]*knownSchema

	// bad holds ids for which the registry gave a bad answer. Invariant: at most maxBadIDs
	// of them.
	bad map[int]badID
}

// New registers the schema of cfg, or finds it as cfg says. It has
// to have the message want. It keeps cfg, which must not change any more.
func New(cfg *Config, want protoreflect.FullName) (*Registry, error) {
	if err := checkOwnSchema(cfg, want); err != nil {
		return nil, err
	}
	client, err := listening(cfg.Client)
	if err != nil {
		return nil, err
	}
	r := &Registry{
		cfg:    cfg,
		want:   want,
		client: client,
		good:   map[int]*knownSchema{},
		bad:    map[int]badID{},
	}
	id, schema, err := r.introduce()
	if err != nil {
		return nil, err
	}
	index, ok := schema.indexOf(want)
	if !ok {
		return nil, fmt.Errorf("schema id %d of subject %q: %w: no message %s: it has %s",
			id, cfg.Subject, ErrMismatch, want, schema.listing())
	}
	r.good[id] = schema.known(want)
	if r.header, err = header(id, index); err != nil {
		return nil, fmt.Errorf("subject %q: %w: %w", cfg.Subject, ErrMismatch, err)
	}
	return r, nil
}

// Header returns the header of the values to write. It must not be changed.
func (r *Registry) Header() []byte { return r.header }

// introduce returns the id of the schema to write with, and what the registry
// holds under it.
//
// The index of the message has to come from what the registry holds and not from
// cfg: one that normalizes schemas may have put the messages into another order,
// and readers go by its copy.
func (r *Registry) introduce() (int, *protoSchema, error) {
	own := sr.Schema{Schema: r.cfg.Schema, Type: sr.TypeProtobuf, References: r.cfg.References}
	switch {
	case r.cfg.Trusted:
		schema, err := parseProtoSchema(r.cfg.Schema)
		return r.cfg.ID, schema, err
	case r.cfg.Lookup:
		found, err := insistOn(r.cfg.Context, r.cfg, func(ctx context.Context) (sr.SubjectSchema, error) {
			return r.client.LookupSchema(ctx, r.cfg.Subject, own)
		})
		if err != nil {
			return 0, nil, fmt.Errorf("look up schema under subject %q: %w", r.cfg.Subject, err)
		}
		schema, err := parseProtoSchema(found.Schema.Schema)
		if err != nil {
			return 0, nil, fmt.Errorf("schema id %d of subject %q: %w", found.ID, r.cfg.Subject, err)
		}
		return found.ID, schema, nil
	}
	id, err := insistOn(r.cfg.Context, r.cfg, func(ctx context.Context) (int, error) {
		return r.client.RegisterSchema(ctx, r.cfg.Subject, own, -1, -1)
	})
	if err != nil {
		return 0, nil, fmt.Errorf("register schema under subject %q: %w", r.cfg.Subject, err)
	}
	found, err := insistOn(r.cfg.Context, r.cfg, func(ctx context.Context) (sr.Schema, error) {
		return r.client.SchemaByID(ctx, id)
	})
	var schema *protoSchema
	if err == nil {
		schema, err = asProtoSchema(found)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("read back schema id %d of subject %q: %w", id, r.cfg.Subject, err)
	}
	return id, schema, nil
}

// checkOwnSchema makes sure that the schema to register has the message want
// in the place that the options name.
func checkOwnSchema(cfg *Config, want protoreflect.FullName) error {
	schema, err := parseProtoSchema(cfg.Schema)
	if err != nil {
		return err
	}
	if cfg.Message != "" {
		named, err := schema.resolve(cfg.Message)
		if err != nil {
			return fmt.Errorf("WithMessageName: %w", err)
		}
		if named != want {
			return fmt.Errorf("WithMessageName: %w: %q is %s, but the Go type is %s", ErrMismatch, cfg.Message, brief.Text(named), want)
		}
		return nil
	}
	first, err := schema.first()
	if err != nil {
		return err
	}
	if first == want {
		return nil
	}
	hint := "the schema has no such message: check its package and name"
	if _, ok := schema.indexOf(want); ok {
		hint = fmt.Sprintf("add WithMessageName(%q)", want)
	}
	return fmt.Errorf("%w: the first message of the schema is %s, but the Go type is %s: %s", ErrMismatch, brief.Text(first), want, hint)
}

// Accept returns nil if a value with this id and index holds the message that
// is wanted.
func (r *Registry) Accept(ctx context.Context, id int, index []int) error {
	schema, err := r.lookup(ctx, id)
	if err != nil {
		return fmt.Errorf("schema id %d: %w", id, err)
	}
	if err := schema.check(index, r.want); err != nil {
		return fmt.Errorf("schema id %d: %w", id, err)
	}
	return nil
}

// lookup returns the schema of id, from memory or from the registry. All callers that want
// the same id share one request, which does not end with the context of any of them.
func (r *Registry) lookup(ctx context.Context, id int) (*knownSchema, error) {
	if schema, err := r.recall(id); schema != nil || err != nil {
		return schema, err
	}
	patience, err := r.available.enter()
	if err != nil {
		return nil, err
	}
	if patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, patience, errPatience)
		defer cancel()
	}
	ch := r.flights.DoChan(strconv.Itoa(id), func() (any, error) {
		// It may have arrived between recall and here.
		if schema, err := r.recall(id); schema != nil || err != nil {
			r.available.note(nil, 0)
			return schema, err
		}
		schema, err := r.fetch(id)
		r.remember(id, schema, err)
		return schema, err
	})
	select {
	case res := <-ch:
		schema, _ := res.Val.(*knownSchema)
		return schema, res.Err
	case <-r.cfg.Context.Done():
		return nil, noAnswer(r.cfg.Context)
	case <-ctx.Done():
		return nil, noAnswer(ctx)
	}
}

// errPatience is the cause for a call that did not wait long for a registry that had failed
// before.
var errPatience = errors.New("none within a second, and it failed before")

// fetch asks the registry, for at most as long as its timeout.
func (r *Registry) fetch(id int) (*knownSchema, error) {
	found, retryAfter, err := call(r.cfg.Context, r.cfg, func(ctx context.Context) (sr.Schema, error) {
		return r.client.SchemaByID(ctx, id)
	})
	r.available.note(err, retryAfter)
	if err != nil {
		return nil, err
	}
	schema, err := asProtoSchema(found)
	if err != nil {
		return nil, err
	}
	return schema.known(r.want), nil
}

// asProtoSchema parses a schema of the registry.
func asProtoSchema(found sr.Schema) (*protoSchema, error) {
	if found.Type != sr.TypeProtobuf {
		return nil, fmt.Errorf("%w: it is %v, want %v", ErrMismatch, found.Type, sr.TypeProtobuf)
	}
	schema, err := parseProtoSchema(found.Schema)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMismatch, err)
	}
	return schema, nil
}
