package main

import (
	"context"
	"errors"
	"fmt"
)

var readRows = []string{
	"get", "map-copy", "get-allocations", "range-1000", "btree-copy", "range-allocations",
	"spin-2", "get-2", "map-2", "get-2-cpu", "map-2-cpu", "get-2-writes", "range-after-batch", "get-p99.9", "get-slowest",
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
	for _, do := range []func(store, plain *side) error{b.gets, b.ranges, b.onTwoCores, b.rangesAfterWrites} {
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

// rangesAfterWrites measures what writes leave to the Range behind them.
func (b *bench) rangesAfterWrites(store, _ *side) error {
	if !b.wants("range-after-batch") {
		return nil
	}
	x := b.row(row{ID: "range-after-batch", What: "Range of 1,000 after a Batch of 1,000", Yardstick: "Range of 1,000", Unit: "us"})
	return inPieces(x, b.rounds, 4, store.sample("range-after-batch", 20), store.sample("range", 200))
}
