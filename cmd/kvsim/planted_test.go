package main

import (
	"context"

	"github.com/kvsim/kvsim/internal/planted"
	"github.com/kvsim/kvsim/sim"
)

// openerOf returns what opens a client with a bug, nil for none.
func openerOf(bug string) sim.OpenFunc {
	switch bug {
	case "":
		return nil
	case "put-before-visible":
		return planted.Hasty
	case "tombstones-lost":
		return planted.Deathless
	case "records-reordered":
		return planted.Reversed
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
