package registry

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func newCache(ttl time.Duration) *Registry {
	return &Registry{cfg: &Config{NegativeTTL: ttl}, good: map[int]*knownSchema{}, bad: map[int]badID{}}
}

func TestGoodAnswersStayAndBadOnesExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newCache(time.Minute)
		known := &knownSchema{listing: "User"}
		r.remember(1, known, nil)
		r.remember(2, nil, ErrMismatch)
		r.remember(3, nil, errDown) // says nothing of the schema
		if _, err := r.recall(2); !errors.Is(err, ErrMismatch) {
			t.Errorf("recall of a bad id = %v, want %v", err, ErrMismatch)
		}
		if schema, err := r.recall(3); schema != nil || err != nil {
			t.Errorf("recall of an id that was not answered = %v, %v, want nothing", schema, err)
		}
		time.Sleep(time.Hour) // virtual
		if schema, err := r.recall(1); schema != known || err != nil {
			t.Errorf("recall of a good id = %v, %v", schema, err)
		}
		if schema, err := r.recall(2); schema != nil || err != nil {
			t.Errorf("recall of an expired id = %v, %v, want nothing", schema, err)
		}
		r.remember(2, known, nil)
		if schema, err := r.recall(2); schema != known || err != nil || len(r.bad) != 0 {
			t.Errorf("recall of an id that got good = %v, %v, with %d bad ones", schema, err, len(r.bad))
		}
	})
}

func TestWithoutATTLBadAnswersAreNotRemembered(t *testing.T) {
	t.Parallel()
	r := newCache(0)
	r.remember(2, nil, ErrMismatch)
	if _, err := r.recall(2); err != nil || len(r.bad) != 0 {
		t.Errorf("recall = %v, with %d bad ids, want nothing", err, len(r.bad))
	}
}

func TestMemoryForBadIDsIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newCache(time.Hour)
		for id := range 2*maxBadIDs + 1 {
			r.remember(id, nil, ErrMismatch)
			time.Sleep(time.Millisecond) // virtual: each expires at a moment of its own
		}
		if len(r.bad) != maxBadIDs {
			t.Errorf("%d bad ids are remembered, want %d", len(r.bad), maxBadIDs)
		}
		if _, err := r.recall(0); err != nil {
			t.Errorf("recall of the oldest = %v, want nothing: it made room", err)
		}
		if _, err := r.recall(2 * maxBadIDs); !errors.Is(err, ErrMismatch) {
			t.Errorf("recall of the newest = %v, want %v", err, ErrMismatch)
		}
		time.Sleep(2 * time.Hour) // virtual
		r.remember(-1, nil, ErrMismatch)
		if len(r.bad) != 1 {
			t.Errorf("%d bad ids are remembered, want the one that has not expired", len(r.bad))
		}
	})
}
