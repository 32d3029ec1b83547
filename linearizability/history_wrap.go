package linearizability

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
)

// A Store is any client of a key-value store that can be recorded. Keys and
// values are bytes, which the store may neither change nor keep.
type Store interface {
	Get(ctx context.Context, key []byte) ([]byte, error)
	Put(ctx context.Context, key, value []byte) error
	Delete(ctx context.Context, key []byte) error
}

// WrapOptions say what the errors and the values of a store mean. The zero
// value is safe for any store: it takes no write for refused that may be done.
type WrapOptions struct {
	// NotFound reports whether an error of Get says that the key has no
	// value. Without it such a get counts as failed and says nothing.
	NotFound func(error) bool
	// NotWritten reports whether an error of a write says for certain that
	// the write is not done, and never will be. Every other error of a write
	// is of unknown outcome, a context's error always.
	NotWritten func(error) bool
	// ValueID returns the value id of a value. It must be different for the
	// values of any two writes. Without it the id is the value itself, or,
	// above 64 bytes, a part of it with its hash; an empty value is "~empty".
	ValueID func([]byte) string
	// Position returns the position of the client, called after each
	// operation. Nil if the store has none.
	Position func() int64
}

// A Recorded store records each call to the store that it wraps. It is safe for
// concurrent use if the store is.
type Recorded struct {
	r       *Recorder
	client  string
	process int
	store   Store
	opts    WrapOptions
}

// Wrap returns the store with its calls recorded as those of a process of a
// client. A client that was started again gets a greater process number.
//
// What it records is enough for porcupine alone: no log, no offsets. A store
// whose reads may lag is judged by that; Options.Linearizable is for others. The
// keys must have no value when the recording starts.
func (r *Recorder) Wrap(client string, process int, store Store, opts WrapOptions) *Recorded {
	if opts.ValueID == nil {
		opts.ValueID = ValueID
	}
	return &Recorded{r: r, client: client, process: process, store: store, opts: opts}
}

// ValueID is the default of WrapOptions.ValueID.
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
	if id[0] == '~' || id[0] == '=' { // not to be mistaken for a shared id
		id = "=" + id
	}
	return id
}

func (s *Recorded) begin(kind OpKind, key []byte, id string) *Call {
	return s.r.Begin(Operation{Client: s.client, Process: s.process, Kind: kind, Key: string(key), Value: id})
}

func (s *Recorded) position(c *Call) *Call {
	if s.opts.Position != nil {
		c.Position(s.opts.Position())
	}
	return c
}

// Get reads a key through the store and records it.
func (s *Recorded) Get(ctx context.Context, key []byte) ([]byte, error) {
	c := s.begin(OpGet, key, "")
	value, err := s.store.Get(ctx, key)
	switch {
	case err == nil:
		s.position(c).Value(s.opts.ValueID(value)).OK()
	case s.opts.NotFound != nil && s.opts.NotFound(err):
		s.position(c).OK()
	default:
		c.Failed(err)
	}
	return value, err
}

// Put writes a key through the store and records it. The value must be
// different from every other value that is written.
func (s *Recorded) Put(ctx context.Context, key, value []byte) error {
	c := s.begin(OpPut, key, s.opts.ValueID(value))
	return s.written(c, s.store.Put(ctx, key, value))
}

// Delete deletes a key through the store and records it.
func (s *Recorded) Delete(ctx context.Context, key []byte) error {
	c := s.begin(OpDelete, key, "")
	return s.written(c, s.store.Delete(ctx, key))
}

// Sync calls the store's Sync, if it has one, and records it: the reads after
// it see everything that was acknowledged to anyone before it.
func (s *Recorded) Sync(ctx context.Context) error {
	syncer, ok := s.store.(interface{ Sync(context.Context) error })
	if !ok {
		return errors.New("sync: the recorded store has no method Sync(context.Context) error")
	}
	c := s.begin(OpSync, nil, "")
	if err := syncer.Sync(ctx); err != nil {
		c.Failed(err)
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
		c.Failed(err)
	default:
		c.Unknown(err)
	}
	return err
}

func (s *Recorded) refused(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	return s.opts.NotWritten != nil && s.opts.NotWritten(err)
}
