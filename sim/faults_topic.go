package sim

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// GrowPartitions gives the topic more partitions while clients run, as an operator may do
// who does not know what the topic is for. It can't be undone. The store's log stays that
// of partition 0: a client that spread its writes over all partitions would lose their
// order, and readers would never see most of them.
//
// In a plan with it clients renew their metadata every 5 to 10 seconds (kgo's
// default is five minutes), so that producers know of the new partitions, and
// they open on a topic of several partitions with a warning.
type GrowPartitions struct {
	// Partitions is how many there are afterwards.
	Partitions int `plan:"partitions"`
	Span
}

// Kind implements Fault.
func (f GrowPartitions) Kind() string { return "grow-partitions" }

// String implements Fault.
func (f GrowPartitions) String() string { return line(f.Kind(), &f) }

func (f GrowPartitions) check(*Plan) error {
	if f.Partitions < 2 || f.Partitions > 100 {
		return fmt.Errorf("partitions is %d and has to be from 2 to 100: it says how many there are afterwards", f.Partitions)
	}
	return nil
}

func (f GrowPartitions) start(_ context.Context, w *world) (*effect, error) {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	if f.Partitions > w.partitions {
		if err := w.cluster.AddPartitions(f.Partitions); err != nil {
			return nil, err
		}
		w.partitions = f.Partitions
	}
	told := w.net.Count(w.target("", "", "to-client", "metadata"))
	return during(told, func() error {
		w.sometimes.add(sometimesGrew, min(1, told.Hits()))
		return nil
	}), nil
}

// straysName is the name of the reason when a client wrote where no reader looks.
const straysName = "writes-stay-in-the-first-partition"

// strays checks that the partitions which the topic got meanwhile are empty: only the
// clients could have written to them.
func (w *world) strays() error {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	for n := 1; n < w.partitions; n++ {
		end, err := w.cluster.EndOffsetOf(int32(n))
		if err != nil {
			return err
		}
		if end > 0 {
			w.findings.add(straysName, "partition %d has records up to offset %d, which no reader sees", n, end)
		}
	}
	return nil
}

// grows reports whether the topic gets more partitions in the plan.
func (p *Plan) grows() bool {
	return slices.ContainsFunc(p.Faults, func(f Fault) bool { return f.Kind() == (GrowPartitions{}).Kind() })
}

// metadataAge is how old a client's metadata gets in a plan that grows.
//
// It is not shorter because of a choice that does not depend on the seed: when it expires
// while an update fails, as all do while no broker is up, franz-go's loop has two reasons
// for the next update and lets Go's select choose between them.
const metadataAge = 5 * time.Second
