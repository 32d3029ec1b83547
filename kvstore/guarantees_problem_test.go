package kvstore_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

// An application that hangs in a transaction keeps all data behind it from being shown.
// That has to be seen without calling anything that waits.
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
		if !errors.Is(p.Err, kvstore.ErrOpenTransaction) || !strings.Contains(p.Err.Error(), "open transaction") {
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

// A caller that waits learns what blocked it, and how often that was met.
func TestEveryWaitNamesTheCauseAndHowOften(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		c := w.open("c")
		rev := w.put(c, "a", "1")
		defer w.transaction("theirs", record("b", "1"))(true)
		a := w.answers("d")
		for name, wait := range map[string]func() error{
			"Sync":         func() error { return c.Sync(w.within(5 * time.Second)) },
			"WaitRevision": func() error { return c.WaitRevision(w.within(5*time.Second), rev+1) },
			"Put":          func() error { return c.Put(w.within(5*time.Second), []byte("a"), []byte("2")) },
			"NewClient": func() error {
				_, err := kvstore.NewClient(w.within(5*time.Second), topic, memory.New(), w.options("d", a.option())...)
				return err
			},
		} {
			err := wait()
			var we *kvstore.WaitError
			if !errors.As(err, &we) || we.Cause == nil || !strings.Contains(we.Cause.Error(), "open transaction") || we.Count < 3 {
				t.Errorf("%s = %v, want the open transaction, met several times", name, err)
			}
		}
		a.set(func(r *reply) {
			if l, ok := r.resp.(*kmsg.ListOffsetsResponse); ok {
				l.Topics[0].Partitions[0].ErrorCode = kerr.OffsetNotAvailable.Code
			}
		})
		_, err := kvstore.NewClient(w.within(5*time.Second), topic, memory.New(), w.options("d", a.option())...)
		var we *kvstore.WaitError
		if !errors.As(err, &we) || !errors.Is(we.Cause, kerr.OffsetNotAvailable) || we.Count < 3 {
			t.Errorf("NewClient = %v, want OFFSET_NOT_AVAILABLE, met several times", err)
		}
	})
}

// Nobody but Sync asks for the log's end while all goes well with the fetches.
func TestWhatHoldsUpSyncAloneShowsInStatusAndLog(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		a := w.answers("c")
		c := w.open("c", a.option())
		w.put(c, "a", "1")
		a.set(func(r *reply) {
			if l, ok := r.resp.(*kmsg.ListOffsetsResponse); ok {
				l.Topics[0].Partitions[0].ErrorCode = kerr.KafkaStorageError.Code
			}
		})
		err := c.Sync(w.within(5 * time.Second))
		var we *kvstore.WaitError
		if !errors.As(err, &we) || !errors.Is(we.Cause, kerr.KafkaStorageError) || we.Count < 3 {
			t.Errorf("Sync = %v, want KAFKA_STORAGE_ERROR, met several times", err)
		}
		if p := c.Status().Reading; !errors.Is(p.Err, kerr.KafkaStorageError) || p.Count < 3 {
			t.Errorf("Status().Reading = %+v, want KAFKA_STORAGE_ERROR", p)
		}
		logged := 0
		for _, m := range w.logs.all() {
			if strings.Contains(m, "KAFKA_STORAGE_ERROR") {
				logged++
			}
		}
		if logged < 3 || logged > 12 {
			t.Errorf("%d messages in 5 s, want about one a second", logged)
		}
		a.set(nil)
		if err := c.Sync(w.within(5 * time.Second)); err != nil {
			t.Error(err)
		}
		if p := c.Status().Reading; p.Count != 0 {
			t.Errorf("Status().Reading = %+v once all is well, want none", p)
		}
	})
}
