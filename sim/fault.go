package sim

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/kvsim/kvsim/internal/fakecluster"
	"github.com/kvsim/kvsim/internal/simnet"
)

// A Fault is one thing that goes wrong. It is a plain value that prints as one
// line and is read back from it; FaultKinds lists all kinds. Faults compose:
// any of them can be active at the same time.
type Fault interface {
	// Kind is the first word of the line.
	Kind() string
	// String is the line: the kind, then the settings that are not zero.
	String() string

	// Begins is when it begins, counted from the start of the phase of faults.
	Begins() time.Duration

	span() Span
	check(p *Plan) error
	start(ctx context.Context, w *world) (*effect, error)
}

// A Span says when a fault is active, counted from the start of the phase of
// faults. A fault of an instant has no For.
type Span struct {
	From time.Duration `plan:"from"`
	For  time.Duration `plan:"for"`
}

func (s Span) span() Span { return s }

// check is what a fault checks that lasts and has nothing else to check.
func (s Span) check(*Plan) error { return s.mustLast() }

// mustLast returns an error for a fault without a duration.
func (s Span) mustLast() error {
	if s.For <= 0 {
		return fmt.Errorf("for has to be above 0: it says how long the fault lasts")
	}
	return nil
}

// Begins implements Fault.
func (s Span) Begins() time.Duration { return s.From }

// An effect is a fault under way.
type effect struct {
	// hits counts what it has hit so far.
	hits func() int
	// undo ends it, and may let time pass. Nil: there is nothing to end.
	undo func(ctx context.Context) error
}

// A FaultKind describes a kind of fault.
type FaultKind struct {
	Name string
	// Description says what happens and what counts as a hit.
	Description string
	// Example is a line of a plan.
	Example string
}

