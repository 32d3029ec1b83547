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
	"throttle":            "a real broker throttles by a quota that takes it seconds to count",
	"answer-at-once":      "a real leader lets a fetch wait",
	"older-ends":          "a real leader's high watermark goes back when it likes",
	"hostile-batch":       "a real broker looks into what it appends, and the harness has no producer for it",
	"fail-fetch":          "a real broker answers what it likes",
	"stale-metadata":      "a real broker lags when it likes",
	"withhold-records":    "a real broker answers with a batch if there is one (KIP-74)",
	"below-min-insync":    "real replicas fall behind when they like; restart comes near",
	"alter-topic":         "the brokers act on a setting at a time of their own",
	"abandon-transaction": "a real coordinator ends it at a time of its own; transaction comes near",
	"load-coordinators":   "a real coordinator loads when it took over; restart comes near",
	"slow-markers":        "real markers take as long as they take",
	"move-coordinator":    "a real coordinator moves with its broker; restart comes near",
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

func (unable) FailFetches(fakecluster.FetchFault) (fakecluster.Effect, error) {
	return nil, fmt.Errorf("fail fetches: %w", errUnable)
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
