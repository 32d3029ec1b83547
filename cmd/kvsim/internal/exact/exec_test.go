package exact

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// execAsWorker makes this test binary do what "kvsim exec --seed N --" does.
func execAsWorker(seed uint64) int {
	result, err := Exec(context.Background(), os.Args[1:], ExecOptions{
		Seed: seed, Env: strings.Fields(os.Getenv("EXACT_TEST_ENV")),
		Stdout: os.Stdout, Stderr: os.Stderr, Progress: os.Stderr,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 3
	}
	return result.ExitCode
}

// goTest runs "go test" of a package in testdata with this test binary as its
// -exec program.
func goTest(t *testing.T, seed string, env string, flags ...string) (output string, err error) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds a guest; not with -short")
	}
	overlay, err := Overlay(t.Context(), BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	args := slices.Concat([]string{"test", "-overlay", overlay, "-exec", self, "-v"}, flags, []string{"./testdata/execworld"})
	cmd := exec.Command("go", args...)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", workerEnv+"=exec "+seed, "EXACT_TEST_ENV="+env)
	data, err := cmd.CombinedOutput()
	return string(data), err
}

var orderLine = regexp.MustCompile(`order \[.*\] \d+`)

func TestGoTestExec(t *testing.T) {
	orders := make(map[string]bool)
	for _, seed := range []string{"1", "2", "1"} {
		output, err := goTest(t, seed, "")
		if err != nil {
			t.Fatalf("go test -exec: %v\n%s", err, output)
		}
		for _, want := range []string{
			"--- PASS: TestSynctest", // testing/synctest works on wasip1
			"--- PASS: TestFiles",
			"/module/cmd/kvsim/internal/exact/testdata/execworld <nil>",
			"execworld.test",
		} {
			if !strings.Contains(output, want) {
				t.Errorf("seed %s: output lacks %q:\n%s", seed, want, output)
			}
		}
		orders[orderLine.FindString(output)] = true
	}
	if len(orders) != 2 {
		t.Errorf("seeds 1, 2 and 1 gave %d orders, want 2: %v", len(orders), orders)
	}
	if _, err := os.Stat("testdata/execworld/written"); err == nil {
		t.Error("the guest wrote into the package's directory")
	}
}

func TestGoTestExecPassesFlagsAndExitCode(t *testing.T) {
	profile := filepath.Join(t.TempDir(), "cover.out")
	output, err := goTest(t, "1", "EXECWORLD_FAIL=1", "-run=TestFails|TestOrder", "-count=2", "-coverprofile="+profile)
	if err == nil || strings.Count(output, "--- FAIL: TestFails") != 2 || strings.Contains(output, "TestSynctest") {
		t.Errorf("go test -exec = %v, want TestFails to fail twice:\n%s", err, output)
	}
	if data, err := os.ReadFile(profile); err != nil || !bytes.HasPrefix(data, []byte("mode: ")) {
		t.Errorf("cover profile = %q, %v", data, err)
	}
}

func TestExecErrors(t *testing.T) {
	notWasm := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(notWasm, []byte("#!/bin/sh"), 0o777); err != nil {
		t.Fatal(err)
	}
	for want, test := range map[string]struct {
		args []string
		dir  string
	}{
		"name the module": {},
		"no such file":    {args: []string{"nosuch.wasm"}},
		"GOOS=wasip1":     {args: []string{notWasm}},
		"nodir":           {args: []string{notWasm}, dir: "nodir"},
		"not a directory": {args: []string{notWasm}, dir: "exec.go"},
	} {
		_, err := Exec(t.Context(), test.args, ExecOptions{Dir: test.dir, CacheDir: t.TempDir()})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Exec(%q) in %q = %v, want an error with %q", test.args, test.dir, err, want)
		}
	}
}

func TestRedirectOutputs(t *testing.T) {
	args, outputs := redirectOutputs([]string{
		"-test.v", "-test.testlogfile=/tmp/go-build1/log", "-test.outputdir=/home/me", "-test.coverprofile=c.out",
		"-test.cpuprofile=/abs/cpu", "-test.timeout=10m0s", "-mine=1", "--", "-test.trace=mine",
	})
	want := []string{
		"-test.v", "-test.testlogfile=/out/testlogfile", "-test.outputdir=/out/outputdir", "-test.coverprofile=/out/coverprofile",
		"-test.cpuprofile=/out/cpuprofile", "-test.timeout=10m0s", "-mine=1", "--", "-test.trace=mine",
	}
	if !slices.Equal(args, want) {
		t.Errorf("args = %q, want %q", args, want)
	}
	var hosts []string
	for _, o := range outputs {
		hosts = append(hosts, o.hostPath)
	}
	if want := []string{"", "", "/home/me/c.out", "/abs/cpu"}; !slices.Equal(hosts, want) {
		t.Errorf("copied to %q, want %q", hosts, want)
	}
}
