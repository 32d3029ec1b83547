package invariant_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/kvsim/kvsim/kvstore/internal/invariant"
)

// recovered returns what fn panics with, nil if it does not.
func recovered(fn func()) (p any) {
	defer func() { p = recover() }()
	fn()
	return nil
}

func TestBrokenInvariantPanicsWithItsName(t *testing.T) {
	t.Parallel()
	p := recovered(func() { invariant.Check("I2", false, "done %d", 7) })
	v, ok := p.(*invariant.Violation)
	if !ok || v.Name != "I2" || !strings.HasPrefix(v.Error(), invariant.Marker) || !strings.HasSuffix(v.Error(), "I2: done 7") {
		t.Errorf("Check(false) = %v, want a violation of I2 with what was found", p)
	}
	if p := recovered(func() { invariant.Check("I2", true, "") }); p != nil {
		t.Errorf("Check(true) = %v", p)
	}
}

func TestViolationPassesWhereOtherPanicsEnd(t *testing.T) {
	t.Parallel()
	v := &invariant.Violation{Name: "I2"}
	if p := recovered(func() { invariant.Rethrow(v) }); p != v {
		t.Errorf("Rethrow of a violation = %v", p)
	}
	for _, other := range []any{nil, "boom", errors.New("boom")} {
		if p := recovered(func() { invariant.Rethrow(other) }); p != nil {
			t.Errorf("Rethrow(%v) = %v", other, p)
		}
	}
}

func TestLastRemembersWhileChecksAreOn(t *testing.T) {
	t.Parallel()
	var l invariant.Last[int]
	for _, v := range []int{1, 2} {
		want := v
		if invariant.On {
			want = v - 1
		}
		if got := l.Swap(v); got != want {
			t.Errorf("Swap(%d) = %d, want %d; checks are on: %v", v, got, want, invariant.On)
		}
	}
}

func TestWhatSeveralGoroutinesShareIsRememberedWhileChecksAreOn(t *testing.T) {
	t.Parallel()
	var (
		shared invariant.Shared[int]
		events invariant.Count
		last   invariant.Last[int]
	)
	if got := shared.Load() + int(events.Load()) + last.Value(); got != 0 {
		t.Errorf("before anything is remembered: %d, want 0", got)
	}
	shared.Store(5)
	events.Add()
	events.Add()
	last.Swap(7)
	want := [3]int{0, 0, 0}
	if invariant.On {
		want = [3]int{5, 2, 7}
	}
	if got := [3]int{shared.Load(), int(events.Load()), last.Value()}; got != want {
		t.Errorf("shared, count, last = %v, want %v; checks are on: %v", got, want, invariant.On)
	}
}
