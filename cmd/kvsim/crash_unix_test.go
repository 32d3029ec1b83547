//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// scarce leaves this process 100 MiB more of the address space than it has. It does nothing
// where it can't know how much that is.
func scarce() {
	var pages uint64
	statm, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		_, err = fmt.Sscan(string(statm), &pages)
	}
	if err != nil {
		return
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_AS, &limit); err != nil {
		panic(err)
	}
	limit.Cur = pages*uint64(os.Getpagesize()) + 100<<20
	if err := syscall.Setrlimit(syscall.RLIMIT_AS, &limit); err != nil {
		panic(err)
	}
}

// crashing starts "kvsim check -" and returns its input.
func crashing(t *testing.T, env ...string) (cmd *exec.Cmd, stdin io.WriteCloser, stderr *bytes.Buffer) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(exe, "check", "-")
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
		if _, err := os.Stat("/proc/self/statm"); err != nil {
			t.Skip(err)
		}
		cmd, stdin, stderr := crashing(t, scarceEnv+"=1")
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
		cmd, stdin, stderr := crashing(t)
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
		cmd, stdin, _ := crashing(t, "GOTRACEBACK=all")
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
