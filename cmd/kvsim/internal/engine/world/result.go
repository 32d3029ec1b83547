package world

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kvsim/kvsim/sim"
)

// ErrPlan matches, in errors.Is, the error of a plan that can't be parsed or run. It is a
// mistake in the plan, not a failure of the world.
var ErrPlan = errors.New("plan is not usable")

// PlanError is the text of an ErrPlan that came from another process.
type PlanError string

// Error returns the text.
func (e PlanError) Error() string { return string(e) }

// Is reports whether target is ErrPlan.
func (e PlanError) Is(target error) bool { return target == ErrPlan }

// A Job is one world to run.
type Job struct {
	// Seed is the seed that the plan was drawn from. The exact engine also
	// draws the schedule from it.
	Seed uint64 `json:"seed"`
	// Plan is the text of the plan.
	Plan string `json:"plan"`
	// History is the name of the file for the history, which is written while the
	// world runs. Empty keeps the history in memory only.
	History string `json:"history,omitempty"`
	// Log is the name of the file for the world's log. Empty discards the log.
	Log string `json:"log,omitempty"`
}

// A Status is the verdict on one world.
type Status uint8

// The statuses.
const (
	// Held: enough was done to judge, and every guarantee held.
	Held Status = iota
	// Inconclusive: too little was done, or a judge reached one of its bounds.
	Inconclusive
	// Violated: a guarantee was broken.
	Violated
	// Broken: the harness itself failed, so the world proves nothing.
	Broken
)

var statuses = [...]string{Held: "held", Inconclusive: "inconclusive", Violated: "violation", Broken: "harness-failure"}

// String returns the status as it is printed and stored.
func (s Status) String() string {
	if int(s) < len(statuses) {
		return statuses[s]
	}
	return fmt.Sprintf("status-%d", uint8(s))
}

// MarshalText makes the status a string in JSON.
func (s Status) MarshalText() ([]byte, error) {
	if int(s) >= len(statuses) {
		return nil, fmt.Errorf("status %d has no name", s)
	}
	return []byte(statuses[s]), nil
}

// UnmarshalText reads what MarshalText wrote.
func (s *Status) UnmarshalText(text []byte) error {
	i := slices.Index(statuses[:], string(text))
	if i < 0 {
		return fmt.Errorf("status %q is unknown", text)
	}
	*s = Status(i)
	return nil
}

// A Reason is one cause of a status that is not Held.
type Reason struct {
	// Name groups equal causes of many worlds: the name of a check, of a
	// floor that was not reached, or the kind of the harness's failure.
	Name string `json:"name"`
	// Text says it in a sentence.
	Text string `json:"text"`
}

// JudgingLimit is the name of the reason of a world that ended and was not judged
// to the end, because that took too long.
const JudgingLimit = "judging-limit"

// A FaultResult is one planned fault and what it did.
type FaultResult struct {
	// Text is the fault as it is written in the plan.
	Text string `json:"text"`
	// Kind is the first word of Text.
	Kind string `json:"kind"`
	// Injected says that the fault was applied.
	Injected bool `json:"injected"`
	// Hits counts how often it took effect; each kind says what counts.
	Hits int `json:"hits"`
}

// Operations counts the client operations of a world.
type Operations struct {
	// Total counts those that began. Of them, OK were answered, Failed
	// certainly had no effect, and Unknown may have had one.
	Total   int `json:"total"`
	OK      int `json:"ok"`
	Failed  int `json:"failed"`
	Unknown int `json:"unknown"`
	// Acknowledged counts the writes among OK.
	Acknowledged int `json:"acknowledged"`
}

// A Result is what is known about a world after it ran.
type Result struct {
	Seed    uint64   `json:"seed"`
	Status  Status   `json:"status"`
	Reasons []Reason `json:"reasons,omitempty"`
	// Verdict is the whole verdict for people.
	Verdict string `json:"verdict,omitempty"`
	// Hash is over the history's events with their times: equal for equal
	// histories.
	Hash string `json:"hash,omitempty"`
	// Events counts the events of the history, Records those of the log.
	Events  int `json:"events"`
	Records int `json:"records"`
	// Simulated is the time that passed inside, Wall the time it took, CPU the
	// processor time of a worker process; other engines do not know that.
	Simulated  time.Duration  `json:"simulated_ns"`
	Wall       time.Duration  `json:"wall_ns"`
	CPU        time.Duration  `json:"cpu_ns,omitempty"`
	Operations Operations     `json:"operations"`
	Faults     []FaultResult  `json:"faults,omitempty"`
	Sometimes  map[string]int `json:"sometimes,omitempty"`
	// Answers counts which error codes brokers answered because of faults "answer".
	Answers map[string]int `json:"answers,omitempty"`
	// Availability says how long each client did not serve writes, and what explains it. Only
	// engines whose time is simulated know that.
	Availability []sim.Availability `json:"availability,omitempty"`
	// Schedule identifies the order in which goroutines ran, and Steps
	// measures the work; the exact engine alone knows them.
	Schedule uint64 `json:"schedule,omitempty"`
	Steps    uint64 `json:"steps,omitempty"`
	// Output is the end of what a world printed that broke the harness.
	Output string `json:"output,omitempty"`
}

// Reason returns the first reason, or an empty one.
func (r *Result) Reason() Reason {
	if len(r.Reasons) == 0 {
		return Reason{}
	}
	return r.Reasons[0]
}

// Downtime returns for how long clients did not serve writes, all together, and how much of that the
// plan explains.
func (r *Result) Downtime() (down, explained time.Duration) {
	for _, a := range r.Availability {
		down += a.Down
		explained += a.Explained
	}
	return down, explained
}

// NotJudged reports whether judging the world took too long.
func (r *Result) NotJudged() bool {
	return slices.ContainsFunc(r.Reasons, func(x Reason) bool { return x.Name == JudgingLimit })
}

// BrokenResult is the result of a world that reported nothing itself.
func BrokenResult(seed uint64, name, text, output string) *Result {
	return &Result{
		Seed: seed, Status: Broken, Output: output,
		Reasons: []Reason{{Name: name, Text: text}},
	}
}

// Encode returns the result as one line of JSON, without the line's end.
func (r *Result) Encode() ([]byte, error) { return json.Marshal(r) }
