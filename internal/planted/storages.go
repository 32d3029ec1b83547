package planted

import (
	"context"
	"slices"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/sim"
)

// deathless does not know what a tombstone is.
type deathless struct{ kvstore.RecordStorage }

// Deathless opens a client that loses tombstones.
func Deathless(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
	r.Storage = deathless{r.Storage}
	return sim.DefaultOpen(ctx, r)
}

func (d deathless) ApplyRecords(ctx context.Context, records []kvstore.Record) error {
	records = slices.DeleteFunc(slices.Clone(records), func(r kvstore.Record) bool { return r.Delete })
	return d.RecordStorage.ApplyRecords(ctx, records)
}

// reversed applies what came in one piece in the wrong order.
type reversed struct{ kvstore.RecordStorage }

// Reversed opens a client that applies records in the wrong order.
func Reversed(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
	r.Storage = reversed{r.Storage}
	return sim.DefaultOpen(ctx, r)
}

func (s reversed) ApplyRecords(ctx context.Context, records []kvstore.Record) error {
	records = slices.Clone(records)
	slices.Reverse(records)
	return s.RecordStorage.ApplyRecords(ctx, records)
}
