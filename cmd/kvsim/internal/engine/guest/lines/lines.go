// Package lines sends a history, a log and a result over one stream, as lines whose first
// byte says to which of them they belong.
package lines

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
)

// The kinds of lines.
const (
	History = 'h'
	Log     = 'l'
	Judging = 'j' // what is known about the result while the world is judged
	Result  = 'r'
	Plan    = 'p' // an error that is a mistake in the plan
	Error   = 'e' // another error
)

// A Mux is the writing end. Its writers may be used concurrently.
type Mux struct {
	mu  sync.Mutex
	out io.Writer
	buf bytes.Buffer
}

// NewMux returns a Mux that writes to out.
func NewMux(out io.Writer) *Mux { return &Mux{out: out} }

// Writer returns a writer for one kind of lines. Each Write must have one or more whole
// lines.
func (m *Mux) Writer(kind byte) io.Writer { return &muxWriter{mux: m, kind: kind} }

type muxWriter struct {
	mux  *Mux
	kind byte
}

// Write writes the lines in data, in one piece.
func (w *muxWriter) Write(data []byte) (int, error) {
	w.mux.mu.Lock()
	defer w.mux.mu.Unlock()
	w.mux.buf.Reset()
	for line := range bytes.Lines(data) {
		w.mux.buf.WriteByte(w.kind)
		w.mux.buf.Write(line)
	}
	if len(data) > 0 && data[len(data)-1] != '\n' {
		w.mux.buf.WriteByte('\n')
	}
	if _, err := w.mux.out.Write(w.mux.buf.Bytes()); err != nil {
		return 0, err
	}
	return len(data), nil
}

// Judging writes what is known about the result while the world is judged.
func (m *Mux) Judging(known *world.Result) error {
	data, err := json.Marshal(known)
	if err == nil {
		_, err = m.Writer(Judging).Write(data)
	}
	return err
}

// Answer writes the result or the error of a world.
func (m *Mux) Answer(result *world.Result, err error) error {
	kind, value := byte(Result), any(result)
	if err != nil {
		kind, value = Error, err.Error()
		if errors.Is(err, world.ErrPlan) {
			kind = Plan
		}
	}
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	_, err = m.Writer(kind).Write(data)
	return err
}

// A Demux is the reading end. It passes the lines that are written to it to the right place.
type Demux struct {
	// History and Log get their lines. Nil discards them.
	History, Log io.Writer

	line   []byte
	known  *world.Result
	result *world.Result
	err    error
}

// Write splits the stream. It returns an error if a line has an unknown kind.
func (d *Demux) Write(data []byte) (int, error) {
	n := len(data)
	for len(data) > 0 {
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			d.line = append(d.line, data...)
			break
		}
		d.line = append(d.line, data[:i+1]...)
		data = data[i+1:]
		if err := d.take(d.line); err != nil {
			return 0, err
		}
		d.line = d.line[:0]
	}
	return n, nil
}

// Answer returns the world's result or error, or ErrNoAnswer if there was neither.
func (d *Demux) Answer() (*world.Result, error) {
	if d.result == nil && d.err == nil {
		return nil, ErrNoAnswer
	}
	return d.result, d.err
}

// Known returns what was last known about the result while the world was judged, or nil if it
// was not judged yet.
func (d *Demux) Known() *world.Result { return d.known }

// ErrNoAnswer says that the stream ended before the world answered.
var ErrNoAnswer = errors.New("the world ended without an answer")

func (d *Demux) take(line []byte) error {
	kind, body := line[0], line[1:]
	switch kind {
	case History:
		return writeTo(d.History, body)
	case Log:
		return writeTo(d.Log, body)
	case Judging:
		d.known = new(world.Result)
		return json.Unmarshal(body, d.known)
	case Result:
		d.result = new(world.Result)
		return json.Unmarshal(body, d.result)
	case Plan, Error:
		var text string
		if err := json.Unmarshal(body, &text); err != nil {
			return err
		}
		d.err = errors.New(text)
		if kind == Plan {
			d.err = world.PlanError(text)
		}
		return nil
	}
	return fmt.Errorf("line %.100q has an unknown kind", line)
}

func writeTo(w io.Writer, data []byte) error {
	if w == nil {
		return nil
	}
	_, err := w.Write(data)
	return err
}
