package kvstore

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A quota that writes have used up shows while it lasts.
func TestQuotaOfWritesIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &writer{quota: &quota{}, health: newHealth()}
		w.health.writeQuota = w.quota.problem
		w.quota.OnBrokerThrottle(kgo.BrokerMetadata{NodeID: 7}, 5*time.Second, true)
		err := w.because(context.DeadlineExceeded)
		if !errors.Is(err, ErrThrottled) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "broker 7") {
			t.Errorf("error = %v, want it to name the quota", err)
		}
		if p := w.health.writeProblem(); !errors.Is(p.Err, ErrThrottled) {
			t.Errorf("Status.Writing = %+v, want the quota", p)
		}
		time.Sleep(10 * time.Second)
		if err := w.because(context.DeadlineExceeded); errors.Is(err, ErrThrottled) {
			t.Errorf("error = %v, after the quota is over", err)
		}
		if p := w.health.writeProblem(); p != (Problem{}) {
			t.Errorf("Status.Writing = %+v, after the quota is over", p)
		}
	})
}
