//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
	"github.com/kvsim/kvsim/kvstoretest/realkafka"
)

// endsWithin is how long an interrupted command may take to end: far longer than it takes,
// and much less than it would take without the interruption.
const endsWithin = 15 * time.Second

// longPlan is the plan of a world that runs longer than any test waits.
const longPlan = `kvsim-plan 1
scenario long
seed 1
world clients=20 brokers=1 latency.min=100µs latency.mean=300µs latency.max=5ms
workload ops=100000 keys=3 timeout=5s put=5 get=3
phases before=1s faults=10000h0m0s after=1s converge=1m0s
`

func TestEverySubcommandEndsWhenItIsInterrupted(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts processes that work until they are interrupted; not with -short")
	}
	capsule := longCapsule(t)
	fifo := func() string { return filepath.Join(t.TempDir(), "fifo") }
	for _, tc := range []struct {
		args []string
		// sign is a text on stdout or stderr that shows that the command is at
		// work. If it is empty, the command is at work once it opens the pipe in its
		// arguments.
		sign string
		code int
	}{
		{[]string{"run", "--json", "--seed", "1..10000000", "--out", t.TempDir()}, `{"seed":1,`, exitInterrupted},
		{[]string{"run", "--seed", "1..10000000", "--out", t.TempDir()}, "seeds an hour", exitInterrupted},
		{[]string{"run", "--plan", fifo()}, "", exitInterrupted},
		{[]string{"run", "--engine", "real", "--plan", filepath.Join(capsule, capsulePlan), "--out", t.TempDir()}, "0 of 1 worlds", exitInterrupted},
		{[]string{"list"}, "everything", exitHeld},
		{[]string{"plan", "--seed", "0..18446744073709551615"}, "kvsim-plan", exitInterrupted},
		{[]string{"replay", capsule, "--out", t.TempDir()}, "0 of 1 worlds", exitInterrupted},
		{[]string{"replay", "--plan", fifo(), "7"}, "", exitInterrupted},
		{[]string{"shrink", capsule}, "shrinking", exitInterrupted},
		{[]string{"check", fifo()}, "", exitInterrupted},
		{[]string{"report", fifo()}, "", exitInterrupted},
		{[]string{"bench", "--engine", "virtual", "--seeds", "1000000"}, "W: scenario", exitInterrupted},
		{[]string{"mutate"}, "mutant 1 of", exitInterrupted},
		{[]string{"exec", "--", endlessGuest(t)}, "at work", exitInterrupted},
		{[]string{"cache", "--help"}, "KVSIM_CACHE_LIMIT", exitHeld},
		{[]string{"version"}, "kvsim", exitHeld},
		{[]string{"help"}, "usage", exitHeld},
	} {
		t.Run(strings.Join(tc.args[:1], " "), func(t *testing.T) {
			t.Parallel()
			p := startKvsim(t, tc.args, tc.sign)
			p.ends(t, syscall.SIGINT, tc.code)
		})
	}
	for _, cmd := range commands() {
		if !strings.Contains("run list plan replay shrink check report bench mutate exec cache version", cmd.name) {
			t.Errorf("there is no case for %s", cmd.name)
		}
	}
}

func TestTermSignalIsAnInterruption(t *testing.T) {
	t.Parallel()
	p := startKvsim(t, []string{"run", "--json", "--seed", "1..10000000", "--out", t.TempDir()}, `{"seed":1,`)
	out := p.ends(t, syscall.SIGTERM, exitInterrupted)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var last struct {
		Campaign struct {
			Worlds      int          `json:"worlds"`
			Interrupted bool         `json:"interrupted"`
			Status      world.Status `json:"status"`
		} `json:"campaign"`
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatalf("the last line is no JSON: %v\n%s", err, lines[len(lines)-1])
	}
	worlds := strings.Count(out, `{"seed":`)
	if got := last.Campaign; !got.Interrupted || got.Worlds != worlds || worlds < 1 {
		t.Errorf("campaign = %+v behind %d worlds, want interrupted", got, worlds)
	}
}

