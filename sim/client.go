package sim

import (
	"context"
	"iter"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
)

// A Client is what a world drives: a kvstore.Client, something around it, or another store
// altogether. The methods mean what the methods of the same name of kvstore.Client mean.
//
// kvstoretest.Store is the same for tests, except that a batch there is a kvstore.Batch, which only
// this version of kvstore can make (docs/adr/0010-two-client-interfaces.md).
type Client interface {
	PutRevision(ctx context.Context, key, value []byte) (int64, error)
	DeleteRevision(ctx context.Context, key []byte) (int64, error)
	// Execute writes the changes as one batch and returns the revision of the
	// last one.
	Execute(ctx context.Context, changes []Change) (int64, error)
	GetEntry(ctx context.Context, key []byte) (kvstore.Entry, error)
	RangeEntries(ctx context.Context, c kvstore.KeyConstraint, opts kvstore.QueryOptions) iter.Seq2[kvstore.Entry, error]
	Sync(ctx context.Context) error
	WaitRevision(ctx context.Context, revision int64) error
	Position() int64
	Status() kvstore.Status
	Close() error
}

// A Change is one write of a batch.
type Change struct {
	Key    []byte
	Value  []byte // not used by a delete
	Delete bool
}

// An OpenRequest says which client to open.
type OpenRequest struct {
	// Client is the name, and Process the incarnation, counted from 1.
	Client  string
	Process int
	Topic   string
	// Storage is empty, and the faults of the plan act on it.
	Storage kvstore.RecordStorage
	// Reduce, if set, hides optional methods of the storage that the client gets.
	Reduce func(kvstore.RecordStorage) kvstore.Storage
	// Options bring the client to the world's brokers and its hooks to the
	// history.
	Options []kvstore.ClientOption
	// Kafka are the options that connect any franz-go client to the world, as
	// this client. Options has them too.
	Kafka []kgo.Opt
}

// An OpenFunc opens a client. It may wrap what DefaultOpen returns, hand DefaultOpen
// another storage, or open something else entirely.
type OpenFunc func(ctx context.Context, r OpenRequest) (Client, error)

// DefaultOpen opens the client with kvstore.NewClient.
func DefaultOpen(ctx context.Context, r OpenRequest) (Client, error) {
	c, err := kvstore.NewClient(ctx, r.Topic, r.storage(), r.Options...)
	if err != nil {
		return nil, err
	}
	return storeClient{c}, nil
}

// storage is what the client gets.
func (r *OpenRequest) storage() kvstore.Storage {
	if r.Reduce == nil {
		return r.Storage
	}
	return r.Reduce(r.Storage)
}

// storeClient is a kvstore.Client with batches as one call.
type storeClient struct{ *kvstore.Client }

// Execute implements Client.
func (c storeClient) Execute(ctx context.Context, changes []Change) (int64, error) {
	b := c.Batch()
	for _, ch := range changes {
		if ch.Delete {
			b.Delete(ch.Key)
		} else {
			b.Put(ch.Key, ch.Value)
		}
	}
	return b.ExecuteRevision(ctx)
}
