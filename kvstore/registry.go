package kvstore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"golang.org/x/sync/singleflight"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxBadIDs bounds the memory for bad ids, because garbage that happens to
// look like the wire format can name any of four thousand million of them.
const maxBadIDs = 1024

// schemaRegistry knows the header of the values written by one serde and
// decides which values it may read.
type schemaRegistry struct {
	cfg    *srConfig
	want   protoreflect.FullName // the message that values must hold
	header []byte                // of the values written; never changed

	client    *sr.Client
	available availability
	flights   singleflight.Group // one per id that is being looked up

	mu sync.RWMutex

	// good holds the schemas by id. An id never changes its meaning, so
	// they stay forever; their number is bounded by what is registered.
	good map[int]*protoSchema

	// bad holds ids that the registry gave a bad answer for.
	// Invariant: at most maxBadIDs of them.
	bad map[int]badID
}

// badID is a remembered answer.
type badID struct {
	err   error
	until time.Time
}

// newSchemaRegistry registers the schema of cfg, or finds it as cfg says. It has
// to have the message want.
func newSchemaRegistry(cfg *srConfig, want protoreflect.FullName) (*schemaRegistry, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if err := checkOwnSchema(cfg, want); err != nil {
		return nil, err
	}
	r := &schemaRegistry{
		cfg:    cfg,
		want:   want,
		client: listening(cfg.client),
		good:   map[int]*protoSchema{},
		bad:    map[int]badID{},
	}
	id, schema, err := r.introduce()
	if err != nil {
		return nil, err
	}
	index, ok := schema.indexOf(want)
	if !ok {
		return nil, fmt.Errorf("schema id %d of subject %q: %w: no message %s: it has %s",
			id, cfg.subject, ErrSchemaMismatch, want, schema.listing())
	}
	r.good[id] = schema
	r.header, err = wireHeader(id, index)
	return r, err
}

// introduce returns the id of the schema to write with, and what the registry
// holds under it.
//
// The index of the message has to come from what the registry holds and not from
// cfg: one that normalizes schemas may have put the messages into another order,
// and readers go by its copy.
func (r *schemaRegistry) introduce() (int, *protoSchema, error) {
	own := sr.Schema{Schema: r.cfg.schema, Type: sr.TypeProtobuf, References: r.cfg.references}
	switch {
	case r.cfg.trusted:
		schema, err := parseProtoSchema(r.cfg.schema)
		return r.cfg.id, schema, err
	case r.cfg.lookup:
		found, err := insistOn(r.cfg.ctx, r.cfg.timeout, func(ctx context.Context) (sr.SubjectSchema, error) {
			return r.client.LookupSchema(ctx, r.cfg.subject, own)
		})
		if err != nil {
			return 0, nil, fmt.Errorf("look up schema under subject %q: %w", r.cfg.subject, err)
		}
		schema, err := parseProtoSchema(found.Schema.Schema)
		if err != nil {
			return 0, nil, fmt.Errorf("schema id %d of subject %q: %w", found.ID, r.cfg.subject, err)
		}
		return found.ID, schema, nil
	}
	id, err := insistOn(r.cfg.ctx, r.cfg.timeout, func(ctx context.Context) (int, error) {
		return r.client.RegisterSchema(ctx, r.cfg.subject, own, -1, -1)
	})
	if err != nil {
		return 0, nil, fmt.Errorf("register schema under subject %q: %w", r.cfg.subject, err)
	}
	found, err := insistOn(r.cfg.ctx, r.cfg.timeout, func(ctx context.Context) (sr.Schema, error) {
		return r.client.SchemaByID(ctx, id)
	})
	var schema *protoSchema
	if err == nil {
		schema, err = asProtoSchema(found)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("read back schema id %d of subject %q: %w", id, r.cfg.subject, err)
	}
	return id, schema, nil
}

