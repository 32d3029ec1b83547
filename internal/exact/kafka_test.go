package exact

import (
	"strings"
	"testing"
)

// A whole Kafka world (kgo clients, a kfake cluster, the network between them)
// is one program, so its every offset and nanosecond repeats.
func TestKafkaWorldIsBitIdentical(t *testing.T) {
	g := guestFor(t, "kafkaworld", SchedulerRandom)
	outputs := make(map[string]bool)
	for _, brokers := range []string{"1", "3"} {
		for _, seed := range []string{"1", "2", "3"} {
			args := []string{"-brokers", brokers, "-clients", "3", "-puts", "20"}
			opts := RunOptions{Seed: uint64(seed[0] - '0'), Args: args}
			first := run(t, g, opts)
			if first.ExitCode != 0 || strings.Contains(first.stdout, "poll:") {
				t.Fatalf("brokers %s, seed %s: exit code %d\n%s%s", brokers, seed, first.ExitCode, first.stdout, first.stderr)
			}
			if acked, seen := strings.Count(first.stdout, "at offset"), strings.Count(first.stdout, " = client"); acked != 60 || seen != 60 {
				t.Fatalf("brokers %s, seed %s: %d records acknowledged and %d seen, want 60", brokers, seed, acked, seen)
			}
			if again := run(t, g, opts); again != first {
				t.Errorf("brokers %s, seed %s: the second run differs: %s", brokers, seed, firstDifference(first, again))
			}
			if outputs[first.stdout] {
				t.Errorf("brokers %s: seed %s repeats another one's run", brokers, seed)
			}
			outputs[first.stdout] = true
		}
	}
	args := []string{"-brokers", "3", "-clients", "3", "-puts", "20"}
	first := run(t, g, RunOptions{Seed: 1, Args: args})
	if there := inAnotherProcess(t, append([]string{"kafkaworld", "1"}, args...)...); there != first.digest() {
		t.Error("another process made another run")
	}
}

func firstDifference(a, b ran) string {
	if a.Result != b.Result {
		return "results differ"
	}
	aLines, bLines := strings.Split(a.stdout, "\n"), strings.Split(b.stdout, "\n")
	for i := range min(len(aLines), len(bLines)) {
		if aLines[i] != bLines[i] {
			return "\n" + aLines[i] + "\n" + bLines[i]
		}
	}
	return "one is longer"
}
