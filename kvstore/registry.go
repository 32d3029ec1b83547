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

// Errors of a [ProtoSerde] with a Schema Registry that callers branch on.
var (
	// ErrSchemaMismatch says that a value was written with a schema that
	// does not fit: the registry does not know its id, or the schema is not
	// protobuf, or it has another message in the place that the value
	// names. Trying again soon gives the same answer.
	ErrSchemaMismatch = errors.New("schema does not fit")

	// ErrRegistryUnavailable says that the Schema Registry could not be
	// asked, or did not answer in time. Trying again may help.
	ErrRegistryUnavailable = errors.New("schema registry unavailable")
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

	flights singleflight.Group // one per id that is being looked up

	mu sync.RWMutex

	// good holds the schemas by id. An id never changes its meaning, so
	// they stay for ever; their number is bounded by what is registered.
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

// newSchemaRegistry registers the schema of cfg, which has to have the message
// want where cfg says.
func newSchemaRegistry(cfg *srConfig, want protoreflect.FullName) (*schemaRegistry, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if err := checkOwnSchema(cfg, want); err != nil {
		return nil, err
	}
	r := &schemaRegistry{
		cfg:  cfg,
		want: want,
		good: map[int]*protoSchema{},
		bad:  map[int]badID{},
	}
	id, err := r.register()
	if err != nil {
		return nil, fmt.Errorf("register schema under subject %q: %w", cfg.subject, err)
	}
	// The index comes from what the registry holds, not from cfg: one that
	// normalizes schemas may have put the messages into another order, and
	// readers go by its copy.
	schema, err := r.lookup(cfg.ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read back schema id %d of subject %q: %w", id, cfg.subject, err)
	}
	index, ok := schema.indexOf(want)
	if !ok {
		return nil, fmt.Errorf("read back schema id %d of subject %q: %w: no message %s: it has %s",
			id, cfg.subject, ErrSchemaMismatch, want, schema.listing())
	}
	r.header, err = wireHeader(id, index)
	return r, err
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

// register gives the schema to the registry and returns its id. Registering
// the same schema again gives the same id.
func (r *schemaRegistry) register() (int, error) {
	schema := sr.Schema{
		Schema:     r.cfg.schema,
		Type:       sr.TypeProtobuf,
		References: r.cfg.references,
	}
	type answer struct {
		id  int
		err error
	}
	ctx, cancel := context.WithTimeout(r.cfg.ctx, r.cfg.timeout)
	defer cancel()
	ch := make(chan answer, 1)
	go func() { // a transport that ignores its context must not hold up the caller
		id, err := r.cfg.client.RegisterSchema(ctx, r.cfg.subject, schema, -1, -1)
		ch <- answer{id, err}
	}()
	select {
	case a := <-ch:
		return a.id, registryError(a.err)
	case <-ctx.Done():
		return 0, noAnswer(ctx)
	}
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
	ctx, cancel := context.WithTimeout(ctx, r.cfg.timeout)
	defer cancel()
	ch := r.flights.DoChan(strconv.Itoa(id), func() (any, error) {
		// It may have landed between recall and here.
		if schema, err := r.recall(id); schema != nil || err != nil {
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

// fetch asks the registry.
func (r *schemaRegistry) fetch(id int) (*protoSchema, error) {
	ctx, cancel := context.WithTimeout(r.cfg.ctx, r.cfg.timeout)
	defer cancel()
	found, err := r.cfg.client.SchemaByID(ctx, id)
	if err != nil {
		return nil, registryError(err)
	}
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
