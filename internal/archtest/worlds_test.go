package archtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What the script makes of each exit code of kvsim decides whether the gate
// fails: brokers that are slow must not make it fail, a violation always has to.
func TestWorldsOnRealBrokersFailTheGateForViolationsOnly(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skipf("there is no bash to run the script: %v", err)
	}
	script := filepath.Join(moduleRoot(t), "build", "kafka", "worlds.sh")
	for _, c := range []struct {
		name  string
		codes string // of the first try and of the second
		want  int
		says  string
		tries int
	}{
		{"held", "0 9", 0, "", 1},
		{"violation", "1 0", 1, "what was wrong", 1},
		{"inconclusive", "2 0", 0, "sim-kafka: skipped: no world could be judged in", 1},
		{"the harness fails once", "3 0", 0, "sim-kafka: the harness failed", 2},
		{"the harness fails twice", "3 3", 3, "sim-kafka: the harness failed", 2},
		{"a violation after it", "3 1", 1, "what was wrong", 2},
		{"wrong usage", "64 0", 64, "", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "out")
			kvsim := fmt.Sprintf(`codes=(%s); n=$(ls "$0" | grep -c try); touch "$0/try$n" -d 2100-01-01; echo what was wrong > "$0/verdict.txt"
				touch -d 2100-01-01 "$0/verdict.txt"; exit ${codes[$n]}`, c.codes)
			cmd := exec.CommandContext(t.Context(), "bash", script, out, "bash", "-c", kvsim, out)
			printed, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			if got := cmd.ProcessState.ExitCode(); got != c.want {
				t.Errorf("exit code = %d, want %d\n%s", got, c.want, printed)
			}
			if !strings.Contains(string(printed), c.says) || c.want == 0 && strings.Contains(string(printed), "what was wrong") {
				t.Errorf("it says %q, want %q", printed, c.says)
			}
			entries, err := os.ReadDir(out)
			if err != nil {
				t.Fatal(err)
			}
			tries := 0
			for _, e := range entries {
				if strings.HasPrefix(e.Name(), "try") {
					tries++
				}
			}
			if tries != c.tries {
				t.Errorf("it was tried %d times, want %d", tries, c.tries)
			}
		})
	}
}
