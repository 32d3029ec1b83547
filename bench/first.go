package main

import (
	"context"
	"time"
)

var firstRows = []string{"first-put", "first-open", "second-put"}

// firstPut measures how long a program takes that starts on a cluster without its
// topic: the store creates the topic and opens, and the first pair is written.
func (b *bench) firstPut(ctx context.Context, c *cluster) error {
	if !b.wants(firstRows...) {
		return nil
	}
	put := row{
		ID: "first-put", What: "first Put on a fresh topic, creating and opening it included", Brokers: c.kind, Unit: "ms", Limit: 50,
	}
	open := row{ID: "first-open", What: "of which creating and opening", Brokers: c.kind, Unit: "ms"}
	second := row{ID: "second-put", What: "the Put after it", Brokers: c.kind, Unit: "ms"}
	for i := 0; i == 0 || put.wantsMore(b.rounds); i++ {
		took, err := c.fresh(ctx)
		if err != nil {
			return err
		}
		if i > 0 {
			open.addValue(took[0])
			put.addValue(took[1])
			second.addValue(took[2] - took[1])
		}
	}
	for _, r := range []row{put, open, second} {
		b.row(r)
	}
	return nil
}

// fresh opens a store on a topic that is not there and puts two pairs. It
// returns after how many milliseconds each of the three was done.
func (c *cluster) fresh(ctx context.Context) (took [3]float64, err error) {
	topic, val := c.unmade("fresh"), newValues(3)
	began := time.Now()
	since := func() float64 { return micros(time.Since(began)) / 1000 }
	kv, err := c.store(ctx, topic)
	if err != nil {
		return took, err
	}
	defer kv.Close()
	took[0] = since()
	for i := 1; i < len(took); i++ {
		if err := kv.Put(ctx, keyOf(i), val.next()); err != nil {
			return took, err
		}
		took[i] = since()
	}
	return took, nil
}
