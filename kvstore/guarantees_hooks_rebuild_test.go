package kvstore_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

// While the client rereads a log that lost records it calls hooks before reads pass. What
// WaitRevision says in a hook is what the hook's reads show.
func TestWaitRevisionInAHookSaysWhatItsReadsShow(t *testing.T) {
	inWorld(t, slow(1), func(t *testing.T, w *world) {
		var c *kvstore.Client
		said := map[kvstore.State]int{}
		c = w.open("c", kvstore.WithOnSetHook(func(k, v []byte) {
			revision, err := strconv.ParseInt(string(v), 10, 64)
			if err != nil {
				t.Errorf("value = %q", v)
			}
			state := c.Status().State
			said[state]++
			waited := c.WaitRevision(t.Context(), revision)
			e, read := c.GetEntry(t.Context(), k)
			switch {
			case waited == nil && (read != nil || e.Revision < revision):
				t.Errorf("WaitRevision(%d) in a hook = nil while %v, but GetEntry = %d, %v", revision, state, e.Revision, read)
			case waited != nil && (!errors.Is(waited, kvstore.ErrHookReentry) || read == nil):
				t.Errorf("WaitRevision(%d) in a hook = %v while %v, but GetEntry = %d, %v", revision, waited, state, e.Revision, read)
			}
		}))
		write := func(n int) {
			for range n {
				end := strconv.FormatInt(w.End(), 10)
				w.Append(kvstoretest.Set("k"+end, end))
			}
		}
		write(5)
		if err := c.Sync(w.within(time.Minute)); err != nil {
			t.Fatal(err)
		}
		hidden := w.hideLog("c")
		w.loseTail(3)
		write(4)
		hidden.Undo()
		time.Sleep(time.Minute)
		write(2)
		if err := c.Sync(w.within(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if c.Status().Rebuilds != 1 || said[kvstore.StateRebuilding] == 0 || said[kvstore.StateLive] == 0 {
			t.Errorf("%d rebuilds, hooks were called while %v; want one, and hooks before, during and after it", c.Status().Rebuilds, said)
		}
	})
}
