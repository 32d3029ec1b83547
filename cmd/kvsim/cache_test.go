package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/exact"
)

func TestCacheIsShownAndCleared(t *testing.T) {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		t.Skip("os.UserCacheDir does not look at XDG_CACHE_HOME here")
	}
	home := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", home)
	t.Setenv(exact.LimitEnv, "3GiB")
	guests := filepath.Join(home, "kvsim", "guests")
	if err := os.MkdirAll(guests, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(guests, "a.module"), make([]byte, 5<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(home, "kvsim"), 0o700); err != nil {
		t.Fatal(err)
	}
	const rest = "limit      3072 MiB\ncode       0 MiB\n"
	dir := "directory  " + filepath.Join(home, "kvsim") + "\n"
	kvsim(t, testCLI(""), "", "cache").want(t, said{stdout: dir + rest + "modules    5 MiB\nothers     0 MiB\n"})
	kvsim(t, testCLI(""), "", "cache", "--clear").want(t, said{stdout: dir + rest + "modules    0 MiB\nothers     0 MiB\n"})
	if err := os.Chmod(filepath.Join(home, "kvsim"), 0o777); err != nil {
		t.Fatal(err)
	}
	got := kvsim(t, testCLI(""), "", "cache")
	if got.code != exitHarness || !strings.Contains(got.stderr, "others can write to it") {
		t.Errorf("a cache that others can write to: exit code %d, %s", got.code, got.stderr)
	}
}
