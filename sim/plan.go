package sim

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// ErrPlan matches every error about a plan in errors.Is: one that cannot be read, or that
// asks for something that makes no sense.
var ErrPlan = errors.New("plan is not usable")

// PlanVersion is the version of the text format of plans.
const PlanVersion = 1

// A Plan is everything that a run depends on besides the program: what the world is made
// of, what its clients do, and what goes wrong when. It is a value; two equal plans give
// the same run where time is virtual.
//
// Durations are of simulated time.
type Plan struct { //nolint:recvcheck // a plan is a value; only reading one into it needs a pointer
	// Scenario names what the plan was made from, for people.
	Scenario string
	// Seed seeds every random choice of the run.
	Seed     uint64
	World    World
	Workload Workload
	Phases   Phases
	Floors   Floors
	// Faults are the timeline. Their times count from the start of the phase
	// of faults.
	Faults []Fault
}

// A World says what a run is made of. Clients are named c1, c2 and so on;
// brokers are numbered from 0.
type World struct {
	// Clients is the number of clients, at least 1.
	Clients int `plan:"clients"`
	// Brokers is the number of brokers, at least 1.
	Brokers int `plan:"brokers"`
	// LatencyMin, LatencyMean and LatencyMax are the one-way delay of each
	// link: the least, the mean of an exponential distribution, and the most.
	// LatencyMin has to be above 0: order in a run comes from time.
	LatencyMin  time.Duration `plan:"latency.min"`
	LatencyMean time.Duration `plan:"latency.mean"`
	LatencyMax  time.Duration `plan:"latency.max"`
	// Tombstones is how long a tombstone is kept before compaction removes it
	// (delete.retention.ms). 0 is Kafka's default of 24 hours.
	Tombstones time.Duration `plan:"tombstones"`
	// RequestTimeout is how long clients wait for an answer beyond what the
	// request itself may take, and what a produce request may take. 0 is kgo's
	// default of 10 seconds for either.
	RequestTimeout time.Duration `plan:"request.timeout"`
	// DeliveryTimeout is how long a write lives: after it no try of it may arrive any more.
	// 0 is the store's default of two minutes.
	DeliveryTimeout time.Duration `plan:"delivery.timeout"`
	// MinInSync is how many replicas have to be in sync for a write
	// (min.insync.replicas). 0 is Kafka's default of 1.
	MinInSync int `plan:"min.insync"`
	// MaxMessage is the largest record batch in bytes (max.message.bytes). 0
	// is Kafka's default of about 1 MB.
	MaxMessage int `plan:"max.message"`
	// FetchBytes is about how many bytes of the log clients get with one answer, at least one
	// record batch. Where it is small, a client that is behind takes several requests to catch
	// up. 0 is the store's default.
	FetchBytes int `plan:"fetch.bytes"`
	// ReadBytes is the largest answer that clients read (kgo.BrokerMaxReadBytes). It has to have
	// room for a record batch of MaxMessage. 0 is kgo's default of 100 MiB.
	ReadBytes int `plan:"read.bytes"`
	// Variants is how many of a hundred processes are unusual: they have another kind of
	// storage, options that the others don't have, and hooks that call their client, or panic.
	Variants int `plan:"variants"`
}

// A Workload says what the clients do.
type Workload struct {
	// Ops is the number of operations of each client.
	Ops int `plan:"ops"`
	// Workers is the number of goroutines of each client that share its
	// operations. 0 means 1.
	Workers int `plan:"workers"`
	// Keys is the number of different keys, at least 1. Some of them hold the
	// bytes 0x00 and 0xff.
	Keys int `plan:"keys"`
	// Zipf skews the choice of keys: the weight of the n-th key is n to the
	// power of -Zipf. 0 chooses evenly.
	Zipf float64 `plan:"zipf"`
	// Value is the largest size of a value in bytes; most are much smaller.
	Value int `plan:"value"`
	// Burst is the most operations that a worker does one right after the
	// other; idle time follows. 0 means 1.
	Burst int `plan:"burst"`
	// Timeout bounds each operation by its context.
	Timeout time.Duration `plan:"timeout"`
	// The weights of the operations. BarrierGet and BarrierRange do a Sync first; Wait
	// waits for a revision that another client got, and reads its key.
	Put          int `plan:"put"`
	Delete       int `plan:"delete"`
	Batch        int `plan:"batch"`
	Get          int `plan:"get"`
	Range        int `plan:"range"`
	BarrierGet   int `plan:"barrier-get"`
	BarrierRange int `plan:"barrier-range"`
	Sync         int `plan:"sync"`
	Wait         int `plan:"wait"`
	// Reopen is the weight of closing the client and opening the next one.
	Reopen int `plan:"reopen"`
	// Forms is how many of a hundred operations are done in another form than the plainest: by
	// other methods, with other bounds, contexts and keys.
	Forms int `plan:"forms"`
}

