package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// A side is a child process that holds one side of the rows about reads: the
// store, or what it is measured against. Each has a heap of its own, so that the
// collector does not mark the yardstick's pairs when the store's reads allocate.
// It measures one piece when it is asked to, so that sides can take turns.
type side struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	send *json.Encoder
	recv *json.Decoder
}

// sideJob says what a side holds.
type sideJob struct {
	openJob
	Yardstick bool          `json:"yardstick"`
	Piece     time.Duration `json:"piece_ns"`
}

// question asks for one piece.
type question struct {
	Do string `json:"do"`
	N  int    `json:"n"`
}

type answer struct {
	Value float64 `json:"value"`
	Err   string  `json:"err,omitempty"`
}

// startSide returns when the side holds its pairs.
func startSide(ctx context.Context, job sideJob) (*side, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), childEnv+"="+childSide)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &side{cmd: cmd, in: in, send: json.NewEncoder(in), recv: json.NewDecoder(out)}
	if err := s.send.Encode(job); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if _, err := s.ask("ready", 0); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *side) close() error {
	_ = s.in.Close()
	return s.cmd.Wait()
}

func (s *side) ask(do string, n int) (float64, error) {
	if err := s.send.Encode(question{do, n}); err != nil {
		return 0, fmt.Errorf("child, asked for %s: %w", do, err)
	}
	var a answer
	if err := s.recv.Decode(&a); err != nil {
		return 0, fmt.Errorf("child, asked for %s: %w", do, err)
	}
	if a.Err != "" {
		return 0, fmt.Errorf("child, asked for %s: %s", do, a.Err)
	}
	return a.Value, nil
}

// sample is a piece of the side.
func (s *side) sample(do string, n int) sample {
	return func() (float64, error) { return s.ask(do, n) }
}

// runSide is the child. It ends with its input.
func runSide(ctx context.Context, in *json.Decoder, out *json.Encoder) error {
	var job sideJob
	if err := in.Decode(&job); err != nil {
		return err
	}
	pieces, stop, err := job.pieces(ctx)
	if err != nil {
		return err
	}
	defer stop()
	for {
		var q question
		if err := in.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var a answer
		if do := pieces[q.Do]; do == nil {
			a.Err = "unknown question"
		} else if v, err := do(q.N); err != nil {
			a.Err = err.Error()
		} else {
			a.Value = v
		}
		if err := out.Encode(a); err != nil {
			return err
		}
	}
}

// pieces returns what the side can measure.
func (j sideJob) pieces(ctx context.Context) (pieces map[string]func(n int) (float64, error), stop func(), err error) {
	ready := func(int) (float64, error) { return 0, nil }
	if j.Yardstick {
		y := newYardstick(j.Keys)
		return map[string]func(int) (float64, error){
			"ready":        ready,
			"get":          func(n int) (float64, error) { return timed(n, y.lookup) },
			"get-copy":     func(n int) (float64, error) { return timed(n, func() error { return y.lookupCopy(y.ring.next()) }) },
			"range":        func(n int) (float64, error) { return medianOf(n, y.ascend)() },
			"range-copy":   func(n int) (float64, error) { return medianOf(n, y.ascendCopy)() },
			"together":     func(n int) (float64, error) { return first(together(n, j.Piece, y.ring, y.lookupCopy)) },
			"together-cpu": func(n int) (float64, error) { return second(together(n, j.Piece, y.ring, y.lookupCopy)) },
			"spin":         func(n int) (float64, error) { return first(together(n, j.Piece, y.ring, spin)) },
		}, func() {}, nil
	}
	s, err := openReader(ctx, j.openJob)
	if err != nil {
		return nil, nil, err
	}
	return map[string]func(int) (float64, error){
		"ready":             ready,
		"get":               func(n int) (float64, error) { return timed(n, s.get) },
		"get-allocations":   func(n int) (float64, error) { return allocations(n, s.get) },
		"range":             func(n int) (float64, error) { return medianOf(n, s.scan)() },
		"range-after-batch": func(n int) (float64, error) { return s.scansAfterBatches(n) },
		"range-allocations": func(n int) (float64, error) { return allocations(n, s.scan) },
		"together":          func(n int) (float64, error) { return first(together(n, j.Piece, s.ring, s.getOf)) },
		"together-cpu":      func(n int) (float64, error) { return second(together(n, j.Piece, s.ring, s.getOf)) },
		"write":             func(n int) (float64, error) { return 0, s.write(ctx, n) },
	}, s.close, nil
}

func first(a, _ float64, err error) (float64, error)  { return a, err }
func second(_, b float64, err error) (float64, error) { return b, err }

// timed returns the mean time of n calls, in nanoseconds.
func timed(n int, do func() error) (float64, error) {
	began := time.Now()
	for range n {
		if err := do(); err != nil {
			return 0, err
		}
	}
	return float64(time.Since(began)) / float64(n), nil
}
