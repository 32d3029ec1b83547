package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/kvsim/kvsim/internal/simnet"
)

// Latency adds a delay to the links between a client and a broker; without
// either it is all of them.
type Latency struct {
	Client string        `plan:"client"`
	Broker string        `plan:"broker"`
	Dir    string        `plan:"dir"`
	Min    time.Duration `plan:"min"`
	Mean   time.Duration `plan:"mean"`
	Span
}

// Kind implements Fault.
func (f Latency) Kind() string { return "latency" }

// String implements Fault.
func (f Latency) String() string { return line(f.Kind(), &f) }

func (f Latency) check(*Plan) error {
	if f.Min <= 0 && f.Mean <= 0 {
		return fmt.Errorf("min or mean has to be above 0")
	}
	return f.mustLast()
}

func (f Latency) start(_ context.Context, w *world) (*effect, error) {
	d, err := w.net.Delay(w.target(f.Client, f.Broker, f.Dir, ""), simnet.Latency{Min: f.Min, Mean: f.Mean, Max: 10 * max(f.Min, f.Mean)})
	if err != nil {
		return nil, err
	}
	return during(d), nil
}

// Stall makes links carry nothing, and then everything in a burst.
type Stall struct {
	Client string `plan:"client"`
	Broker string `plan:"broker"`
	Dir    string `plan:"dir"`
	Span
}

// Kind implements Fault.
func (f Stall) Kind() string { return "stall" }

// String implements Fault.
func (f Stall) String() string { return line(f.Kind(), &f) }

func (f Stall) start(_ context.Context, w *world) (*effect, error) {
	return during(w.net.Stall(w.target(f.Client, f.Broker, f.Dir, ""))), nil
}

// BlackHole makes links swallow everything while their connections stay open.
// A connection that lost something stays silent in that direction; afterwards
// it takes the client's own timeout to find out.
type BlackHole struct {
	Client string `plan:"client"`
	Broker string `plan:"broker"`
	Dir    string `plan:"dir"`
	Span
}

// Kind implements Fault.
func (f BlackHole) Kind() string { return "black-hole" }

// String implements Fault.
func (f BlackHole) String() string { return line(f.Kind(), &f) }

func (f BlackHole) start(_ context.Context, w *world) (*effect, error) {
	return during(w.net.BlackHole(w.target(f.Client, f.Broker, f.Dir, ""))), nil
}

// Silence makes brokers accept connections and neither receive nor answer anything, like a
// broker that is stopped. What a connection carried then is lost, and it stays silent: it
// takes the client's own timeout to find out.
type Silence struct {
	Broker string `plan:"broker"` // all if empty
	Span
}

// Kind implements Fault.
func (f Silence) Kind() string { return "silence" }

// String implements Fault.
func (f Silence) String() string { return line(f.Kind(), &f) }

func (f Silence) start(_ context.Context, w *world) (*effect, error) {
	return during(w.net.Silence(w.target("", f.Broker, "", ""))), nil
}

// LoseRequest loses requests before a broker acts on them.
type LoseRequest struct {
	Client string `plan:"client"`
	Broker string `plan:"broker"`
	API    string `plan:"api"`
	Count  int    `plan:"count"`
	Span
}

// Kind implements Fault.
func (f LoseRequest) Kind() string { return "lose-request" }

// String implements Fault.
func (f LoseRequest) String() string { return line(f.Kind(), &f) }

func (f LoseRequest) start(_ context.Context, w *world) (*effect, error) {
	return during(w.net.LoseRequest(w.target(f.Client, f.Broker, "", f.API), f.Count)), nil
}

// LoseAnswer loses the answers of brokers that have acted.
type LoseAnswer struct {
	Client string `plan:"client"`
	Broker string `plan:"broker"`
	API    string `plan:"api"`
	Count  int    `plan:"count"`
	Span
}

// Kind implements Fault.
func (f LoseAnswer) Kind() string { return "lose-answer" }

// String implements Fault.
func (f LoseAnswer) String() string { return line(f.Kind(), &f) }

func (f LoseAnswer) start(_ context.Context, w *world) (*effect, error) {
	e := during(w.net.LoseAnswer(w.target(f.Client, f.Broker, "", f.API), f.Count))
	if f.API == "produce" {
		e = w.noting(sometimesAnswerLost, e)
	}
	return e, nil
}

// CutFrame resets connections in the middle of a frame, after Bytes bytes of
// it, or after half of it.
type CutFrame struct {
	Client string `plan:"client"`
	Broker string `plan:"broker"`
	Dir    string `plan:"dir"`
	API    string `plan:"api"`
	Bytes  int    `plan:"bytes"`
	Count  int    `plan:"count"`
	Span
}

// Kind implements Fault.
func (f CutFrame) Kind() string { return "cut-frame" }

// String implements Fault.
func (f CutFrame) String() string { return line(f.Kind(), &f) }

func (f CutFrame) start(_ context.Context, w *world) (*effect, error) {
	return during(w.net.CutFrame(w.target(f.Client, f.Broker, f.Dir, f.API), f.Bytes, f.Count)), nil
}

// Reset resets connections, once.
type Reset struct {
	Client string `plan:"client"`
	Broker string `plan:"broker"`
	Span
}

// Kind implements Fault.
func (f Reset) Kind() string { return "reset" }

// String implements Fault.
func (f Reset) String() string { return line(f.Kind(), &f) }

func (f Reset) check(*Plan) error { return nil }

func (f Reset) start(ctx context.Context, w *world) (*effect, error) {
	connected := func() bool { return w.net.Conns(w.target(f.Client, f.Broker, "", "")) > 0 }
	if err := w.await(ctx, connected); err != nil {
		return nil, err
	}
	return counted(w.net.DropConns(w.target(f.Client, f.Broker, "", ""))), nil
}
