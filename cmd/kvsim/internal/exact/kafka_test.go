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
	for _, flags := range []string{"-brokers 1", "-brokers 3", "-brokers 3 -restart"} {
		args := append(strings.Fields(flags), "-clients", "3", "-puts", "20")
		for seed := range uint64(2) {
			opts := RunOptions{Seed: seed, Args: args}
			first := run(t, g, opts)
			if first.ExitCode != 0 || strings.Contains(first.stdout, "poll:") {
				t.Fatalf("%s, seed %d: exit code %d\n%s%s", flags, seed, first.ExitCode, first.stdout, first.stderr)
			}
			if acked, seen := strings.Count(first.stdout, "at offset"), strings.Count(first.stdout, " = client"); acked != 60 || seen != 60 {
				t.Fatalf("%s, seed %d: %d records acknowledged and %d seen, want 60", flags, seed, acked, seen)
			}
			if again := run(t, g, opts); again != first {
				t.Errorf("%s, seed %d: the second run differs: %s", flags, seed, firstDifference(first, again))
			}
			if outputs[first.stdout] {
				t.Errorf("%s: seed %d repeats another one's run", flags, seed)
			}
			outputs[first.stdout] = true
		}
		first := run(t, g, RunOptions{Seed: 1, Args: args})
		if there := inAnotherProcess(t, append([]string{"kafkaworld", "1"}, args...)...); there != first.digest() {
			t.Errorf("%s: another process made another run", flags)
		}
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
