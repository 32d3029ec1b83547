package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvsim/kvsim/kvstoretest/realkafka"
)

// marker stands for a secret.
const marker = "Marker-7f3a"

// noMarker looks for the marker in what a command printed and in all files that it left.
func noMarker(t *testing.T, got said, dir string) (found int) {
	t.Helper()
	if strings.Contains(got.stdout+got.stderr, marker) {
		t.Errorf("a secret is printed:\n%s%s", got.stdout, got.stderr)
	}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		found++
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), marker) {
			t.Errorf("%s has a secret", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return found
}

// What the environment says of brokers and registries is the user's: capsules are given to
// other people. So nothing of it is in them, not even if a world panics.
func TestCapsulesHaveNothingOfTheEnvironment(t *testing.T) {
	for _, name := range []string{realkafka.EnvBrokers, realkafka.EnvImage, "KVSIM_REGISTRY_URL", "SASL_PASSWORD"} {
		t.Setenv(name, "ann:"+marker+"@host:9092")
	}
	for _, bug := range []string{"", "panic"} {
		out := t.TempDir()
		got := kvsim(t, testCLI(bug), kafkaPlan, "run", "--plan", "-", "--keep", "--out", out, "-v")
		if n := noMarker(t, got, out); n < 5 {
			t.Errorf("bug %q: only %d files were left, exit code %d\n%s%s", bug, n, got.code, got.stdout, got.stderr)
		}
		latest := filepath.Join(out, capsuleLatest)
		for _, args := range [][]string{{"report", latest}, {"replay", latest, "--out", out}} {
			got := kvsim(t, testCLI(bug), "", args...)
			noMarker(t, got, out)
		}
	}
}

// An address with a user and a password is refused before anything is done with it, and not repeated.
func TestAddressesWithPasswordsAreNotRepeated(t *testing.T) {
	for _, args := range [][]string{
		{"run", "--engine", "real", "--kafka", "ann:" + marker + "@host:9092"},
		{"run", "--engine", "real", "--kafka", "host:1,sasl_ssl://ann:" + marker + "@host:9092"},
		{"run", "--kafka", "ann:" + marker + "@host:9092"},
		{"replay", "7", "--engine", "real", "--kafka", "ann:" + marker + "@host"},
	} {
		out := t.TempDir()
		c := testCLI("")
		c.engines = startEngine
		got := kvsim(t, c, "", append(args, "--out", out)...)
		if got.code != exitUsage || !strings.Contains(got.stderr, "--kafka") {
			t.Errorf("kvsim %s: exit code %d\n%s%s", args, got.code, got.stdout, got.stderr)
		}
		noMarker(t, got, out)
	}
}
