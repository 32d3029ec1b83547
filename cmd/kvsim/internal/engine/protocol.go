package engine

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
)

// workerEnv is set in the environment of a worker process.
const workerEnv = "KVSIM_ENGINE_WORKER"

// request is what the pool sends to a worker, as one JSON object on a line.
type request struct {
	Job   world.Job     `json:"job"`
	Limit time.Duration `json:"limit_ns"`
}

// response is what a worker answers. It sends ready once, at its start. For each request it
// sends what is known while the world is judged, and finally a result or an error.
type response struct {
	Ready   bool          `json:"ready,omitempty"`
	Judging *world.Result `json:"judging,omitempty"`
	Result  *world.Result `json:"result,omitempty"`
	Error   string        `json:"error,omitempty"`
	// Plan says that the error is a mistake in the plan.
	Plan bool `json:"plan,omitempty"`
}

// newResponse puts what a Func returned into a response.
func newResponse(result *world.Result, err error) response {
	if err != nil {
		return response{Error: err.Error(), Plan: errors.Is(err, world.ErrPlan)}
	}
	return response{Result: result}
}

// outcome is the inverse of newResponse.
func (r response) outcome() (*world.Result, error) {
	switch {
	case r.Plan:
		return nil, world.PlanError(r.Error)
	case r.Error != "":
		return nil, errors.New(r.Error)
	case r.Result == nil:
		return nil, errors.New("the world's answer has no result")
	}
	return r.Result, nil
}

// send writes one message.
func send(w io.Writer, message any) error {
	line, err := json.Marshal(message)
	if err != nil {
		return err
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// receive reads one message. It returns io.EOF if there is none.
func receive(r *bufio.Reader, message any) error {
	line, err := r.ReadBytes('\n')
	if err != nil {
		if err == io.EOF && len(line) > 0 {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	if err := json.Unmarshal(line, message); err != nil {
		return fmt.Errorf("message %.100q: %w", line, err)
	}
	return nil
}
