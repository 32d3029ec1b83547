package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/linearizability"
)

var checkCommand = command{
	name:  "check",
	args:  "FILE",
	short: "judge a stored history again",
	long: `
FILE is a history in the format of package linearizability, of this store or of
any other; or a capsule; or - for standard input. Only the history is judged.
Whether a world did enough to be judged, only kvsim run can say.
`,
	flags: func(_ *cli, fs *flag.FlagSet) execFunc {
		var c checker
		fs.Func("skip", "the `name` of a check to leave out, see kvsim list --checks; may be repeated", c.addSkip)
		fs.BoolVar(&c.options.Linearizable, "linearizable", false, "judge every read as if it claimed to be linearizable")
		fs.BoolVar(&c.json, "json", false, "print JSON")
		return c.exec
	},
}

// A checker carries out one "kvsim check".
type checker struct {
	options linearizability.Options
	json    bool
}

func (c *checker) addSkip(name string) error {
	id := linearizability.CheckID(name)
	if !slices.Contains(linearizability.AllChecks(), id) {
		return errors.New("there is no such check: kvsim list --checks names them")
	}
	c.options.Skip = append(c.options.Skip, id)
	return nil
}

func (c *checker) exec(ctx context.Context, args []string, stdin io.Reader, stdout, _ io.Writer) error {
	if len(args) != 1 {
		return usagef("name one history, such as %s/%s/%s, or - for the input", defaultOut, capsuleLatest, capsuleHistory)
	}
	name := args[0]
	if isCapsule(name) {
		c, err := readCapsule(name)
		if err != nil {
			return err
		}
		if name, err = c.history(); err != nil {
			return err
		}
	}
	h, err := readHistory(ctx, name, stdin)
	if err != nil {
		return err
	}
	v := linearizability.CheckContext(ctx, h, c.options)
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if c.json {
		err = json.NewEncoder(stdout).Encode(checkLineOf(v))
	} else {
		_, err = fmt.Fprintf(stdout, "%s\n", strings.TrimSuffix(v.String(), "\n"))
	}
	return errors.Join(err, exitOf(world.StatusOf(v.Status)))
}

// readHistory reads a history from a file, or from the input if the name is "-".
func readHistory(ctx context.Context, name string, stdin io.Reader) (*linearizability.History, error) {
	data, err := readInput(ctx, name, stdin, mostHistory)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, &usageError{err: fmt.Errorf("read the history: %w", err)}
	}
	h, err := linearizability.ReadHistory(bytes.NewReader(data))
	if err != nil {
		return nil, &usageError{err: fmt.Errorf("%s is not a history: %w", name, err)}
	}
	return h, nil
}

// checkLine is a verdict in the output of --json.
type checkLine struct {
	Status     string         `json:"status"`
	Operations int            `json:"operations"`
	Records    int            `json:"records"`
	Duration   int64          `json:"duration_ns"`
	Checks     []checkResult  `json:"checks"`
	Violations []checkFailure `json:"violations,omitempty"`
	Error      string         `json:"error,omitempty"`
}

type checkResult struct {
	Check      string `json:"check"`
	Ran        bool   `json:"ran"`
	Reason     string `json:"reason,omitempty"`
	Judged     int    `json:"judged"`
	Undecided  int    `json:"undecided"`
	Violations int    `json:"violations"`
}

type checkFailure struct {
	Check       string  `json:"check"`
	Reason      string  `json:"reason"`
	Client      string  `json:"client,omitempty"`
	Key         string  `json:"key,omitempty"`
	Ops         []int64 `json:"ops,omitempty"`
	Offsets     []int64 `json:"offsets,omitempty"`
	Explanation string  `json:"explanation"`
}

func checkLineOf(v *linearizability.Verdict) checkLine {
	line := checkLine{
		Status: world.StatusOf(v.Status).String(), Operations: v.Operations, Records: v.Records, Duration: int64(v.Duration),
	}
	for _, r := range v.Checks {
		line.Checks = append(line.Checks, checkResult{string(r.Check), r.Ran, r.Reason, r.Judged, r.Undecided, r.Violations})
	}
	for _, w := range v.Violations {
		line.Violations = append(line.Violations, checkFailure{
			string(w.Check), w.Reason, w.Client, w.Key, w.Ops, w.Offsets, w.Error(),
		})
	}
	if err := v.Err(); err != nil {
		line.Error = err.Error()
	}
	return line
}
