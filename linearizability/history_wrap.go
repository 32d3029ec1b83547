package linearizability

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"
)

// A Store is a client of any key-value store, to be recorded. The store may neither
// change nor keep the keys and values that it is given.
type Store interface {
	Get(ctx context.Context, key []byte) ([]byte, error)
	Put(ctx context.Context, key, value []byte) error
	Delete(ctx context.Context, key []byte) error
}

// WrapOptions says what the errors and the values of a store mean. The zero value is
// safe for any store: it never takes a write that may have been done for refused.
type WrapOptions struct {
	// NotFound reports whether an error of Get says that the key has no
	// value. If it is nil, such a get counts as failed, and proves nothing.
	NotFound func(error) bool
	// NotWritten reports whether an error of a write means for certain that the
	// write was not done and never will be. A write that returns any other error
	// has an unknown outcome; so has one that returns a context's error, which
	// NotWritten is not asked about. If it is nil, all errors are of this kind.
	NotWritten func(error) bool
	// ValueID returns the value id of a value. It must be different for the
	// values of any two writes. If it is nil, the function ValueID is used.
	ValueID func([]byte) string
	// Class returns what kind of error a call returned. If it is nil, a context's error has
	// ErrorCanceled or ErrorDeadline, and of others nothing is known.
	Class func(error) ErrorClass
	// Position returns the position of the client. It is called after each
	// operation. Nil if the store has no positions.
	Position func() int64
}

// A Recorded records each call to the store that it wraps. It is safe for concurrent
// use if the store is.
type Recorded struct {
	r       *Recorder
	client  string
	process int
	store   Store
	opts    WrapOptions
}

// Wrap returns a store that passes calls on to store and records them as calls of
// the given process of the client. A client that was started again needs a higher
// process number.
//
// The recorded history has no log and no offsets, so only porcupine can judge it.
// Reads may lag unless Options.Linearizable is set. The keys must have no value when
// the recording starts. If the recorder's header has version 2, the history says the deadline of
// each call's context and the class of its error.
func (r *Recorder) Wrap(client string, process int, store Store, opts WrapOptions) *Recorded {
	if opts.ValueID == nil {
		opts.ValueID = ValueID
	}
	if opts.Class == nil {
		opts.Class = contextClass
	}
	return &Recorded{r: r, client: client, process: process, store: store, opts: opts}
}

// ValueID is the default of WrapOptions.ValueID. Up to 64 bytes, the id is the value
// itself, with "=" in front if it starts with "~" or "=". For a longer value it is the
// first 24 bytes and a SHA-256 hash. The id of an empty value is "~empty".
func ValueID(value []byte) string {
	const most = 64
	if len(value) == 0 {
		return "~empty"
	}
	id := string(value)
	if len(value) > most {
		sum := sha256.Sum256(value)
		id = string(value[:24]) + "#" + hex.EncodeToString(sum[:])
	}
	if id[0] == '~' || id[0] == '=' { // otherwise it would be taken for a shared id
		id = "=" + id
	}
	return id
}

func (s *Recorded) begin(ctx context.Context, kind OpKind, key []byte, id string) *Call {
	return s.r.Begin(Operation{Client: s.client, Process: s.process, Kind: kind, Key: string(key), Value: id, Deadline: s.deadline(ctx)})
}

// deadline returns the deadline of a context in the time of the history, 0 if there is none to say.
func (s *Recorded) deadline(ctx context.Context) time.Duration {
	if ctx == nil || !s.newer() {
		return 0
	}
	at, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	return max(1, s.r.clock()+time.Until(at))
}

// class notes what kind of error a call returned.
func (s *Recorded) class(c *Call, err error) *Call {
	if s.newer() {
		c.Class(s.opts.Class(err))
	}
	return c
}

// newer reports whether the format that is written has deadlines and classes.
func (s *Recorded) newer() bool { return s.r.opts.Header.Version >= 2 }

func contextClass(err error) ErrorClass {
	switch {
	case errors.Is(err, context.Canceled):
		return ErrorCanceled
	case errors.Is(err, context.DeadlineExceeded):
		return ErrorDeadline
	}
	return ErrorNone
}

func (s *Recorded) position(c *Call) *Call {
	if s.opts.Position != nil {
		c.Position(s.opts.Position())
	}
	return c
}

// Get reads a key through the store and records it.
func (s *Recorded) Get(ctx context.Context, key []byte) ([]byte, error) {
	c := s.begin(ctx, OpGet, key, "")
	value, err := s.store.Get(ctx, key)
	switch {
	case err == nil:
		s.position(c).Value(s.opts.ValueID(value)).OK()
	case s.opts.NotFound != nil && s.opts.NotFound(err):
		s.position(c).OK()
	default:
		s.class(c, err).Failed(err)
	}
	return value, err
}

// Put writes a key through the store and records it. The value must be
// different from every other value that is written.
func (s *Recorded) Put(ctx context.Context, key, value []byte) error {
	c := s.begin(ctx, OpPut, key, s.opts.ValueID(value))
	return s.written(c, s.store.Put(ctx, key, value))
}

// Delete deletes a key through the store and records it.
func (s *Recorded) Delete(ctx context.Context, key []byte) error {
	c := s.begin(ctx, OpDelete, key, "")
	return s.written(c, s.store.Delete(ctx, key))
}

// Sync calls the store's Sync and records it as a barrier: later reads must see
// every write that was acknowledged to anyone before the call. It returns an error if
// the store has no Sync.
func (s *Recorded) Sync(ctx context.Context) error {
	syncer, ok := s.store.(interface{ Sync(context.Context) error })
	if !ok {
		return errors.New("sync: the recorded store has no method Sync(context.Context) error")
	}
	c := s.begin(ctx, OpSync, nil, "")
	if err := syncer.Sync(ctx); err != nil {
		s.class(c, err).Failed(err)
		return err
	}
	s.position(c).OK()
	return nil
}

func (s *Recorded) written(c *Call, err error) error {
	switch {
	case err == nil:
		s.position(c).OK()
	case s.refused(err):
		s.class(c, err).Failed(err)
	default:
		s.class(c, err).Unknown(err)
	}
	return err
}

func (s *Recorded) refused(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	return s.opts.NotWritten != nil && s.opts.NotWritten(err)
}
