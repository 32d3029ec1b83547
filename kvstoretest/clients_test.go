package kvstoretest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

func TestOpenOnTheTestsOwnStorage(t *testing.T) {
	kit := New(t)
	kit.Append(Set("k", "v"))
	storage := memory.New()
	kv := kit.OpenOn("a", storage)
	if got, err := storage.Get(t.Context(), []byte("k")); err != nil || string(got) != "v" {
		t.Errorf("the storage has %q, %v; want v", got, err)
	}
	kit.WantValue(kv, "k", "v")
}

func TestBrokersGivenToAClientWin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit := New(t)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		c, err := kit.TryOpen(ctx, "a", kvstore.WithBrokers("127.0.0.1:1"))
		if err == nil {
			_ = c.Close()
			t.Error("a client that was given another broker's address opened")
		}
	})
}

func TestFaultIsAwaitedFromAnyGoroutine(t *testing.T) {
	simulated(t, func(t *testing.T, kit *Kit, a, _ *kvstore.Client) {
		lost := kit.LoseAnswers(2, "a")
		result := make(chan error)
		go func() { result <- lost.TryWait(t.Context(), 2) }()
		put(t, a, "k", "1")
		put(t, a, "k", "2")
		if err := <-result; err != nil {
			t.Errorf("TryWait(2) = %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := kit.LoseAnswers(1, "a").TryWait(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("TryWait where nothing happens = %v, want the deadline", err)
		}
	})
}
