package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvsim/kvsim/internal/fakecluster"
)

const kafkaPlan = `kvsim-plan 1
scenario test
seed 7
world clients=2 brokers=3 latency.min=100µs
workload ops=20 keys=5 value=64 timeout=5s put=30 get=30 sync=3
phases before=50ms faults=200ms after=50ms converge=1m patience=5s
floors before=1 during=1 after=1 hits=1
lag client=c1 from=10ms for=50ms
restart broker=2 from=10ms for=50ms
move-leader from=10ms
`

// TestRunOnExistingBrokers runs a world on brokers that listen on TCP, with
// kfake in place of Kafka, and again from its capsule.
func TestRunOnExistingBrokers(t *testing.T) {
	t.Parallel()
	brokers, err := fakecluster.Start(fakecluster.Options{Brokers: 1, TCP: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := brokers.Close(); err != nil {
			t.Error(err)
		}
	})
	c := testCLI("")
	c.engines = startEngine
	out := t.TempDir()
	addr := brokers.Seeds()[0]
	got := kvsim(t, c, kafkaPlan, "run", "--engine", "real", "--kafka", addr, "--plan", "-", "--keep", "--out", out)
	if got.code != exitHeld {
		t.Fatalf("exit code = %d\n%s%s", got.code, got.stdout, got.stderr)
	}
	for _, want := range []string{
		"kvsim: worlds run on Kafka ", "at " + addr,
		"kvsim: left out: restart: the brokers of an existing cluster are not ours to stop\n",
		"kvsim: left out: move-leader: it needs two brokers\n",
	} {
		if !strings.Contains(got.stderr, want) {
			t.Errorf("stderr = %q, want %q in it", got.stderr, want)
		}
	}
	for _, want := range []string{"2 clients, 1 broker", "1 planned, 1 took effect", "verdict    held"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("stdout = %q, want %q in it", got.stdout, want)
		}
	}
	info, err := os.ReadFile(filepath.Join(out, capsuleLatest, capsuleInfo))
	if err != nil || !strings.Contains(string(info), `"kafka": "`+addr+`"`) {
		t.Errorf("%s = %s, %v; want the brokers in it", capsuleInfo, info, err)
	}
	got = kvsim(t, c, "", "replay", filepath.Join(out, capsuleLatest), "--kafka", addr, "--out", t.TempDir())
	if got.code != exitHeld || !strings.Contains(got.stdout, "another history with the same outcome") {
		t.Errorf("replay: exit code = %d\n%s%s", got.code, got.stdout, got.stderr)
	}
}
