package exact

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// fakeGo returns a go command of another release. It answers "go env" and fails at
// everything else.
func fakeGo(t *testing.T, goroot string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("writes a shell script")
	}
	path := filepath.Join(t.TempDir(), "go")
	script := fmt.Sprintf(`#!/bin/sh
if [ "$1" = env ]; then echo '{"GOROOT":%q,"GOVERSION":"go1.99.1"}'; exit; fi
echo called with "$@"
exit 1
`, goroot)
	if err := os.WriteFile(path, []byte(script), 0o777); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBuildWithAnotherSchedulerInGoFailsBeforeItCompiles(t *testing.T) {
	opts := BuildOptions{
		Package: ".", CacheDir: t.TempDir(),
		Go: fakeGo(t, fakeGoroot(t, "package runtime\n\nfunc runqget() {}\n")),
	}
	_, err := Build(t.Context(), opts)
	var patch *PatchError
	if !errors.As(err, &patch) || patch.GoVersion != "go1.99.1" {
		t.Errorf("Build = %v, want a PatchError for go1.99.1", err)
	}
	if _, err := Overlay(t.Context(), opts); !errors.As(err, &patch) {
		t.Errorf("Overlay = %v, want a PatchError", err)
	}
	opts.Scheduler = SchedulerStock
	_, err = Build(t.Context(), opts)
	if err == nil || !strings.Contains(err.Error(), "called with build") || strings.Contains(err.Error(), "-overlay") {
		t.Errorf("Build with the stock scheduler = %v, want a build without overlay", err)
	}
}

func TestOverlayFileIsTheSameEachTime(t *testing.T) {
	goroot := fakeGoroot(t, schedulerPatches[0].old+schedulerPatches[1].old)
	opts := BuildOptions{CacheDir: t.TempDir(), Go: fakeGo(t, goroot)}
	first, err := Overlay(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := Overlay(t.Context(), opts); err != nil || second != first {
		t.Errorf("Overlay = %s, %v, then %s", first, err, second)
	}
	data, err := os.ReadFile(first)
	if err != nil || bytes.Count(data, []byte(goroot)) != 2 {
		t.Errorf("overlay = %s, %v, want two files of %s", data, err, goroot)
	}
}

func TestProgressTellsOfTheFirstUseOnly(t *testing.T) {
	cache, module := t.TempDir(), moduleOf(countToTen...)
	for _, want := range []bool{true, false} {
		var progress bytes.Buffer
		g, err := Load(t.Context(), module, LoadOptions{CacheDir: cache, Progress: &progress})
		if err != nil {
			t.Fatal(err)
		}
		g.Close()
		if got := strings.Contains(progress.String(), "compiling the guest"); got != want {
			t.Errorf("told of compiling: %v, want %v; progress:\n%s", got, want, progress.String())
		}
	}
}

func TestExecTellsOfTheStockScheduler(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.test")
	if err := os.WriteFile(file, moduleOf(countToTen...), 0o666); err != nil {
		t.Fatal(err)
	}
	var progress bytes.Buffer
	result, err := Exec(t.Context(), []string{file}, ExecOptions{CacheDir: t.TempDir(), Progress: &progress})
	if err != nil || result.Steps != 10 || !strings.Contains(progress.String(), "x.test has Go's stock scheduler") {
		t.Errorf("Exec = %+v, %v, progress:\n%s", result, err, progress.String())
	}
}
