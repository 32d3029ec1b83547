package sim

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/fakecluster"
	"github.com/kvsim/kvsim/internal/simnet"
)

// Restart stops a broker and starts it again with its data.
type Restart struct {
	Broker string `plan:"broker"`
	// Move first hands what the broker leads to another one, as a controlled shutdown does.
	Move bool `plan:"move"`
	Span
}

// Kind implements Fault.
func (f Restart) Kind() string { return "restart" }

// String implements Fault.
func (f Restart) String() string { return line(f.Kind(), &f) }

func (f Restart) check(p *Plan) error {
	if f.Move && p.World.Brokers < 2 {
		return fmt.Errorf("move=true needs 2 brokers or more")
	}
	return nil
}

func (f Restart) start(_ context.Context, w *world) (*effect, error) {
	return w.stop([]int32{w.broker(f.Broker)}, f.Move)
}

// RestartAll stops all brokers at the same time.
type RestartAll struct {
	Span
}

// Kind implements Fault.
func (f RestartAll) Kind() string { return "restart-all" }

// String implements Fault.
func (f RestartAll) String() string { return line(f.Kind(), &f) }

func (f RestartAll) check(*Plan) error { return nil }

func (f RestartAll) start(_ context.Context, w *world) (*effect, error) {
	return w.stop(w.brokers(), false)
}

func (w *world) brokers() []int32 {
	all := make([]int32, w.plan.World.Brokers)
	for i := range all {
		all[i] = int32(i)
	}
	return all
}

// stop stops brokers until the effect is undone.
func (w *world) stop(brokers []int32, move bool) (*effect, error) {
	hits := w.net.Conns(simnet.Target{Brokers: brokers})
	inflight := w.inflight.count(opKind.writes)
	refused := make([]func() int, len(brokers))
	for i, b := range brokers {
		moved := false
		if move && w.broker(leaderName) == b {
			// Without another broker that runs there is nobody to move to.
			moved = w.cluster.MoveLeadersFrom(b) == nil
		}
		var err error
		if refused[i], err = w.downs.stop(w, b); err != nil {
			return nil, err
		}
		if moved {
			hits++
			w.moved(inflight)
		}
	}
	w.tap.refresh()
	return &effect{
		hits: func() int {
			sum := hits
			for _, n := range refused {
				sum += n()
			}
			return sum
		},
		undo: func(context.Context) error {
			if err := w.downs.start(w, brokers); err != nil {
				return err
			}
			if err := w.cluster.AwaitBrokers(brokers); err != nil {
				return err
			}
			w.tap.refresh()
			return nil
		},
	}, nil
}

// moved notes that the leadership moved while so many writes were under way.
func (w *world) moved(inflight int) {
	w.sometimes.hit(sometimesLeaderMoved)
	if inflight > 0 {
		w.sometimes.hit(sometimesMovedMidWrite)
	}
	w.tap.refresh()
}

// downs counts the faults that hold a broker down, so that of two overlapping restarts the
// longer one counts.
type downs struct {
	mu  sync.Mutex
	all map[int32]*down
}

type down struct {
	n      int
	refuse *simnet.Effect // refuses the dials, and counts them
	up     func()         // ends what holds note of it
}

// stop stops a broker. The returned function counts the dials that were
// refused since.
func (d *downs) stop(w *world, b int32) (refused func() int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.all[b]
	if s == nil {
		s = &down{refuse: w.net.RefuseDials(simnet.Target{Brokers: []int32{b}}), up: w.holds.down(b)}
		d.all[b] = s
	}
	s.n++
	before := s.refuse.Hits()
	return func() int { return s.refuse.Hits() - before }, w.cluster.StopBroker(b)
}

// start starts those brokers that no other fault holds down.
func (d *downs) start(w *world, brokers []int32) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var free []int32
	for _, b := range brokers {
		s := d.all[b]
		if s.n--; s.n > 0 {
			continue
		}
		delete(d.all, b)
		s.refuse.Undo()
		s.up()
		free = append(free, b)
	}
	return w.cluster.StartBrokers(free)
}

// Rolling restarts all brokers one after the other.
type Rolling struct {
	// Down is how long each of them is down, and how long it is up before the
	// next one goes.
	Down time.Duration `plan:"down"`
	Span
}

// Kind implements Fault.
func (f Rolling) Kind() string { return "rolling-restart" }

// String implements Fault.
func (f Rolling) String() string { return line(f.Kind(), &f) }

func (f Rolling) check(*Plan) error {
	if f.Down <= 0 {
		return fmt.Errorf("down has to be above 0: it says how long each broker is down")
	}
	return nil
}

