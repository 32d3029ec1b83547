package main

import (
	"context"
	"slices"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/sim"
)

// openerOf returns what opens a client with a bug, nil for none. Package mutants
// plants bugs into the source of the store; those here spare a test the build.
func openerOf(bug string) sim.OpenFunc {
	switch bug {
	case "":
		return nil
	case "tombstones-lost":
		return applying(func(all []kvstore.Record) []kvstore.Record {
			return slices.DeleteFunc(all, func(r kvstore.Record) bool { return r.Delete })
		})
	case "records-reordered":
		return applying(func(all []kvstore.Record) []kvstore.Record {
			slices.Reverse(all)
			return all
		})
	case "panic":
		return func(context.Context, sim.OpenRequest) (sim.Client, error) { panic("a planted panic") }
	case "leak":
		return func(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
			go func() { <-make(chan int) }()
			return sim.DefaultOpen(ctx, r)
		}
	case "stuck":
		return func(context.Context, sim.OpenRequest) (sim.Client, error) { <-make(chan int); return nil, nil }
	}
	panic("there is no bug " + bug)
}

// wrong is a storage to which other records are applied than it was given.
type wrong struct {
	kvstore.RecordStorage
	change func([]kvstore.Record) []kvstore.Record
}

// applying returns what opens clients with a storage that applies what change makes
// of the records.
func applying(change func([]kvstore.Record) []kvstore.Record) sim.OpenFunc {
	return func(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
		r.Storage = wrong{r.Storage, change}
		return sim.DefaultOpen(ctx, r)
	}
}

func (w wrong) ApplyRecords(ctx context.Context, records []kvstore.Record) error {
	return w.RecordStorage.ApplyRecords(ctx, w.change(slices.Clone(records)))
}
