package kvstore_test

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// An application that hangs in a transaction keeps everybody's data from being
// shown. That has to be seen without calling anything that waits.
func TestHangingTransactionShowsInStatusAndLog(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c := w.open("c")
		w.put(c, "a", "1")
		if p := c.Status().Reading; p.Err != nil || p.Count != 0 || !p.Since.IsZero() {
			t.Errorf("Status().Reading = %+v before anything holds it up, want none", p)
		}
		end := w.transaction("theirs", record("b", "1"))
		began := time.Now()
		time.Sleep(10 * time.Second)
		p := c.Status().Reading
		if p.Err == nil || !strings.Contains(p.Err.Error(), "open transaction") {
			t.Fatalf("Status().Reading.Err = %v, want the open transaction", p.Err)
		}
		if p.Since.Sub(began).Abs() > 2*time.Second || p.Count < 5 {
			t.Errorf("Status().Reading = %d times since %v, want some since %v", p.Count, p.Since, began)
		}
		logged := 0
		for _, m := range w.logs.all() {
			if strings.Contains(m, "open transaction") {
				logged++
			}
		}
		if logged < 5 || logged > 12 {
			t.Errorf("%d messages in 10s of a transaction that hangs, want about one a second: %q", logged, w.logs.all())
		}
		end(true)
		w.eventually("nothing holds it up any more", func() bool { return c.Status().Reading.Count == 0 })
		if !slices.Contains(strings.Fields(w.contents(c)), "b=1") {
			t.Errorf("contents = %q, want b=1 in it", w.contents(c))
		}
	})
}
