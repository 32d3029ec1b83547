package kvstore_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstoretest"
)

// A client is about to reread the log after a long absence. Before it asks where the log begins,
// the log loses its tail, others fill it up again, and its start is deleted, up to anywhere. Hooks
// are told first of what differs, and then of each record that is new.
func TestHooksAreToldOfALossBeforeTheRebuildAfterAnAbsence(t *testing.T) {
	const read, left = 6, 3 // how much the client had read, and how much of it was left
	for state, begin := range map[string]func(*world, *hookBook) (open func() *kvstore.Client, back func()){
		"open": awayWhenOpen, "opening": awayWhileOpening,
	} {
		for i := range int64(2 * (read + 3)) {
			start, twice := i/2, i%2 > 0
			if twice && start < left { // what is gone is told at the end then
				continue
			}
			t.Run(fmt.Sprintf("%s, log begins at %d, reread twice %v", state, start, twice), func(t *testing.T) {
				inWorld(t, append(keepingTombstones(2, 10*time.Minute), kvstoretest.WithTimeout(time.Hour)), func(t *testing.T, w *world) {
					other := w.kafka("other")
					for i := range read {
						w.produce(other, record(fmt.Sprint("a", i), "1"))
					}
					var hooks hookBook
					open, back := begin(w, &hooks)
					fetches := w.hideLog("c")
					back()
					time.Sleep(5 * time.Second) // its next fetch is under way
					offsets := w.On(kvstoretest.Traffic{Clients: []string{"c"}, APIs: []kmsg.Key{kmsg.ListOffsets}}).Stall()
					fetches.Undo()
					time.Sleep(time.Second) // it wants to know where the log begins
					w.loseTail(left)
					for i := range read {
						w.produce(other, record(fmt.Sprint("b", i), "1"))
					}
					if start > 0 {
						w.DeleteRecords(start)
					}
					fetches = w.hideLog("c")
					offsets.Undo()
					if twice {
						time.Sleep(15 * time.Minute)
					}
					fetches.Undo()
					c := open()
					must(t, c.Sync(w.within(5*time.Minute)))
					if got, want := w.contents(c), w.contents(w.open("fresh")); got != want {
						t.Errorf("the client holds %s\nand one that opened later %s", got, want)
					}
					if got, want := hooks.all()[read:], deletedAndSet(read, left, start); !slices.Equal(got, want) {
						t.Errorf("hooks were told %q, want %q", got, want)
					}
				})
			})
		}
	}
}

// deletedAndSet is what hooks are told when of so many records as were read of a log so many are
// left, then as many others were written, and then the log was deleted up to start.
func deletedAndSet(read, left, start int64) (calls []string) {
	for i := range read {
		if i < start || i >= left {
			calls = append(calls, fmt.Sprint("delete a", i))
		}
	}
	for at := max(left, start); at < left+read; at++ {
		calls = append(calls, fmt.Sprintf("set b%d=1", at-left))
	}
	return calls
}

// awayWhenOpen opens a client, and cuts it off for long while the log goes on.
func awayWhenOpen(w *world, hooks *hookBook) (open func() *kvstore.Client, back func()) {
	c := w.open("c", hooks.options()...)
	must(w.t, c.Sync(w.within(time.Minute)))
	back = w.cutOff("c")
	w.Append(kvstoretest.Set("x", "1"))
	time.Sleep(15 * time.Minute)
	return func() *kvstore.Client { return c }, back
}

// awayWhileOpening is awayWhenOpen, and keeps the client from having read all that is in the log by a
// transaction that is open until the client is away.
func awayWhileOpening(w *world, hooks *hookBook) (open func() *kvstore.Client, back func()) {
	txn := w.Begin()
	txn.Append(kvstoretest.Set("x", "1"))
	open = w.opening("c", append(hooks.options(), kvstore.WithFailFast(false))...)
	time.Sleep(10 * time.Second)
	back = w.cutOff("c")
	txn.Commit()
	time.Sleep(15 * time.Minute)
	return open, back
}
