//go:build unix

package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// crashing starts "kvsim check -" by a shell command and returns its input.
func crashing(t *testing.T, shell string, env ...string) (cmd *exec.Cmd, stdin io.WriteCloser, stderr *bytes.Buffer) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command("/bin/sh", "-c", shell+`exec "$0" check -`, exe)
	cmd.Env = append(os.Environ(), mainEnv+"=1", "GOTRACEBACK=")
	cmd.Env = append(cmd.Env, env...)
	stderr = &bytes.Buffer{}
	cmd.Stderr = stderr
	if stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, stdin, stderr
}

// aborted waits for a process and reports whether SIGABRT ended it, which is exit code 134.
func aborted(t *testing.T, cmd *exec.Cmd) bool {
	t.Helper()
	err := cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("the command ended with %v", err)
	}
	ws, ok := exit.Sys().(syscall.WaitStatus)
	return ok && ws.Signaled() && ws.Signal() == syscall.SIGABRT && !ws.CoreDump()
}

// TestCrashHasAnExitCodeOfItsOwn lets the command run out of memory, and makes Go's runtime end
// it while it reads.
func TestCrashHasAnExitCodeOfItsOwn(t *testing.T) {
	t.Run("out of memory", func(t *testing.T) {
		if testing.Short() {
			t.Skip("limits the address space, of which the race detector needs more; not with -short")
		}
		cmd, stdin, stderr := crashing(t, "ulimit -v 1500000; ")
		line := bytes.Repeat([]byte{' '}, 1<<20)
		for range 900 {
			if _, err := stdin.Write(line); err != nil {
				break
			}
		}
		stdin.Close()
		if !aborted(t, cmd) || !strings.Contains(stderr.String(), "out of memory") {
			t.Errorf("the command ended with %v and said %.300q, want it aborted, out of memory", cmd.ProcessState, stderr.String())
		}
	})
	t.Run("fatal signal", func(t *testing.T) {
		cmd, stdin, stderr := crashing(t, "")
		if _, err := stdin.Write(make([]byte, 1<<20)); err != nil { // more than the pipe holds: it reads
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(syscall.SIGQUIT); err != nil {
			t.Fatal(err)
		}
		if !aborted(t, cmd) || !strings.Contains(stderr.String(), "goroutine") {
			t.Errorf("the command ended with %v and said %.300q, want it aborted, with the goroutines", cmd.ProcessState, stderr.String())
		}
	})
	t.Run("as the user wants it", func(t *testing.T) {
		cmd, stdin, _ := crashing(t, "", "GOTRACEBACK=all")
		if _, err := stdin.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(syscall.SIGQUIT); err != nil {
			t.Fatal(err)
		}
		if aborted(t, cmd) || cmd.ProcessState.ExitCode() != 2 {
			t.Errorf("the command ended with %v, want Go's exit code 2", cmd.ProcessState)
		}
	})
}
