package sim_test

import (
	"context"
	"reflect"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/kvsim/kvsim/internal/recordlog"
	"github.com/kvsim/kvsim/scenarios"
	"github.com/kvsim/kvsim/sim"
)

// TestClientsDecompressInBubbles looks at the options of a world's clients: franz-go's own
// decompressor can't be used in a bubble, see recordlog.Decompressor.
func TestClientsDecompressInBubbles(t *testing.T) {
	var opened atomic.Int64
	virtual(t, scenario(t, "steady").Plan(1, scenarios.Knobs{Ops: 1}), sim.Env{Open: func(ctx context.Context, r sim.OpenRequest) (sim.Client, error) {
		opened.Add(1)
		cl, err := kgo.NewClient(r.Kafka...)
		if err != nil {
			return nil, err
		}
		defer cl.Close()
		if got := cl.OptValue(kgo.WithDecompressor); reflect.TypeOf(got) != reflect.TypeOf(recordlog.Decompressor()) {
			t.Errorf("%s decompresses with a %T", r.Client, got)
		}
		return sim.DefaultOpen(ctx, r)
	}})
	if opened.Load() == 0 {
		t.Error("no client was opened")
	}
}
