// Command guest is the program that the exact engine runs: one world. It is built for
// GOOS=wasip1. It reads a job from its standard input. To its standard output it writes
// lines, each with its kind in front: the history and the log as they happen, and at the
// end the result.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/guest/lines"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
}

// run always writes the log, because leaving it out would change the schedule. The host
// discards it if it is not wanted.
func run() error {
	var job world.Job
	if err := json.NewDecoder(os.Stdin).Decode(&job); err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	out := lines.NewMux(os.Stdout)
	var written error
	result, err := world.Run(context.Background(), job, world.Env{
		History: out.Writer(lines.History),
		Log:     out.Writer(lines.Log),
		Judging: func(known *world.Result) { written = errors.Join(written, out.Judging(known)) },
	})
	if written != nil {
		return written
	}
	return out.Answer(result, err)
}
