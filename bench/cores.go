package main

import "slices"

// cores measures whether the machine gives two cores what one gives twice. One that is
// shared may take one of two away for minutes, and then nothing shows whether readers
// wait for each other.
type cores struct {
	spin *row
	two  sample
	one  sample
}

// coreRows are the rows whose rounds count when there are two cores.
var coreRows = []string{"spin-2", "get-2", "get-2-writes"}

// twice is what two cores have to give at least, as much as is asked of the rows.
const twice = 1.8

// both is asked after a round.
func (c *cores) both() (bool, error) {
	part := row{}
	if err := turns(&part, 2, c.two, c.one); err != nil {
		return false, err
	}
	c.spin.add(spreadOf(part.Ours).median, spreadOf(part.Theirs).median)
	return c.spin.Values[len(c.spin.Values)-1] >= twice, nil
}

// onTwoCores measures the rows about readers on two cores.
func (b *bench) onTwoCores(store, plain *side) error {
	c := cores{two: plain.sample("spin", 2), one: plain.sample("spin", 1)}
	if slices.ContainsFunc(coreRows, func(id string) bool { return b.wants(id) }) {
		c.spin = b.row(row{ID: "spin-2", What: "arithmetic on 2 cores, after each round of the rows below", Yardstick: "the same on one", Unit: "/s"})
	}
	if err := b.parallel(&c, store, plain); err != nil {
		return err
	}
	return b.parallelWithWrites(&c, store)
}

func (b *bench) parallel(c *cores, store, plain *side) error {
	if b.wants("get-2") {
		x := b.row(row{
			ID: "get-2", What: "Get on 2 cores", Yardstick: "Get on one", Unit: "/s", Limit: twice, AtLeast: true,
			Note: "a round counts when the machine gives arithmetic as much, see spin-2; memory gives map-2",
		})
		if err := inPiecesWhen(c.both, x, b.rounds, 4, store.sample("together", 2), store.sample("together", 1)); err != nil {
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

// parallelWithWrites reads while the same client puts, 200 times a second: enough
// that reads meet new versions all the time, and too few to take a core away from
// the readers.
func (b *bench) parallelWithWrites(c *cores, store *side) error {
	if !b.wants("get-2-writes") {
		return nil
	}
	if _, err := store.ask("write", 200); err != nil {
		return err
	}
	x := b.row(row{
		ID: "get-2-writes", What: "Get on 2 cores while 200 Puts a second go on", Yardstick: "Get on one, with the same Puts",
		Unit: "/s", Limit: twice, AtLeast: true,
	})
	if err := inPiecesWhen(c.both, x, b.rounds, 4, store.sample("together", 2), store.sample("together", 1)); err != nil {
		return err
	}
	_, err := store.ask("write", 0)
	return err
}
