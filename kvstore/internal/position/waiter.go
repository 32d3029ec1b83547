package position

import "github.com/kvsim/kvsim/kvstore/internal/invariant"

// A Waiter is released when the position reaches its target and nothing below it is
// missing, or with an error. It must
// not be copied once it was enlisted.
type Waiter struct {
	target int64
	number uint64     // in the order in which they came
	index  int        // in the heap; outside and released are below 0
	hoped  bool       // this client need not have heard that the log was ever that long
	ready  chan error // of capacity 1; gets one error, or nil
}

// Where a waiter is that is not in the heap.
const (
	outside  = -1 // not there yet
	released = -2 // its ready has the outcome
)

// NewWaiter returns a waiter that waits for nothing yet.
func NewWaiter() Waiter { return Waiter{index: outside, ready: make(chan error, 1)} }

// Ready receives how the wait ended, once: nil when the target was reached.
func (w *Waiter) Ready() <-chan error { return w.ready }

// Dismiss releases a waiter that was not enlisted and won't be: Ready receives nil. Only
// the owner of the waiter may call it, and only once.
func (w *Waiter) Dismiss() {
	if invariant.On {
		w.checkOnce()
	}
	w.ready <- nil
}

// Again returns a waiter as new, with the channel of w, whose one outcome was received.
func (w *Waiter) Again() Waiter { return Waiter{index: outside, ready: w.ready} }

// waitHeap orders waiters by target, lowest first.
type waitHeap []*Waiter

func (h *waitHeap) Len() int           { return len(*h) }
func (h *waitHeap) Less(i, j int) bool { return (*h)[i].target < (*h)[j].target }

func (h *waitHeap) Swap(i, j int) {
	a := *h
	a[i], a[j] = a[j], a[i]
	a[i].index, a[j].index = i, j
}

// Push is part of heap.Interface.
func (h *waitHeap) Push(x any) {
	w := x.(*Waiter)
	w.index = len(*h)
	*h = append(*h, w)
}

// Pop is part of heap.Interface.
func (h *waitHeap) Pop() any {
	old := *h
	w := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return w
}