// checkOwnSchema makes sure that the schema to register has the message want
// in the place that the options name.
func checkOwnSchema(cfg *srConfig, want protoreflect.FullName) error {
	schema, err := parseProtoSchema(cfg.schema)
	if err != nil {
		return err
	}
	if cfg.message != "" {
		named, err := schema.resolve(cfg.message)
		if err != nil {
			return fmt.Errorf("WithMessageName: %w", err)
		}
		if named != want {
			return fmt.Errorf("WithMessageName: %w: %q is %s, but the Go type is %s", ErrSchemaMismatch, cfg.message, named, want)
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
	return fmt.Errorf("%w: the first message of the schema is %s, but the Go type is %s: %s", ErrSchemaMismatch, first, want, hint)
}

// accept returns nil if a value with this id and index holds the message that
// is wanted.
func (r *schemaRegistry) accept(ctx context.Context, id int, index []int) error {
	schema, err := r.lookup(ctx, id)
	if err != nil {
		return fmt.Errorf("schema id %d: %w", id, err)
	}
	name, ok := schema.at(index)
	switch {
	case !ok:
		return fmt.Errorf("schema id %d: %w: no message at index %v, want %s: it has %s",
			id, ErrSchemaMismatch, index, r.want, schema.listing())
	case name != r.want:
		return fmt.Errorf("schema id %d: %w: message at index %v is %s, want %s",
			id, ErrSchemaMismatch, index, name, r.want)
	}
	return nil
}

// lookup returns the schema of id, from memory or from the registry. However
// many callers want the same id, one request is made; it does not end with the
// context of any of them.
func (r *schemaRegistry) lookup(ctx context.Context, id int) (*protoSchema, error) {
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
		// It may have landed between recall and here.
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
		schema, _ := res.Val.(*protoSchema)
		return schema, res.Err
	case <-r.cfg.ctx.Done():
		return nil, noAnswer(r.cfg.ctx)
	case <-ctx.Done():
		return nil, noAnswer(ctx)
	}
}

// errPatience is why a call did not wait for a registry that had failed before.
var errPatience = errors.New("none within a second, and it failed before")

// fetch asks the registry, for at most as long as its timeout.
func (r *schemaRegistry) fetch(id int) (*protoSchema, error) {
	found, retryAfter, err := call(r.cfg.ctx, r.cfg.timeout, func(ctx context.Context) (sr.Schema, error) {
		return r.client.SchemaByID(ctx, id)
	})
	r.available.note(err, retryAfter)
	if err != nil {
		return nil, err
	}
	return asProtoSchema(found)
}

// asProtoSchema parses a schema of the registry.
func asProtoSchema(found sr.Schema) (*protoSchema, error) {
	if found.Type != sr.TypeProtobuf {
		return nil, fmt.Errorf("%w: it is %v, want %v", ErrSchemaMismatch, found.Type, sr.TypeProtobuf)
	}
	schema, err := parseProtoSchema(found.Schema)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSchemaMismatch, err)
	}
	return schema, nil
}

// recall returns what is remembered of id, or nothing.
func (r *schemaRegistry) recall(id int) (*protoSchema, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if schema := r.good[id]; schema != nil {
		return schema, nil
	}
	if bad, ok := r.bad[id]; ok && time.Now().Before(bad.until) {
		return nil, bad.err
	}
	return nil, nil
}

// remember keeps the answer for id if it is one to rely on.
func (r *schemaRegistry) remember(id int, schema *protoSchema, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.good[id] = schema
		delete(r.bad, id)
	case errors.Is(err, ErrSchemaMismatch) && r.cfg.negativeTTL > 0:
		if len(r.bad) >= maxBadIDs {
			r.forgetBad()
		}
		r.bad[id] = badID{err: err, until: time.Now().Add(r.cfg.negativeTTL)}
	}
}

// forgetBad makes room: it drops what has expired and, if that is nothing, what
// expires first.
func (r *schemaRegistry) forgetBad() {
	now := time.Now()
	first, before := 0, time.Time{}
	for id, bad := range r.bad {
		if !now.Before(bad.until) {
			delete(r.bad, id)
			continue
		}
		if before.IsZero() || bad.until.Before(before) {
			first, before = id, bad.until
		}
	}
	if len(r.bad) >= maxBadIDs {
		delete(r.bad, first)
	}
}

// registryError sorts a failed request: did the registry speak about the
// schema, or could it not be asked properly? Its own errors have codes of five
// digits, such as 40403; a plain 404 is rather a wrong address.
func registryError(err error) error {
	if err == nil {
		return nil
	}
	var answer *sr.ResponseError
	if !errors.As(err, &answer) {
		return fmt.Errorf("%w: %w", ErrRegistryUnavailable, err)
	}
	verdict := ErrRegistryUnavailable
	switch {
	case answer.StatusCode == http.StatusConflict,
		answer.StatusCode == http.StatusNotFound && answer.ErrorCode > 10000,
		answer.StatusCode == http.StatusUnprocessableEntity:
		verdict = ErrSchemaMismatch
	}
	return fmt.Errorf("%w: registry answers with status %d: %w", verdict, answer.StatusCode, err)
}

// noAnswer is the error of a caller that waited until ctx ended.
func noAnswer(ctx context.Context) error {
	return fmt.Errorf("%w: no answer: %w", ErrRegistryUnavailable, context.Cause(ctx))
}