// A reader that has seen enough, as head does, ends the command, which cleans up.
func TestClosedPipeIsCleanedUpAfter(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	out := t.TempDir()
	cmd := exec.CommandContext(t.Context(), program, "run", "--json", "--seed", "1..10000000", "--out", out)
	cmd.Env = append(os.Environ(), mainEnv+"=1")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = w, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if _, err := bufio.NewReader(r).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	r.Close()
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != exitHarness || !strings.Contains(said.String(), "kvsim: write the results: write ") {
		t.Errorf("exit code %d: %s", got, &said)
	}
	if left, err := os.ReadDir(out); err != nil || len(left) != 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

// What the environment says of brokers and registries is in no command line of kvsim's own
// processes: other users of the machine can list them.
func TestSecretsAreNotInTheProcessList(t *testing.T) {
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		t.Skipf("there is no list of processes to read: %v", err)
	}
	for _, name := range []string{realkafka.EnvBrokers, "KVSIM_REGISTRY_URL", "SASL_PASSWORD"} {
		t.Setenv(name, "ann:"+marker+"@host:9092")
	}
	p := startKvsim(t, []string{"run", "--json", "--seed", "1..10000000", "--out", t.TempDir()}, `{"seed":1,`)
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	own := 0
	for _, file := range lines {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		if strings.HasPrefix(string(data), p.cmd.Path) {
			own++
		}
		if strings.Contains(string(data), marker) {
			t.Errorf("a secret is in the process list: %q", data)
		}
	}
	if own < 2 {
		t.Errorf("%d processes of kvsim are in the list, want the command and its workers", own)
	}
	p.ends(t, syscall.SIGINT, exitInterrupted)
}

// A running is a command that runs in a process group of its own.
type running struct {
	cmd    *exec.Cmd
	output bytes.Buffer // what was read of stdout and stderr, in no particular order
	read   chan error
}

// startKvsim starts the command and waits until it shows that it is at work.
func startKvsim(t *testing.T, args []string, sign string) *running {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &running{cmd: exec.CommandContext(t.Context(), program, args...), read: make(chan error, 1)}
	p.cmd.Dir = "../.." // mutate needs the module's source
	p.cmd.Env = append(os.Environ(), mainEnv+"=1")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	p.cmd.Stdout, p.cmd.Stderr = w, w
	pipe := ""
	if sign == "" {
		for _, arg := range args {
			if filepath.Base(arg) == "fifo" {
				pipe = arg
			}
		}
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) })
	w.Close()
	out := bufio.NewReader(r)
	if pipe != "" {
		// This blocks until the command has opened it.
		f, err := os.OpenFile(pipe, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
	}
	for sign != "" {
		line, err := out.ReadString('\n')
		p.output.WriteString(line)
		if err != nil {
			t.Fatalf("kvsim %v ended before it showed %q: %v\n%s", args, sign, err, &p.output)
		}
		if strings.Contains(line, sign) {
			break
		}
	}
	go func() {
		_, err := io.Copy(&p.output, out)
		p.read <- err
	}()
	return p
}

// ends interrupts the command and waits until it and all its processes have ended.
func (p *running) ends(t *testing.T, sig syscall.Signal, code int) string {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	var late bool
	timer := time.AfterFunc(endsWithin, func() {
		late = true
		_ = p.cmd.Process.Kill()
	})
	err := p.cmd.Wait()
	if !timer.Stop() && late {
		t.Fatalf("%v did not end within %v of %v", p.cmd.Args[1:], endsWithin, sig)
	}
	if readErr := <-p.read; readErr != nil {
		t.Error(readErr)
	}
	if got := p.cmd.ProcessState.ExitCode(); got != code && (code != exitHeld || got != -1 && got != exitInterrupted) {
		t.Errorf("%v after %v = exit code %d (%v), want %d\n%s", p.cmd.Args[1:], sig, got, err, code, &p.output)
	}
	if err := syscall.Kill(-p.cmd.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("%v left processes behind: %v", p.cmd.Args[1:], err)
	}
	if code == exitInterrupted && !strings.Contains(p.output.String(), "kvsim: interrupted\n") {
		t.Errorf("%v does not say that it was interrupted:\n%s", p.cmd.Args[1:], &p.output)
	}
	return strings.ReplaceAll(p.output.String(), "kvsim: interrupted\n", "")
}

// longCapsule returns the capsule of a violation in a world that runs for long.
func longCapsule(t *testing.T) string {
	t.Helper()
	return writeTestCapsule(t, &world.Result{
		Seed: 1, Status: world.Violated, Reasons: []world.Reason{{Name: "read-your-writes", Text: "it did not"}},
	}, longPlan, "")
}

// endlessGuest builds a program for the exact engine that never ends.
func endlessGuest(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	src := filepath.Join(dir, "main.go")
	if err := os.WriteFile(src, []byte("package main\n\nfunc main() {\n\tprintln(\"at work\")\n\tfor {\n\t}\n}\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", filepath.Join(dir, "guest.wasm"), src)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return filepath.Join(dir, "guest.wasm")
}