// kinds are all kinds of faults, each with a sensible value as an example.
var kinds = []struct {
	example     Fault
	description string
}{
	{Lag{Client: "c2", Span: span(1200, 800)}, "answers to a client's fetches are held, then come in a burst; hits are the answers held"},
	{Pause{Client: "c1", Span: span(1000, 500)}, "a client pauses, as in a long garbage collection: it sends and receives nothing and begins no operation; hits are the frames and operations held"},
	{Crash{Client: "c3", Span: span(2000, 400)}, "a client loses power, and all of its memory, and starts again afterwards; a hit is a client that was up"},
	{Herd{Readers: 8, Span: span(3000, 0)}, "many clients open at the same time, read everything, and close; hits are those that opened"},
	{SlowStorage{Client: "c1", Delay: 20 * time.Millisecond, Span: span(500, 1000)}, "each write to a client's storage takes longer; hits are the writes"},
	{FailStorage{Client: "c1", Span: span(500, 300)}, "each write to a client's storage fails, or with every=20 one of 20; hits are the writes"},
	{SlowHooks{Client: "c2", Delay: 2 * time.Millisecond, Span: span(500, 1000)}, "each hook of a client takes longer; hits are the calls"},
	{Latency{Client: "c1", Mean: 30 * time.Millisecond, Span: span(800, 1500)}, "links are slower; client and broker say which ones; hits are the frames delayed"},
	{Stall{Client: "c2", Broker: "leader", Dir: "to-client", Span: span(1000, 700)}, "links carry nothing, then everything in a burst; hits are the frames held"},
	{BlackHole{Client: "c2", Dir: "to-broker", Span: span(1000, 3000)}, "links swallow everything while connections stay open; hits are the frames swallowed"},
	{Silence{Broker: "leader", Span: span(1000, 3000)}, "brokers accept connections, and neither read nor answer anything; hits are the frames swallowed"},
	{LoseRequest{API: "produce", Count: 2, Span: span(1000, 2000)}, "requests are lost before a broker acts, and their connections reset; hits are the requests"},
	{LoseAnswer{API: "produce", Count: 2, Span: span(1000, 2000)}, "brokers act, but the answers are lost and their connections reset; hits are the answers"},
	{CutFrame{API: "fetch", Bytes: 40, Count: 1, Dir: "to-client", Span: span(1000, 2000)}, "connections are reset in mid-frame; hits are the frames"},
	{Reset{Client: "c1", Span: span(1500, 0)}, "connections are reset, once; hits are the connections"},
	{Restart{Broker: "leader", Span: span(2000, 600)}, "a broker stops and starts again with its data; what it leads is unavailable meanwhile, or moves to another one with move=true; hits are the connections reset and the dials refused"},
	{RestartAll{Span: span(2000, 500)}, "all brokers stop together and start again with their data; hits are as for restart"},
	{Rolling{Down: 200 * time.Millisecond, Span: span(2000, 0)}, "one broker after the other hands over what it leads, stops, and starts again; hits are as for restart"},
	{MoveLeader{Span: span(1700, 0)}, "the leadership moves to another broker; hits are the connections on which the old leader was asked something"},
	{FailProduce{Error: "NOT_LEADER_FOR_PARTITION", Count: 3, Span: span(1000, 2000)}, "brokers refuse produce requests with an error that can be retried, or with after=true append first and then answer the error; hits are the requests"},
	{SlowBroker{Delay: 50 * time.Millisecond, Count: 5, Span: span(1000, 2000)}, "brokers wait before they act on requests of an api; hits are the requests"},
	{ForgetProducers{Mode: "refuse", Span: span(1500, 2000)}, "brokers forget the producers, and accept, refuse or deny what comes next from each; with elections=true every new leader does; hits are the batches of forgotten producers, and the elections at which one was forgotten"},
	{BelowMinimum{Span: span(1500, 1000)}, "too few replicas are in sync for writes; hits are the writes refused"},
	{StaleMetadata{Broker: "leader", Knows: "election", Count: 3, Span: span(1500, 2000)}, "brokers answer metadata requests with what was true before: no topic (knows=unknown), another one (other-id), other partitions (partitions), the last leader (election); connections are reset so that clients ask; hits are the answers"},
	{Throttle{API: "fetch", Delay: 50 * time.Millisecond, Count: 5, Span: span(1500, 2000)}, "brokers answer with a time to wait, as under a quota: fetches without anything else if api=fetch, otherwise requests of an api, or all, with what was asked for; hits are the answers"},
	{AnswerAtOnce{Span: span(1500, 2000)}, "leaders let no fetch wait for records; hits are the fetches"},
	{OlderEnds{Back: 3, Span: span(1500, 900)}, "leaders answer fetches from near the end of the log immediately, without records, and name ends of the log that lie further back; hits are the fetches"},
	{HostileBatch{Does: "inflate", Span: span(1500, 2500)}, "another program writes a batch that no client takes: it decompresses to more than they allow (does=inflate), or claims far more records than it holds (claim); afterwards it is deleted with all before it, or compacted away (removed=compact); hits are the clients that it stops, one at least"},
	{WithholdRecords{Span: span(1500, 3000)}, "leaders answer fetches without the records that they have, and without an error; hits are the fetches"},
	{Answer{API: "produce", Error: "NOT_LEADER_FOR_PARTITION", After: true, Count: 2, Span: span(1500, 2000)}, "brokers answer requests with an error code that Kafka may give (see list --answers), before they have done anything, or with after=true afterwards; with throttle they also tell clients to wait; hits are the answers that reached a client"},
	{FailFetch{Error: "OFFSET_OUT_OF_RANGE", Count: 2, Span: span(1500, 2000)}, "brokers answer fetches with an error, as a broker that lags may; hits are the fetches"},
	{Revoke{Client: "c2", Right: "write", Span: span(1500, 1500)}, "a client loses a right on the topic and gets it back; hits are its requests that need it"},
	{ChangePassword{Client: "c1", Span: span(1500, 1500)}, "the password of a client's user is changed at the brokers and changed back, and its connections are reset; hits are the times that it tried the old one"},
	{AlterTopic{Config: "max.message.bytes", Value: "4096", Span: span(1500, 3000)}, "a setting of the topic changes and changes back; hits are the requests for which it makes a difference"},
	{Compact{Every: 200 * time.Millisecond, Span: span(1000, 2000)}, "the log is compacted, again and again; tombstones that are older than the world's setting \"tombstones\" are removed; hits are the records removed"},
	{UncompactedLeader{Span: span(2000, 1500)}, "another broker leads that has not compacted its copy of the log: what compaction had removed is back, until the fault ends or the log is compacted; hits are the records that are back"},
	{DeleteRecords{Keep: 10, Span: span(2500, 0)}, "the oldest records of the log are deleted; hits are the records"},
	{LoseTail{Records: 5, Span: span(2500, 0)}, "an unclean election: the newest records of the log are lost, acknowledged ones too; hits are the records"},
	{Recreate{Span: span(2500, 0)}, "the topic is deleted and created again, empty; a hit is a recreation"},
	{GrowPartitions{Partitions: 3, Span: span(1500, 3000)}, "the topic gets more partitions, which stay; hits are the answers that name them to clients"},
	{Transaction{Records: 3, End: "abort", Span: span(1500, 600)}, "another program writes in a transaction that stays open, and is then committed or aborted; hits are its records"},
	{AbandonTransaction{Records: 3, Timeout: 500 * time.Millisecond, Span: span(1500, 0)}, "another program writes in a transaction and dies; its coordinator aborts it when it next looks for transactions that have timed out; hits are the records"},
	{LoadCoordinators{Count: 3, Span: span(1400, 1500)}, "brokers answer that they are still loading the transactions that they coordinate, so that these begin and end later; the fault runs one of its own, too; hits are the answers"},
	{SlowMarkers{Delay: 800 * time.Millisecond, Span: span(1400, 1500)}, "the markers of transactions come later than their ends; the fault runs one of its own, too; hits are the transactions that ended"},
	{MoveCoordinator{Span: span(1700, 0)}, "the coordinators of all open transactions move to other brokers; the fault runs one of its own, too; hits are the transactions"},
	{Keyless{Records: 2, Span: span(1600, 0)}, "another program writes records without a key; hits are the records"},
}

func span(from, dur int) Span {
	return Span{From: time.Duration(from) * time.Millisecond, For: time.Duration(dur) * time.Millisecond}
}

