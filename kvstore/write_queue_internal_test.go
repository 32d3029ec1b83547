package kvstore

import (
	"errors"
	"slices"
	"testing"
)

func queueOf(n int) (*writer, []*write) {
	w := &writer{limit: func() byteLimit { return byteLimit{bytes: 1 << 20} }, stop: func(error) {}}
	for range n {
		wr := w.newWrite([]change{{key: []byte("k")}}, batchOverhead+10)
		w.queue = append(w.queue, wr)
	}
	return w, slices.Clone(w.queue)
}

func TestWithdrawnWritesAreNotSentAndNotKept(t *testing.T) {
	const n = 1000
	w, all := queueOf(n)
	var stay []*write
	for i, wr := range all {
		if i%10 == 3 {
			stay = append(stay, wr)
			continue
		}
		if !w.withdraw(wr) {
			t.Fatal("withdraw of a write that queues = false")
		}
		if len(w.queue) > 2*(w.queued()+1) {
			t.Fatalf("the queue keeps %d for %d that queue", len(w.queue), w.queued())
		}
	}
	if w.queued() != len(stay) {
		t.Errorf("queued() = %d, want %d", w.queued(), len(stay))
	}
	if got := w.next(); !slices.Equal(got, stay) {
		t.Errorf("next() has %d writes, want the %d that stayed, in order", len(got), len(stay))
	}
	if w.queued() != 0 || len(w.queue) != 0 {
		t.Errorf("%d queue, and %d are kept, want none", w.queued(), len(w.queue))
	}
}

// What can be taken back is what queues, and the front until it is handed over.
func TestWithdrawGoesByWhereTheWriteIs(t *testing.T) {
	w, all := queueOf(2)
	all[1].alone = true
	first := w.next()
	w.putBack(first)
	if got := w.next(); !slices.Equal(got, first) || w.queued() != 1 {
		t.Fatalf("next() after putBack = %d writes, %d queue", len(got), w.queued())
	}
	if !w.handOver() {
		t.Fatal("handOver() = false")
	}
	if w.withdraw(first[0]) {
		t.Error("withdraw of what was handed over = true")
	}
	w.next() // the other one, which is not handed over
	if w.withdraw(first[0]) {
		t.Error("withdraw of a write of an earlier group = true")
	}
	if !w.withdraw(all[1]) || w.handOver() {
		t.Error("the front can't be taken back before it is handed over")
	}
	w, all = queueOf(2)
	w.withdraw(all[0])
	w.fail(errors.New("over"))
	if w.withdraw(all[1]) || w.queued() != 0 {
		t.Error("withdraw of what failed while it queued = true")
	}
	select {
	case <-all[0].visible.Ready():
		t.Error("a write that was withdrawn was ended, too")
	default:
	}
}