func (f Rolling) start(ctx context.Context, w *world) (*effect, error) {
	hits := 0
	for _, b := range w.brokers() {
		// While it is down anyway, this has no effect.
		connected := func() bool { return w.net.Conns(simnet.Target{Brokers: []int32{b}}) > 0 }
		if err := w.awaitFor(ctx, time.Second, connected); err != nil {
			return nil, err
		}
		e, err := w.stop([]int32{b}, w.plan.World.Brokers > 1)
		if err != nil {
			return nil, err
		}
		if err := sleep(ctx, f.Down); err != nil {
			return nil, err
		}
		hits += e.hits()
		if err := e.undo(ctx); err != nil {
			return nil, err
		}
		if err := sleep(ctx, f.Down); err != nil {
			return nil, err
		}
	}
	return counted(hits), nil
}

// asking are the requests of clients that only the leader answers.
var asking = []int16{int16(kmsg.Produce), int16(kmsg.Fetch)}

// MoveLeader makes another broker lead.
type MoveLeader struct {
	// Broker is the new leader; without it, the one after the present leader.
	Broker string `plan:"broker"`
	Span
}

// Kind implements Fault.
func (f MoveLeader) Kind() string { return "move-leader" }

// String implements Fault.
func (f MoveLeader) String() string { return line(f.Kind(), &f) }

func (f MoveLeader) check(p *Plan) error {
	return p.needTwo()
}

func (f MoveLeader) start(ctx context.Context, w *world) (*effect, error) {
	// It takes effect only while a client asks the leader for something.
	asks := func() bool {
		return w.net.Conns(simnet.Target{Brokers: []int32{w.broker(leaderName)}, Keys: asking}) > 0
	}
	if err := w.await(ctx, asks); err != nil {
		return nil, err
	}
	old := w.broker(leaderName)
	hits := w.net.Conns(simnet.Target{Brokers: []int32{old}, Keys: asking})
	inflight := w.inflight.count(opKind.writes)
	if err := w.cluster.MoveLeader(w.successor(f.Broker)); err != nil {
		return nil, err
	}
	w.moved(inflight)
	return counted(hits), nil
}

// successor returns the broker that a plan's broker setting means as the next leader: the one
// after the present leader if there is none.
func (w *world) successor(broker string) int32 {
	if broker != "" && broker != leaderName {
		return w.broker(broker)
	}
	return (w.broker(leaderName) + 1) % int32(w.plan.World.Brokers)
}

// FailProduce makes brokers answer produce requests with an error: an Answer of those that clients retry.
type FailProduce struct {
	// Error is Kafka's name for the error.
	Error string `plan:"error"`
	// After appends the records first. Only REQUEST_TIMED_OUT and
	// NOT_ENOUGH_REPLICAS_AFTER_APPEND can come after the append.
	After bool `plan:"after"`
	Count int  `plan:"count"`
	Span
}

// Kind implements Fault.
func (f FailProduce) Kind() string { return "fail-produce" }

// String implements Fault.
func (f FailProduce) String() string { return line(f.Kind(), &f) }

// produceErrors are the errors that a broker may answer and a client may retry.
var produceErrors = []*kerr.Error{
	kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.NotEnoughReplicas,
	kerr.KafkaStorageError, kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend,
}

func (f FailProduce) check(*Plan) error {
	e, err := errorNamed(f.Error, produceErrors)
	if err != nil {
		return err
	}
	after := []*kerr.Error{kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend}
	if f.After && !slices.Contains(after, e) {
		return fmt.Errorf("%s cannot come after the append: use %s or %s", f.Error, after[0].Message, after[1].Message)
	}
	return f.mustLast()
}

func (f FailProduce) start(ctx context.Context, w *world) (*effect, error) {
	e, err := errorNamed(f.Error, produceErrors)
	if err != nil {
		return nil, err
	}
	const api = "produce"
	return Answer{API: api, After: f.After, Count: f.Count, Span: f.Span}.answer(ctx, w, refused(api, kmsg.Produce, e, f.After))
}

// SlowBroker makes brokers wait before they act.
type SlowBroker struct {
	Broker string        `plan:"broker"`
	API    string        `plan:"api"` // produce if empty
	Delay  time.Duration `plan:"delay"`
	Count  int           `plan:"count"`
	Span
}

// Kind implements Fault.
func (f SlowBroker) Kind() string { return "slow-broker" }

// String implements Fault.
func (f SlowBroker) String() string { return line(f.Kind(), &f) }

func (f SlowBroker) check(*Plan) error {
	switch {
	case f.Delay <= 0:
		return fmt.Errorf("delay has to be above 0")
	case f.API == "fetch":
		// It would slow the log tap too.
		return fmt.Errorf("api=fetch can't be slowed inside of a broker: use latency, stall or lag")
	}
	return f.mustLast()
}

func (f SlowBroker) start(_ context.Context, w *world) (*effect, error) {
	s := fakecluster.Slow{Delay: f.Delay, Count: f.Count, Brokers: w.some(f.Broker)}
	keys, _ := apiKeys(f.API)
	for _, k := range keys {
		s.Keys = append(s.Keys, kmsg.Key(k))
	}
	return brokerFault(w.cluster.SlowBroker(s))
}
