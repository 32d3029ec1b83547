package kvstore

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A request whose context has ended is what was waited for, until the next one is sent or nobody waits.
func TestRequestThatWasGivenUpIsNotNamedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var u unanswered
		ctx := u.within(t.Context())
		giveUp := func() {
			one, cancel := context.WithCancel(ctx)
			first := asking(one, "Fetch", 1, 0)
			if nested := asking(one, "Metadata", 2, 0); nested != nil {
				t.Fatal("a request within another one is noted")
			}
			time.Sleep(time.Second)
			cancel()
			first.answered(one)
		}
		giveUp()
		if p := u.problem(0); p.Count == 0 || p.Err.Error() != "no answer of broker 1 to Fetch for 1s" {
			t.Errorf("problem = %v, want the request whose context has ended", p.Err)
		}
		next := asking(ctx, "ListOffsets", 3, 0)
		time.Sleep(2 * time.Second)
		if p := u.problem(0); p.Count == 0 || p.Err.Error() != "no answer of broker 3 to ListOffsets for 2s" {
			t.Errorf("problem = %v, want the request that was sent last", p.Err)
		}
		next.answered(ctx)
		if p := u.problem(0); p.Count != 0 {
			t.Errorf("problem = %v after the answer", p.Err)
		}
		giveUp()
		u.forget()
		if p := u.problem(0); p.Count != 0 {
			t.Errorf("problem = %v of a request that was dropped", p.Err)
		}
	})
}
