package kafkaworld

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/internal/fakecluster"
	"github.com/kvsim/kvsim/internal/simcluster"
)

// unable implements the hardships that only the fake brokers can cause.
type unable struct{}

var _ simcluster.Hardships = unable{}

// withoutHardships says why real brokers can't, by the kind of fault.
var withoutHardships = map[string]string{
	"forget-producers":    "a real broker forgets a producer after a day; lose-answer comes near",
	"throttle":            "a real broker throttles by a quota, which takes seconds to have an effect",
	"answer-at-once":      "a real leader lets a fetch wait",
	"older-ends":          "a real leader's high watermark can't be made to go back",
	"hostile-batch":       "a real broker validates what it appends, and the harness has no producer that writes such batches",
	"answer":              "a real broker can't be made to answer with an error",
	"fail-fetch":          "a real broker can't be made to answer fetches with an error",
	"stale-metadata":      "a real broker can't be made to lag",
	"withhold-records":    "a real broker answers with a batch if there is one (KIP-74)",
	"below-min-insync":    "real replicas can't be made to fall behind; restart comes near",
	"uncompacted-leader":  "the cleaners of real replicas can't be held back one by one",
	"alter-topic":         "nothing tells when real brokers start to use a changed setting",
	"abandon-transaction": "nothing tells when a real coordinator aborts it; transaction comes near",
	"load-coordinators":   "a real coordinator loads only after it took over; restart comes near",
	"slow-markers":        "the time that real markers take can't be chosen",
	"move-coordinator":    "a real coordinator moves only with its broker; restart comes near",
	"revoke":              "the brokers of a world let every client do everything",
	"change-password":     "the brokers of a world let every client do everything",
}

func (unable) ForgetProducers(fakecluster.Forget) (fakecluster.Effect, error) {
	return nil, fmt.Errorf("forget producers: %w", errUnable)
}

func (unable) BeginFor(string, time.Duration) (simcluster.Transactor, error) {
	return nil, fmt.Errorf("begin a transaction with a timeout: %w", errUnable)
}

func (unable) WithholdRecords(fakecluster.Withhold) (fakecluster.Effect, error) {
	return nil, fmt.Errorf("withhold records: %w", errUnable)
}

func (unable) ThrottleFetches(fakecluster.Throttle) (fakecluster.Effect, error) {
	return nil, fmt.Errorf("throttle fetches: %w", errUnable)
}

func (unable) AnswerAtOnce(fakecluster.Haste) (fakecluster.Effect, error) {
	return nil, fmt.Errorf("answer at once: %w", errUnable)
}

func (unable) AppendHostile(fakecluster.Hostile, []byte, int) (*fakecluster.HostileBatch, error) {
	return nil, fmt.Errorf("append a hostile batch: %w", errUnable)
}

func (unable) Answer(fakecluster.Answer) (fakecluster.Answering, error) {
	return nil, fmt.Errorf("answer with an error: %w", errUnable)
}

func (unable) StaleMetadata(fakecluster.Stale) (fakecluster.Effect, error) {
	return nil, fmt.Errorf("give stale metadata: %w", errUnable)
}

func (unable) LoadCoordinators(int, ...int32) (fakecluster.Effect, error) {
	return nil, fmt.Errorf("make coordinators load: %w", errUnable)
}

func (unable) SlowMarkers(time.Duration) (fakecluster.Effect, error) {
	return nil, fmt.Errorf("slow markers down: %w", errUnable)
}

func (unable) MoveCoordinator(string) error {
	return fmt.Errorf("move a coordinator: %w", errUnable)
}

func (unable) LeadUncompacted(int32) error {
	return fmt.Errorf("let a replica lead that has not compacted: %w", errUnable)
}

func (unable) LeadCompacted(int32) error {
	return fmt.Errorf("let a replica lead that has compacted: %w", errUnable)
}

func (unable) OutOfSync(int32) (fakecluster.Effect, error) {
	return nil, fmt.Errorf("take a replica out of sync: %w", errUnable)
}

func (unable) AlterTopic(map[string]string) error {
	return fmt.Errorf("alter the topic: %w", errUnable)
}

func (unable) ChangePassword(string, bool) error {
	return fmt.Errorf("change a password: %w", errUnable)
}

func (unable) Allow(string, []kmsg.ACLOperation) error {
	return fmt.Errorf("give a right: %w", errUnable)
}

func (unable) Revoke(string, []kmsg.ACLOperation) error {
	return fmt.Errorf("take a right: %w", errUnable)
}
