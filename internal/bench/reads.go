package main

import (
	"context"
	"errors"
	"fmt"
)

var readRows = []string{
	"get", "map-copy", "get-allocations", "range-1000", "btree-copy", "range-allocations",
	"get-2", "map-2", "get-2-cpu", "map-2-cpu", "get-2-writes", "range-after-batch", "get-p99.9", "get-slowest",
}

// reads measures a store that holds all keys against the same pairs in a map and
// in a B-tree.
func (b *bench) reads(ctx context.Context, c *cluster, topic string) (err error) {
	if !b.wants(readRows...) {
		return nil
	}
	job := sideJob{openJob: openJob{c.addrs, topic, b.keys}, Piece: b.piece}
	store, err := startSide(ctx, job)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.close()) }()
	job.Yardstick = true
	plain, err := startSide(ctx, job)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plain.close()) }()
	for _, do := range []func(store, plain *side) error{b.gets, b.ranges, b.parallel, b.parallelWithWrites, b.rangesAfterWrites} {
		if err := do(store, plain); err != nil {
			return err
		}
	}
	return b.tails(ctx, c, topic)
}

func (b *bench) gets(store, plain *side) error {
	if b.wants("get") {
		x := b.row(row{
			ID: "get", What: fmt.Sprintf("Get, random of %d", b.keys), Yardstick: "Go map lookup", Unit: "ns", Limit: 1.5,
			Note: "the yardstick hands out the map's own slice, Get a copy",
		})
		if err := inPieces(x, b.rounds, 4, store.sample("get", 200_000), plain.sample("get", 200_000)); err != nil {
			return err
		}
	}
	if b.wants("map-copy") {
		x := b.row(row{ID: "map-copy", What: "map lookup and copy of the value", Yardstick: "Go map lookup", Unit: "ns"})
		if err := inPieces(x, b.rounds, 4, plain.sample("get-copy", 200_000), plain.sample("get", 200_000)); err != nil {
			return err
		}
	}
	if !b.wants("get-allocations") {
		return nil
	}
	x := b.row(row{
		ID: "get-allocations", What: "allocations of a Get", Unit: "allocations", Limit: 1.005,
		Note: "the limit is 1 with room for what the client's own goroutines allocate meanwhile",
	})
	return b.values(x, store.sample("get-allocations", 100_000))
}

// values measures rounds of a row without a yardstick.
func (b *bench) values(x *row, of sample) error {
	for i := 0; i == 0 || x.wantsMore(b.rounds); i++ {
		v, err := of()
		if err != nil {
			return err
		}
		if i > 0 {
			x.addValue(v)
		}
	}
	return nil
}

func (b *bench) ranges(store, plain *side) error {
	if b.wants("range-1000") {
		x := b.row(row{
			ID: "range-1000", What: "Range of 1,000", Yardstick: "tidwall/btree Ascend", Unit: "us", Limit: 1.5,
			Note: "the yardstick hands out its own slices, Range copies; the caller of either looks at lengths only",
		})
		if err := inPieces(x, b.rounds, 4, store.sample("range", 200), plain.sample("range", 200)); err != nil {
			return err
		}
	}
	if b.wants("btree-copy") {
		x := b.row(row{ID: "btree-copy", What: "Ascend of 1,000 and a copy of each pair", Yardstick: "tidwall/btree Ascend", Unit: "us"})
		if err := inPieces(x, b.rounds, 4, plain.sample("range-copy", 200), plain.sample("range", 200)); err != nil {
			return err
		}
	}
	if !b.wants("range-allocations") {
		return nil
	}
	x := b.row(row{ID: "range-allocations", What: "allocations of a Range of 1,000", Unit: "allocations", Limit: 100})
	return b.values(x, store.sample("range-allocations", 200))
}

func (b *bench) parallel(store, plain *side) error {
	if b.wants("get-2") {
		x := b.row(row{
			ID: "get-2", What: "Get on 2 cores", Yardstick: "Get on one", Unit: "/s", Limit: 1.8, AtLeast: true,
			Note: "compare it with map-2, which is what the machine gives",
		})
		if err := inPieces(x, b.rounds, 4, store.sample("together", 2), store.sample("together", 1)); err != nil {
			return err
		}
	}
	for _, r := range []struct {
		of                  *side
		do                  string
		id, what, yardstick string
	}{
		{plain, "together", "map-2", "map lookup and copy on 2 cores", "the same on one"},
		{store, "together-cpu", "get-2-cpu", "Get on 2 cores, in 2 seconds of processor time", "on one, in 1 second"},
		{plain, "together-cpu", "map-2-cpu", "map lookup and copy on 2 cores, in 2 seconds of processor time", "on one, in 1 second"},
	} {
		if !b.wants(r.id) || r.do == "together-cpu" && cpuTime() == 0 {
			continue
		}
		x := b.row(row{ID: r.id, What: r.what, Yardstick: r.yardstick, Unit: "/s"})
		if err := inPieces(x, b.rounds, 4, r.of.sample(r.do, 2), r.of.sample(r.do, 1)); err != nil {
			return err
		}
	}
	return nil
}

// rangesAfterWrites measures what writes leave to the Range behind them.
func (b *bench) rangesAfterWrites(store, _ *side) error {
	if !b.wants("range-after-batch") {
		return nil
	}
	x := b.row(row{ID: "range-after-batch", What: "Range of 1,000 after a Batch of 1,000", Yardstick: "Range of 1,000", Unit: "us"})
	return inPieces(x, b.rounds, 4, store.sample("range-after-batch", 20), store.sample("range", 200))
}

// parallelWithWrites reads while the same client puts, 200 times a second: enough
// that reads meet new versions all the time, and too few to take a core away from
// the readers.
func (b *bench) parallelWithWrites(store, _ *side) error {
	if !b.wants("get-2-writes") {
		return nil
	}
	if _, err := store.ask("write", 200); err != nil {
		return err
	}
	x := b.row(row{
		ID: "get-2-writes", What: "Get on 2 cores while 200 Puts a second go on", Yardstick: "Get on one, with the same Puts",
		Unit: "/s", Limit: 1.8, AtLeast: true,
	})
	if err := inPieces(x, b.rounds, 4, store.sample("together", 2), store.sample("together", 1)); err != nil {
		return err
	}
	_, err := store.ask("write", 0)
	return err
}
