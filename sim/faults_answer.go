package sim

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/fakecluster"
)

// Answer makes brokers answer requests with an error code that Kafka's brokers may give; AnswerCells
// lists them.
type Answer struct {
	Client string `plan:"client"` // all if empty
	Broker string `plan:"broker"` // all if empty
	API    string `plan:"api"`    // every one whose answers may have the code, if empty
	// Error is Kafka's name for the error.
	Error string `plan:"error"`
	// At says where in the answer the code stands, for those that may have it in several places:
	// whole, topic, partition or resource.
	At string `plan:"at"`
	// After lets the broker do what it is asked for first.
	After    bool          `plan:"after"`
	Throttle time.Duration `plan:"throttle"` // how long the client is told to wait, besides
	Count    int           `plan:"count"`    // of each kind of request
	Span
}

// Kind implements Fault.
func (f Answer) Kind() string { return "answer" }

// String implements Fault.
func (f Answer) String() string { return line(f.Kind(), &f) }

// cells returns the rows of the table that the fault makes come true.
func (f Answer) cells() []fakecluster.Cell {
	return slices.DeleteFunc(fakecluster.Answers(), func(c fakecluster.Cell) bool {
		return f.API != "" && c.API != f.API || c.Err.Message != f.Error || f.At != "" && string(c.At) != f.At || c.After != f.After
	})
}

func (f Answer) check(*Plan) error {
	cells := f.cells()
	if len(cells) == 0 {
		return fmt.Errorf("error=%s can't be answered so: \"kvsim list --answers\" has what Kafka may answer", f.Error)
	}
	at := map[string][]string{}
	for _, c := range cells {
		if at[c.API] = append(at[c.API], string(c.At)); len(at[c.API]) > 1 {
			return fmt.Errorf("at has to say where in the answer to %s the code stands: %s", c.API, strings.Join(at[c.API], " or "))
		}
	}
	if f.Throttle > time.Minute {
		return fmt.Errorf("throttle is %v and has to be at most 1m: clients are told to wait so long", f.Throttle)
	}
	return f.mustLast()
}

// logsIn reports whether the fault is about how clients authenticate.
func (f Answer) logsIn() bool {
	return slices.ContainsFunc(f.cells(), func(c fakecluster.Cell) bool {
		return c.Key == kmsg.SASLHandshake || c.Key == kmsg.SASLAuthenticate
	})
}

// connects reports whether the fault is about how clients connect.
func (f Answer) connects() bool {
	return f.logsIn() || slices.ContainsFunc(f.cells(), func(c fakecluster.Cell) bool { return c.Key == kmsg.ApiVersions })
}

// rare reports whether clients make none of the requests unless they connect, or something is odd.
func rare(cells []fakecluster.Cell) bool {
	return !slices.ContainsFunc(cells, func(c fakecluster.Cell) bool {
		return slices.Contains([]kmsg.Key{kmsg.Produce, kmsg.Fetch, kmsg.ListOffsets}, c.Key)
	})
}

func (f Answer) start(ctx context.Context, w *world) (*effect, error) {
	return f.answer(ctx, w, f.cells())
}

// answer makes rows of the table come true, or others like them.
func (f Answer) answer(ctx context.Context, w *world, cells []fakecluster.Cell) (*effect, error) {
	var answering []fakecluster.Answering
	undo := func() {
		for _, a := range answering {
			a.Undo()
		}
	}
	for _, c := range cells {
		a := fakecluster.Answer{
			Topic: w.cluster.Topic(), Brokers: w.some(f.Broker), Key: c.Key, Err: c.Err, At: c.At, After: c.After,
			Throttle: f.Throttle, Count: f.Count,
		}
		if f.Client != "" {
			a.Clients = []string{f.Client}
		}
		x, err := w.cluster.Answer(a)
		if err != nil {
			undo()
			return nil, err
		}
		answering = append(answering, x)
	}
	hits := func() (sum int) {
		for _, a := range answering {
			sum += a.Arrived()
		}
		return sum
	}
	stop := func(context.Context) error { return nil }
	if rare(cells) {
		stop = w.repeat(ctx, 300*time.Millisecond, func() error {
			if hits() == 0 {
				w.net.DropConns(w.target(f.Client, f.Broker, "", ""))
			}
			return nil
		})
	}
	e := &effect{hits: hits, undo: func(ctx context.Context) error {
		err := stop(ctx)
		undo()
		for i, a := range answering {
			w.answers.add(cells[i], a.Arrived())
		}
		return err
	}}
	if f.After {
		return w.noting(sometimesErrorAfterAppend, e), nil
	}
	return e, nil
}

// refused is an error code in the answers to requests of a kind about the partition.
func refused(api string, key kmsg.Key, e *kerr.Error, after bool) []fakecluster.Cell {
	return []fakecluster.Cell{{API: api, Key: key, Err: e, At: fakecluster.AtPartition, After: after}}
}

// answers count which cells of the table clients were given, by their text.
type answers struct {
	mu sync.Mutex
	n  map[string]int
}

func (a *answers) add(c fakecluster.Cell, n int) {
	if n == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.n == nil {
		a.n = map[string]int{}
	}
	a.n[c.String()] += n
}

// An AnswerCell is one row of the table of error codes that Kafka's brokers may answer.
type AnswerCell struct {
	// Name is what Outcome.Answers counts: the request, the error, where in the answer it stands, and
	// whether the broker acted before.
	Name string
	// Fault is the fault of a plan that makes it come true, without its times.
	Fault string
	// Lasts says that a call may fail with the code, because a right is missing or the request can't be
	// done.
	Lasts bool
	// Source is where Kafka says so.
	Source string
}

// AnswerCells returns the table.
func AnswerCells() []AnswerCell {
	var out []AnswerCell
	all := fakecluster.Answers()
	for _, c := range all {
		f := Answer{API: c.API, Error: c.Err.Message, After: c.After}
		if len(f.cells()) > 1 {
			f.At = string(c.At)
		}
		out = append(out, AnswerCell{Name: c.String(), Fault: f.String(), Lasts: c.Lasting, Source: c.Source})
	}
	return out
}