// FaultKinds returns all kinds of faults.
func FaultKinds() []FaultKind {
	out := make([]FaultKind, len(kinds))
	for i, k := range kinds {
		out[i] = FaultKind{Name: k.example.Kind(), Description: k.description, Example: k.example.String()}
	}
	return out
}

// ParseFault reads a line of a plan such as "lag client=c2 from=1.2s for=800ms".
func ParseFault(text string) (Fault, error) {
	word, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	names := make([]string, len(kinds))
	for i, k := range kinds {
		if names[i] = k.example.Kind(); names[i] != word {
			continue
		}
		v := reflect.New(reflect.TypeOf(k.example))
		if err := decodeFields(word, rest, v.Interface()); err != nil {
			return nil, err
		}
		return v.Elem().Interface().(Fault), nil
	}
	slices.Sort(names)
	return nil, fmt.Errorf("%q is neither a part of a plan (scenario, seed, world, workload, phases, floors) nor a fault (%s)", word, strings.Join(names, ", "))
}

// line returns the line of a fault. It is given a pointer to the struct.
func line(kind string, f any) string {
	if fields := encodeFields(f); fields != "" {
		return kind + " " + fields
	}
	return kind
}

// checkFault validates what all faults have and then the fault itself. Fields
// are known by their names: a client or a broker means the same everywhere.
func checkFault(p *Plan, f Fault) error {
	s := f.span()
	if s.From < 0 || s.For < 0 {
		return fmt.Errorf("from and for must not be negative")
	}
	for name, field := range fields(reflect.ValueOf(f)) {
		if err := checkField(p, name, field); err != nil {
			return err
		}
	}
	return f.check(p)
}

// setting returns a setting of a fault, the zero value if the fault has none of that name.
func setting[T any](f Fault, name string) (value T) {
	for n, field := range fields(reflect.ValueOf(f)) {
		if n == name {
			return field.Interface().(T)
		}
	}
	return value
}

func checkField(p *Plan, name string, field reflect.Value) error {
	switch name {
	case "client":
		if c := field.String(); c != "" {
			return checkClient(c, p.World.Clients)
		}
	case "broker":
		if b := field.String(); b != "" && b != leaderName {
			return checkBroker(b, p.World.Brokers)
		}
	case "dir":
		_, err := direction(field.String())
		return err
	case "api":
		_, err := apiKeys(field.String())
		return err
	}
	if field.CanInt() && field.Int() < 0 {
		return fmt.Errorf("%s must not be negative", name)
	}
	return nil
}

// leaderName stands for the broker that leads when the fault begins.
const leaderName = "leader"

func direction(s string) (simnet.Direction, error) {
	switch s {
	case "", "both":
		return simnet.Both, nil
	case "to-broker":
		return simnet.ToBroker, nil
	case "to-client":
		return simnet.ToClient, nil
	}
	return 0, fmt.Errorf("dir=%s is not a direction: use to-broker, to-client or both", s)
}

// apiKeys returns the key of the request of a name, nil for none.
func apiKeys(s string) ([]int16, error) {
	if s == "" {
		return nil, nil
	}
	var names []string
	for _, a := range fakecluster.APIs() {
		if a.Name == s {
			return []int16{int16(a.Key)}, nil
		}
		names = append(names, a.Name)
	}
	return nil, fmt.Errorf("api=%s is not known: use %s", s, strings.Join(names, ", "))
}

// target selects links. The settings have been checked.
func (w *world) target(client, broker, dir, api string) simnet.Target {
	t := simnet.Target{}
	if client != "" {
		t.Clients = []string{client}
	}
	if broker != "" {
		t.Brokers = []int32{w.broker(broker)}
	}
	t.Dir, _ = direction(dir)
	t.Keys, _ = apiKeys(api)
	return t
}

// broker returns the number that a plan's broker setting means now.
func (w *world) broker(s string) int32 {
	if s == leaderName || s == "" {
		info, err := w.cluster.Partition()
		if err != nil {
			return 0
		}
		return info.Leader
	}
	n, _ := strconv.Atoi(s)
	return int32(n)
}

// A lasting is a fault of the network or of the brokers.
type lasting interface {
	Hits() int
	Undo()
}

// during is the effect of a fault that lasts until it is undone; then come the given functions.
func during(f lasting, after ...func() error) *effect {
	return &effect{hits: f.Hits, undo: func(context.Context) error {
		f.Undo()
		var errs []error
		for _, fn := range after {
			errs = append(errs, fn())
		}
		return errors.Join(errs...)
	}}
}

// errorNamed returns the one of several errors that has Kafka's name for it.
func errorNamed(name string, all []*kerr.Error) (*kerr.Error, error) {
	var names []string
	for _, e := range all {
		if e.Message == name {
			return e, nil
		}
		names = append(names, e.Message)
	}
	return nil, fmt.Errorf("error=%s is not one that fits: use %s", name, strings.Join(names, ", "))
}

// counted is the effect of something that happened instantly.
func counted(n int) *effect { return &effect{hits: func() int { return n }} }
