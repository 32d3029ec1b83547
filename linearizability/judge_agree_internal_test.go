package linearizability

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// twoWrites is a legal history of one key.
func twoWrites() *History {
	var now time.Duration
	r := NewRecorder(func() time.Duration { now++; return now }, RecorderOptions{Header: Header{Tap: TapExact}})
	for i, v := range []string{"v1", "v2"} {
		c := r.Begin(Operation{Client: "c1", Process: 1, Kind: OpPut, Key: "a", Value: v})
		r.Append(Record{Offset: int64(i), Key: "a", Value: v})
		c.OK()
	}
	r.Begin(Operation{Client: "c1", Process: 1, Kind: OpGet, Key: "a"}).Value("v2").OK()
	return r.History()
}

// judgeUntilCompare runs Check up to the comparison of the judges.
func judgeUntilCompare(h *History) *judge {
	j := newJudge(h, Options{})
	j.events = j.opEvents()
	j.witness()
	j.checkPorcupine()
	return j
}

// The two judges disagree only if one of them has a bug, so these tests plant one to see
// what happens then.

func TestCompare_porcupine_alone_accuses_a_key_both_findings(t *testing.T) {
	j := judgeUntilCompare(twoWrites())
	planted := j.tasks[0]
	planted.result, planted.op = porcupine.Illegal, 2
	j.illegal, j.porcupineFound = []*task{planted}, []*Violation{j.explainPiece(planted)}
	mustDisagree(t, j, "found nothing wrong", `explains get("a") = v2`)
}

func TestCompare_log_witness_alone_accuses_what_operations_prove_both_findings(t *testing.T) {
	j := judgeUntilCompare(twoWrites())
	v := j.accusation(CheckReadYourWrites, 2)
	v.Reason, v.certain, v.since = "a planted accusation", true, v.From.Seq
	j.violate(v)
	mustDisagree(t, j, "a planted accusation", "found an order that explains all")
}

func mustDisagree(t *testing.T, j *judge, witness, porcupine string) {
	t.Helper()
	v := &Verdict{Disagreements: j.compare()}
	j.report(v)
	j.conclude(v)
	if v.Status != Violated || len(v.Violations) != 1 || len(v.Disagreements) != 1 {
		t.Fatalf("status %s with %d disagreements, want a violation with one", v.Status, len(v.Disagreements))
	}
	err := v.Err()
	if !errors.Is(err, ErrDisagreement) || !errors.Is(err, ErrViolation) || !strings.Contains(err.Error(), witness) || !strings.Contains(err.Error(), porcupine) {
		t.Errorf("Err() = %v, want a disagreement with %q and %q", err, witness, porcupine)
	}
}
