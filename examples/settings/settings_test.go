package settings_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"

	"example.com/settings"
)

func TestLimitIsReadBack(t *testing.T) {
	t.Parallel()
	s := settings.New(kvstoretest.NewStore(t))
	if err := s.SetLimit(t.Context(), "uploads", 5); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Limit(t.Context(), "uploads", 1); got != 5 || err != nil {
		t.Errorf("Limit = %d, %v, want 5", got, err)
	}
	if err := s.ClearLimit(t.Context(), "uploads"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Limit(t.Context(), "uploads", 1); got != 1 || err != nil {
		t.Errorf("Limit after ClearLimit = %d, %v, want the fallback 1", got, err)
	}
	if err := s.SetLimit(t.Context(), "uploads", -1); err == nil {
		t.Error("SetLimit(-1) = nil, want an error")
	}
}

func TestLatestLimitSeesOtherProcesses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit := kvstoretest.New(t)
		here, there := settings.New(kit.Open("here")), settings.New(kit.Open("there"))
		kit.Lag(5*time.Second, "there")
		if err := here.SetLimit(t.Context(), "uploads", 5); err != nil {
			t.Fatal(err)
		}
		if got, err := there.Limit(t.Context(), "uploads", 1); got != 1 || err != nil {
			t.Errorf("Limit of a process that lags = %d, %v, want the fallback 1", got, err)
		}
		if got, err := there.LatestLimit(t.Context(), "uploads", 1); got != 5 || err != nil {
			t.Errorf("LatestLimit = %d, %v, want 5", got, err)
		}
	})
}

func TestBrokenValueIsReported(t *testing.T) {
	t.Parallel()
	kit := kvstoretest.New(t)
	kit.Seed(map[string]string{"limit/uploads": "many"})
	if _, err := settings.New(kit.Client()).Limit(t.Context(), "uploads", 1); err == nil {
		t.Error("Limit of a value that is no number = nil, want an error")
	}
}

func TestLostAnswerIsNoFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit := kvstoretest.New(t)
		s := settings.New(kit.Client())
		lost := kit.LoseAnswers(0)
		kit.PauseFetches()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.SetLimit(ctx, "uploads", 5); !errors.Is(err, kvstore.ErrOutcomeUnknown) {
			t.Errorf("SetLimit = %v, want ErrOutcomeUnknown", err)
		}
		lost.Wait(1)
		kit.WantSnapshot(map[string]string{"limit/uploads": "5"})
	})
}

// TestHistoryUnderFaults lets two processes work while brokers restart, and has
// the last line judge what all of them saw.
func TestHistoryUnderFaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kit := kvstoretest.New(t, kvstoretest.WithBrokers(3), kvstoretest.WithLatency(time.Millisecond))
		var all sync.WaitGroup
		for _, name := range []string{"a", "b"} {
			s := settings.New(kit.Record(kit.Open(name)))
			all.Go(func() {
				for i := range 30 {
					if err := s.SetLimit(t.Context(), "uploads", i); err != nil {
						t.Errorf("SetLimit = %v", err)
					}
					if _, err := s.LatestLimit(t.Context(), "uploads", 0); err != nil {
						t.Errorf("LatestLimit = %v", err)
					}
				}
			})
		}
		kit.Lag(50*time.Millisecond, "b")
		kit.LoseAnswers(3)
		kit.RestartBrokers()
		kit.MoveLeader(1)
		kit.Compact()
		all.Wait()
		kit.CheckHistory()
	})
}
