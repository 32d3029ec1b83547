package registry

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
)

// Errors that callers branch on. Package kvstore documents them under its own names.
var (
	// ErrMismatch is kvstore.ErrSchemaMismatch.
	ErrMismatch = errors.New("schema does not fit")

	// ErrUnavailable is kvstore.ErrRegistryUnavailable.
	ErrUnavailable = errors.New("schema registry unavailable")
)

// Config says which schema to use and how to ask for it. All fields without a meaning of
// zero have to be set.
type Config struct {
	Client  *sr.Client
	Subject string
	Schema  string // text of the .proto file

	Message     string               // the message that is stored; "" is the first of the file
	References  []sr.SchemaReference // of the schema's imports
	Context     context.Context      //nolint:containedctx // ends all calls, for as long as the Registry lives
	Timeout     time.Duration        // of one answer
	NegativeTTL time.Duration        // for how long a bad answer is remembered; 0 for not at all

	Lookup  bool // find the schema instead of registering it
	Trusted bool // ID is the schema's; the registry is not asked
	ID      int

	// Guard calls fn, which runs the user's transport, and returns its error, or, when it
	// panicked, an error for which Panicked is true.
	Guard    func(fn func() error) error
	Panicked func(error) bool
}
