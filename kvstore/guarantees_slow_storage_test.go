package kvstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kvsim/kvsim/kvstore"
)

// sluggish is a storage whose writes wait until they are let through.
type sluggish struct {
	*plainStorage
	pass chan struct{} // closed: nothing waits
}

func (s sluggish) Set(ctx context.Context, key, value []byte) error {
	<-s.pass
	return s.plainStorage.Set(ctx, key, value)
}

// A storage takes long for one change. Reads of a storage without versions wait for it, and so
// do writes: Status and their errors say for what.
func TestSlowStorageIsNamed(t *testing.T) {
	inWorld(t, withTopic(1), func(t *testing.T, w *world) {
		s := sluggish{newPlain(), make(chan struct{})}
		c := w.openOn("c", s)
		w.produce(w.kafka("other"), record("k", "v"))
		time.Sleep(1500 * time.Millisecond)
		began := time.Now()
		if _, err := c.Get(w.within(time.Second), []byte("a")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Get while the storage is busy = %v, want it to wait for the end of its context", err)
		}
		const want = "the storage has been busy with a change for"
		p := c.Status().Reading
		if !errors.Is(p.Err, kvstore.ErrStorage) || !strings.Contains(p.Err.Error(), want) || p.Count != 1 || !p.Since.Before(began) {
			t.Errorf("Status().Reading = %+v, want %q since before the read", p, want)
		}
		var wait *kvstore.WaitError
		if err := c.Sync(w.within(time.Second)); !errors.As(err, &wait) || !strings.Contains(err.Error(), want) {
			t.Errorf("Sync = %v, want %q as its cause", err, want)
		}
		if err := c.Put(w.within(time.Second), []byte("x"), nil); !errors.Is(err, kvstore.ErrNotVisible) || !strings.Contains(err.Error(), want) {
			t.Errorf("Put = %v, want it not visible yet because of %q", err, want)
		}
		close(s.pass)
		if err := c.Sync(w.within(10 * time.Second)); err != nil {
			t.Error(err)
		}
		if p := c.Status().Reading; p != (kvstore.Problem{}) {
			t.Errorf("Status().Reading afterwards = %+v, want nothing", p)
		}
		w.want(c, "k", "v")
	})
}
