package score

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/mutation"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/procgroup"
)

// The bounds of a mutant. Some loop forever, or ask for all the memory there is.
const (
	// slower is how many times as long as the original a mutant may take, besides least.
	slower   = 10
	leastCPU = 5 * time.Second
	// leastWall is longer, for other processes may take the processors.
	leastWall  = 30 * time.Second
	mostMemory = 8 << 30
)

// environment is that of a process that is a mutant, which takes usual when it is none.
func environment(id int, usual time.Duration) []string {
	seconds := int((leastCPU + slower*usual).Seconds()) + 1
	return []string{
		fmt.Sprintf("%s=%d", mutation.EnvActive, id),
		fmt.Sprintf("%s=%d", mutation.EnvCPU, seconds),
		fmt.Sprintf("%s=%d", mutation.EnvMemory, uint64(mostMemory)),
	}
}

// reachFile makes a file in which processes note which of n mutants they reach.
func reachFile(dir string, n int) (string, error) {
	f, err := os.CreateTemp(dir, "reached-")
	if err != nil {
		return "", err
	}
	return f.Name(), errors.Join(f.Truncate(int64(n)+1), f.Close())
}

// readReached reads and removes such a file.
func readReached(name string) ([]byte, error) {
	reached, err := os.ReadFile(name)
	return reached, errors.Join(err, os.Remove(name))
}

// A ran is a process that has ended.
type ran struct {
	ok, late bool
	cpu      time.Duration
	output   string
}

// execute runs a test program, in a directory of its own for temporary files.
func execute(ctx context.Context, dir, program string, wall time.Duration, env []string, args ...string) (ran, error) {
	temp, err := os.MkdirTemp(filepath.Dir(program), "tmp-")
	if err != nil {
		return ran{}, err
	}
	defer os.RemoveAll(temp)
	limited, cancel := context.WithTimeout(ctx, wall)
	defer cancel()
	cmd := procgroup.Command(limited, program, args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "TMPDIR="+temp), env...)
	out := &head{}
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	if context.Cause(ctx) != nil {
		return ran{}, context.Cause(ctx)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && limited.Err() == nil {
		return ran{}, err
	}
	r := ran{ok: err == nil, late: limited.Err() != nil, output: out.String()}
	if cmd.ProcessState != nil {
		r.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		r.late = r.late || strings.Contains(cmd.ProcessState.String(), "killed") || strings.Contains(r.output, "test timed out")
	}
	return r, nil
}

// head keeps the first bytes that are written.
type head struct{ bytes.Buffer }

func (h *head) Write(data []byte) (int, error) {
	const most = 256 << 10
	h.Buffer.Write(data[:min(len(data), max(0, most-h.Len()))])
	return len(data), nil
}

// culprit says in a few words what failed.
func (r ran) culprit() string {
	failed, panicked := "", ""
	for line := range strings.Lines(r.output) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "--- FAIL: "); ok && failed == "" {
			failed, _, _ = strings.Cut(rest, " ")
		}
		if (strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ")) && panicked == "" {
			panicked = brief(line)
		}
	}
	if r.late {
		return "time-out"
	}
	return cmp.Or(failed, panicked, "its exit code")
}

// brief cuts a line.
func brief(line string) string {
	if len(line) > 100 {
		return strings.ToValidUTF8(line[:100], "") + "..."
	}
	return line
}
