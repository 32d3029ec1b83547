package main

import (
	"context"
	"runtime/pprof"
	"slices"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/sim"
)

// openerOf returns the function that opens a client with a bug, or nil for no bug. Package
// mutants plants bugs into the source of the store, which has to be built then; these bugs
// need no build.
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
			go func() {
				pprof.SetGoroutineLabels(context.Background()) // or it would be one that the client left behind
				<-make(chan int)
			}()
			return sim.DefaultOpen(ctx, r)
		}
	case "stuck":
		return func(context.Context, sim.OpenRequest) (sim.Client, error) { <-make(chan int); return nil, nil }
	}
	panic("there is no bug " + bug)
}

// wrong is a storage that changes records before it applies them.
type wrong struct {
	kvstore.RecordStorage
	change func([]kvstore.Record) []kvstore.Record
}

// applying returns a function that opens clients with a storage that applies what change
// returns for the records.
func applying(change func([]kvstore.Record) []kvstore.Record) sim.OpenFunc {
	return func(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
		r.Storage = wrong{r.Storage, change}
		return sim.DefaultOpen(ctx, r)
	}
}

func (w wrong) ApplyRecords(ctx context.Context, records []kvstore.Record) error {
	return w.RecordStorage.ApplyRecords(ctx, w.change(slices.Clone(records)))
}
