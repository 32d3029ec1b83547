package sim_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/kvstore"
	lin "github.com/kvsim/kvsim/linearizability"
	"github.com/kvsim/kvsim/scenarios"
	"github.com/kvsim/kvsim/sim"
)

// The simulator is worth nothing unless it finds bugs. Each test plants one and
// asks that it is found, by the check that is named for it.

func TestPlantedBugIsFound(t *testing.T) {
	tests := []struct {
		name     string
		scenario string
		open     sim.OpenFunc
		want     []lin.CheckID // all of them have to find it
	}{
		{"put answers before the write is visible", "lag", openHasty, []lin.CheckID{lin.CheckWriteVisible, lin.CheckReadYourWrites}},
		{"tombstones are lost", "crash", openDeathless, []lin.CheckID{lin.CheckReadYourWrites, lin.CheckConvergence}},
		{"a barrier does not wait", "lag", openNoBarrier, []lin.CheckID{lin.CheckBarrier}},
		{"a put is acknowledged but never sent", "steady", openForgetful, []lin.CheckID{lin.CheckAckedOnce}},
		{"a batch is written one by one", "steady", openTorn, []lin.CheckID{lin.CheckBatchInLog}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := scenario(t, test.scenario)
			for seed := range uint64(10) {
				o := virtual(t, s.Plan(seed, scenarios.Knobs{}), sim.Env{Open: test.open})
				if o.Status != lin.Violated {
					continue
				}
				t.Logf("found by seed %d: %s", seed, firstLine(o.Verdict.Violations[0].Error()))
				for _, check := range test.want {
					if o.Verdict.Result(check).Violations == 0 {
						t.Errorf("%s did not find it", check)
					}
				}
				if t.Failed() {
					t.Log(o.Verdict)
				}
				return
			}
			t.Error("10 seeds did not find it")
		})
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// hasty answers a write when Kafka has it and does not wait until it is visible:
// the write goes through a producer of its own.
type hasty struct {
	sim.Client
	topic    string
	producer *kgo.Client
}

func openHasty(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
	c, err := sim.DefaultOpen(ctx, r)
	if err != nil {
		return nil, err
	}
	producer, err := kgo.NewClient(append(r.Kafka, kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		return nil, err
	}
	return &hasty{Client: c, topic: r.Topic, producer: producer}, nil
}

func (h *hasty) PutRevision(ctx context.Context, key, value []byte) (int64, error) {
	rec := &kgo.Record{Topic: h.topic, Key: key, Value: value, Timestamp: time.Now()}
	if err := h.producer.ProduceSync(ctx, rec).FirstErr(); err != nil {
		return -1, fmt.Errorf("%w: %w", kvstore.ErrOutcomeUnknown, err)
	}
	return rec.Offset, nil
}

func (h *hasty) Close() error {
	h.producer.Close()
	return h.Client.Close()
}

// deathless is a storage that does not know what a tombstone is.
type deathless struct{ kvstore.RecordStorage }

func (d deathless) ApplyRecords(ctx context.Context, records []kvstore.Record) error {
	var kept []kvstore.Record
	for _, r := range records {
		if !r.Delete {
			kept = append(kept, r)
		}
	}
	return d.RecordStorage.ApplyRecords(ctx, kept)
}

func openDeathless(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
	r.Storage = deathless{r.Storage}
	return sim.DefaultOpen(ctx, r)
}

// noBarrier takes Sync lightly.
type noBarrier struct{ sim.Client }

func (noBarrier) Sync(context.Context) error { return nil }

func openNoBarrier(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
	c, err := sim.DefaultOpen(ctx, r)
	return noBarrier{c}, err
}

// forgetful acknowledges every tenth put without sending it.
type forgetful struct {
	sim.Client
	n int
}

func (f *forgetful) PutRevision(ctx context.Context, key, value []byte) (int64, error) {
	if f.n++; f.n%10 == 0 {
		return -1, nil
	}
	return f.Client.PutRevision(ctx, key, value)
}

func openForgetful(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
	c, err := sim.DefaultOpen(ctx, r)
	return &forgetful{Client: c}, err
}

// torn writes the changes of a batch one after the other.
type torn struct{ sim.Client }

func (w torn) Execute(ctx context.Context, changes []sim.Change) (rev int64, err error) {
	for _, ch := range changes {
		if ch.Delete {
			rev, err = w.DeleteRevision(ctx, ch.Key)
		} else {
			rev, err = w.PutRevision(ctx, ch.Key, ch.Value)
		}
		if err != nil {
			return rev, err
		}
	}
	return rev, nil
}

func openTorn(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
	c, err := sim.DefaultOpen(ctx, r)
	return torn{c}, err
}