// Phases says how a run goes: work before the faults, work during the faults,
// and work after everything is healed; then the clients converge. With Dead
// set, some clients and a broker die permanently before the last work.
type Phases struct {
	// Before, Faults and After are how long the work of each phase is spread
	// over. A phase lasts longer when operations or faults take longer.
	Before time.Duration `plan:"before"`
	Faults time.Duration `plan:"faults"`
	After  time.Duration `plan:"after"`
	// Converge bounds how long the clients may take, once everything is healed, to open, to
	// write and to show everything that was written. Missing it is a violation.
	Converge time.Duration `plan:"converge"`
	// Patience is how much longer than planned a fault lasts at most, while it has not hit
	// anything.
	Patience time.Duration `plan:"patience"`
	// DeadClients is the number of clients, the last ones, that are killed
	// before the last work and never come back.
	DeadClients int `plan:"dead.clients"`
	// DeadBroker, if set, is the number of a broker that stops at the same
	// time and stays stopped. What it leads moves to another one.
	DeadBroker string `plan:"dead.broker"`
}

// Floors say how much a run has to have done to be judged. Below a floor it is
// inconclusive.
type Floors struct {
	// Before, During and After are the least numbers of acknowledged writes
	// in each phase.
	Before int `plan:"before"`
	During int `plan:"during"`
	After  int `plan:"after"`
	// Hits is the least number of hits of each fault.
	Hits int `plan:"hits"`
}

// Validate reports everything in the plan that makes no sense, as one error.
func (p Plan) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	w, l, ph := &p.World, &p.Workload, &p.Phases
	between := func(name string, v, low, high int) {
		if err := between(name, v, low, high); err != nil {
			errs = append(errs, err)
		}
	}
	errs = append(errs, p.checkNumbers()...)
	if l.Zipf < 0 || l.Zipf > 10 {
		bad("workload zipf is %v and has to be from 0 to 10", l.Zipf)
	}
	if w.LatencyMin <= 0 {
		bad("world latency.min is %v and has to be above 0: the order of a run comes from its times", w.LatencyMin)
	}
	if w.LatencyMax != 0 && w.LatencyMax < w.LatencyMin {
		bad("world latency.max is %v, below latency.min, which is %v", w.LatencyMax, w.LatencyMin)
	}
	if w.LatencyMean < 0 || w.Tombstones < 0 || w.MaxMessage < 0 {
		bad("world latency.mean, tombstones and max.message must not be negative")
	}
	if w.DeliveryTimeout != 0 && w.DeliveryTimeout < 100*time.Millisecond {
		bad("world delivery.timeout is %v and has to be 100ms or more, or 0 for the default", w.DeliveryTimeout)
	}
	between("world min.insync", w.MinInSync, 0, w.Brokers)
	between("world fetch.bytes", w.FetchBytes, 0, math.MaxInt32)
	between("world read.bytes", w.ReadBytes, 0, 1<<30)
	if w.ReadBytes > 0 && (w.MaxMessage == 0 || w.ReadBytes < w.MaxMessage+aroundRecords) {
		bad("world read.bytes is %d, and has to be %d or more above max.message, which has to be set: clients that can't read the largest record batch do not open", w.ReadBytes, aroundRecords)
	}
	if w.RequestTimeout != 0 && w.RequestTimeout < 100*time.Millisecond {
		bad("world request.timeout is %v and has to be 100ms or more, or 0 for the default", w.RequestTimeout)
	}
	if l.Timeout <= 0 {
		bad("workload timeout is %v and has to be above 0", l.Timeout)
	}
	if l.total() <= 0 {
		bad("workload has no operation with a weight above 0: set put, get or another one")
	}
	if ph.Before < 0 || ph.Faults < 0 || ph.After < 0 || ph.Patience < 0 {
		bad("phases before, faults, after and patience must not be negative")
	}
	if ph.Converge <= 0 {
		bad("phases converge is %v and has to be above 0", ph.Converge)
	}
	between("phases dead.clients", ph.DeadClients, 0, max(0, w.Clients-1))
	if ph.DeadBroker != "" {
		if w.Brokers < 2 {
			bad("phases dead.broker is %s, but no other broker is left: use 2 brokers or more", ph.DeadBroker)
		}
		if err := checkBroker(ph.DeadBroker, w.Brokers); err != nil {
			bad("phases dead.broker: %w", err)
		}
	}
	for _, of := range l.weights() {
		between("workload "+of.name, of.weight, 0, mostWeight)
	}
	errs = append(errs, p.checkFaults()...)
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrPlan, errors.Join(errs...))
}

