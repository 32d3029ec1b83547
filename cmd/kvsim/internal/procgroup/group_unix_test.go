//go:build unix

package procgroup_test

import (
	"bufio"
	"context"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/procgroup"
)

func TestWhatACommandStartedEndsWithIt(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skipf("there is no shell to start processes: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := procgroup.Command(ctx, "sh", "-c", "sleep 1000 & echo $!; wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	// The pipe ends when the child, which also holds it, is gone.
	if _, err := r.ReadString('\n'); err == nil {
		t.Error("the command printed on after it was killed")
	}
	if err := cmd.Wait(); err == nil || errors.Is(err, exec.ErrWaitDelay) {
		t.Errorf("Wait = %v, want that it was killed", err)
	}
	if err := syscall.Kill(-cmd.Process.Pid, 0); err == nil {
		t.Logf("child %d is still there, as a zombie at most", child)
	}
}
