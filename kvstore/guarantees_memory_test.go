package kvstore_test

import (
	"errors"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

// left are weak pointers to what a client and its caller held.
type left struct {
	client  weak.Pointer[kvstore.Client]
	storage weak.Pointer[memory.Storage]
	value   weak.Pointer[[1 << 16]byte] // what its hook refers to
}

// live returns what of it is still in memory.
func (l left) live() (names []string) {
	runtime.GC()
	runtime.GC() // the first may only have found what pools held
	if l.client.Value() != nil {
		names = append(names, "the client")
	}
	if l.storage.Value() != nil {
		names = append(names, "its storage")
	}
	if l.value.Value() != nil {
		names = append(names, "what its hook refers to")
	}
	return names
}

// TestNothingOfAClosedClientStaysInMemory opens clients, which nothing refers to afterwards, with calls
// that were under way when they were closed and with calls that had failed.
func TestNothingOfAClosedClientStaysInMemory(t *testing.T) {
	inWorld(t, withTopic(3), func(t *testing.T, w *world) {
		use := func(t *testing.T, end func(*kvstore.Client)) left {
			s, held := memory.New(), new([1 << 16]byte)
			c, err := kvstore.NewClient(t.Context(), topic, s, w.options("c", kvstore.WithOnSetHook(func(_, v []byte) { copy(held[:], v) }))...)
			must(t, err)
			w.put(c, "a", "1")
			_, err = c.Get(t.Context(), []byte("a"))
			must(t, err)
			must(t, c.Sync(t.Context()))
			end(c)
			return left{weak.Make(c), weak.Make(s), weak.Make(held)}
		}
		for name, end := range map[string]func(*kvstore.Client){
			"Close":    func(c *kvstore.Client) { must(t, c.Close()) },
			"Shutdown": func(c *kvstore.Client) { must(t, c.Shutdown(t.Context())) },
			"Close with calls under way": func(c *kvstore.Client) {
				hold := w.On(target("c")).Stall()
				defer hold.Undo()
				over := make(chan error, 2)
				go func() { over <- c.Put(t.Context(), []byte("b"), []byte("2")) }()
				go func() { over <- c.Sync(t.Context()) }()
				time.Sleep(time.Second)
				must(t, c.Close())
				for range 2 {
					if err := <-over; !errors.Is(err, kvstore.ErrClientClosed) {
						t.Errorf("a call under way = %v, want ErrClientClosed", err)
					}
				}
			},
		} {
			l := use(t, end)
			time.Sleep(time.Minute) // timers may refer to a client for a while
			if live := l.live(); len(live) > 0 {
				t.Errorf("a minute after %s there is still %q", name, live)
			}
		}
	})
}