// checkNumbers returns what is wrong with each number that has bounds of its own.
func (p *Plan) checkNumbers() (errs []error) {
	w, l := &p.World, &p.Workload
	between := func(name string, v, low, high int) {
		if err := between(name, v, low, high); err != nil {
			errs = append(errs, err)
		}
	}
	between("world clients", w.Clients, 1, MostClients)
	between("world brokers", w.Brokers, 1, MostBrokers)
	between("workload ops", l.Ops, 1, MostOps)
	between("workload workers", l.Workers, 0, 100)
	between("workload keys", l.Keys, 1, 1_000_000)
	between("workload value", l.Value, 0, 64<<20)
	between("workload burst", l.Burst, 0, 1_000_000)
	between("workload forms", l.Forms, 0, 100)
	between("world variants", w.Variants, 0, 100)
	return errs
}

// checkFaults returns what is wrong with each fault.
func (p *Plan) checkFaults() (errs []error) {
	if n := len(p.Faults); n > mostFaults {
		return []error{fmt.Errorf("there are %d faults, and a plan may have %d", n, mostFaults)}
	}
	for i, f := range p.Faults {
		if f == nil {
			errs = append(errs, fmt.Errorf("fault %d is nil", i+1))
		} else if err := checkFault(p, f); err != nil {
			errs = append(errs, fmt.Errorf("fault %d, %s: %w", i+1, f.Kind(), err))
		}
	}
	return errs
}

// Limits of a plan, which may come from anyone.
const (
	MostClients = 1000       // clients of a world
	MostBrokers = 100        // brokers of a world
	MostOps     = 10_000_000 // operations of each client

	// aroundRecords is more than an answer has besides its record batch.
	aroundRecords = 1000

	mostFaults = 10_000
	mostWeight = 1_000_000 // of one operation
)

// weights returns the operations with their weights, in a fixed order.
func (l *Workload) weights() []weighted {
	return []weighted{
		{opPut, "put", l.Put},
		{opDelete, "delete", l.Delete},
		{opBatch, "batch", l.Batch},
		{opGet, "get", l.Get},
		{opRange, "range", l.Range},
		{opBarrierGet, "barrier-get", l.BarrierGet},
		{opBarrierRange, "barrier-range", l.BarrierRange},
		{opSync, "sync", l.Sync},
		{opWait, "wait", l.Wait},
		{opReopen, "reopen", l.Reopen},
	}
}

func (l *Workload) total() int {
	sum := 0
	for _, w := range l.weights() {
		sum += max(0, w.weight)
	}
	return sum
}

// between returns an error unless a setting is in a range.
func between(name string, v, low, high int) error {
	if v < low || v > high {
		return fmt.Errorf("%s is %d and has to be from %d to %d", name, v, low, high)
	}
	return nil
}

// needTwo returns an error if there is one broker only.
func (p *Plan) needTwo() error {
	if p.World.Brokers < 2 {
		return fmt.Errorf("it needs 2 brokers or more")
	}
	return nil
}

// clientName returns the name of client i, counted from 0.
func clientName(i int) string { return "c" + strconv.Itoa(i+1) }

func checkBroker(s string, brokers int) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n >= brokers {
		return fmt.Errorf("there is no broker %q: brokers are 0 to %d", s, brokers-1)
	}
	return nil
}

func checkClient(s string, clients int) error {
	for i := range clients {
		if clientName(i) == s {
			return nil
		}
	}
	return fmt.Errorf("there is no client %q: clients are c1 to %s", s, clientName(clients-1))
}
