package kvstore

import (
	"errors"
	"slices"
	"testing"

	"github.com/kvsim/kvsim/kvstore/internal/position"
)

// enough is a limit that holds all writes of these tests.
const enough = 1 << 20

func queueOf(n int) (*queue, []*write) {
	w, q := &writer{}, &queue{wake: make(chan struct{}, 1)}
	for range n {
		wr := w.newWrite([]change{{key: []byte("k")}}, batchOverhead+10, w.deadline())
		_ = q.add(wr)
	}
	return q, slices.Clone(q.waiting)
}

func TestWithdrawnWritesAreNotSentAndNotKept(t *testing.T) {
	const n = 1000
	q, all := queueOf(n)
	var stay []*write
	for i, wr := range all {
		if i%10 == 3 {
			stay = append(stay, wr)
			continue
		}
		if !q.withdraw(wr) {
			t.Fatal("withdraw of a write that queues = false")
		}
		if len(q.waiting) > 2*(q.length()+1) {
			t.Fatalf("the queue keeps %d for %d that queue", len(q.waiting), q.length())
		}
	}
	if q.length() != len(stay) {
		t.Errorf("length() = %d, want %d", q.length(), len(stay))
	}
	if got := q.next(enough); !slices.Equal(got, stay) {
		t.Errorf("next() has %d writes, want the %d that stayed, in order", len(got), len(stay))
	}
	if q.length() != 0 || len(q.waiting) != 0 {
		t.Errorf("%d queue, and %d are kept, want none", q.length(), len(q.waiting))
	}
}

// What can be taken back is what queues, and the front until it is handed over.
func TestWithdrawGoesByWhereTheWriteIs(t *testing.T) {
	q, all := queueOf(2)
	all[1].alone = true
	first := q.next(enough)
	q.putBack(first)
	if got := q.next(enough); !slices.Equal(got, first) || q.length() != 1 {
		t.Fatalf("next() after putBack = %d writes, %d queue", len(got), q.length())
	}
	if !q.handOver() {
		t.Fatal("handOver() = false")
	}
	if q.withdraw(first[0]) {
		t.Error("withdraw of what was handed over = true")
	}
	q.next(enough) // the other one, which is not handed over
	if q.withdraw(first[0]) {
		t.Error("withdraw of a write of an earlier group = true")
	}
	if !q.withdraw(all[1]) || q.handOver() {
		t.Error("the front can't be taken back before it is handed over")
	}
	q, all = queueOf(2)
	q.withdraw(all[0])
	q.fail(errors.New("over"))
	if q.withdraw(all[1]) || q.length() != 0 {
		t.Error("withdraw of what failed while it queued = true")
	}
	select {
	case <-all[0].visible.Ready():
		t.Error("a write that was withdrawn was ended, too")
	default:
	}
}

func queueWith(t *testing.T, group ...*write) *queue {
	t.Helper()
	q := &queue{wake: make(chan struct{}, 1)}
	for _, wr := range group {
		wr.visible = position.NewWaiter()
		if err := q.add(wr); err != nil {
			t.Fatal(err)
		}
	}
	return q
}

func TestGroupsFitTheLimitAndKeepTheOrder(t *testing.T) {
	t.Parallel()
	sized := func(size int) *write {
		wr := writesOf(1)[0]
		wr.size = size
		return wr
	}
	all := []*write{sized(40), sized(40), sized(500), sized(40)}
	alone := sized(40)
	alone.alone = true
	all = append(all, alone, sized(40))
	q := queueWith(t, all...)
	var sizes []int
	var order []*write
	for group := q.next(batchOverhead + 100); group != nil; group = q.next(batchOverhead + 100) {
		sizes, order = append(sizes, len(group)), append(order, group...)
	}
	if want := []int{2, 1, 1, 1, 1}; !slices.Equal(sizes, want) || !slices.Equal(order, all) {
		t.Errorf("groups of %v writes, in order: %v; want %v in order", sizes, slices.Equal(order, all), want)
	}
}

func TestGroupsStaySmallWhileTheLimitIsTheOneThatWasWrong(t *testing.T) {
	t.Parallel()
	group := writesOf(1, 1, 1)
	for _, wr := range group {
		wr.size = 40
	}
	q := queueWith(t, group...)
	q.shrink(batchOverhead+50, 1000)
	if got := len(q.next(1000)); got != 1 {
		t.Errorf("a group of %d writes for the limit that was wrong, want 1", got)
	}
	if got := len(q.next(2000)); got != 2 {
		t.Errorf("a group of %d writes for another limit, want the 2 that are left", got)
	}
}

// Only what was certainly not sent can be taken back.
func TestWithdrawalByWhereTheWriteIs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		then func(q *queue)
		want bool
	}{
		"queues":             {func(*queue) {}, true},
		"on its way, unsent": {func(q *queue) { q.next(1000) }, true},
		"on its way, sent": {func(q *queue) {
			q.next(1000)
			q.handOver()
		}, false},
		"sent, certainly not appended": {func(q *queue) {
			q.next(1000)
			q.handOver()
			q.handBack(trial{})
		}, true},
		"sent, in doubt": {func(q *queue) {
			q.next(1000)
			q.handOver()
			q.handBack(trial{doubt: true})
		}, false},
		"over": {func(q *queue) {
			q.next(1000)
			q.next(1000)
		}, false},
	} {
		wr := writesOf(1)[0]
		q := queueWith(t, wr)
		c.then(q)
		if got := q.withdraw(wr); got != c.want {
			t.Errorf("%s: withdraw = %v, want %v", name, got, c.want)
		}
	}
}

func TestBatchWithAWithdrawnWriteIsNotSent(t *testing.T) {
	t.Parallel()
	group := writesOf(1, 1)
	q := queueWith(t, group...)
	q.next(1000)
	if !q.withdraw(group[0]) || q.handOver() {
		t.Fatal("a batch is sent with a write that was withdrawn")
	}
	q.putBack(group)
	if got := q.next(1000); !slices.Equal(got, group[1:]) || !q.handOver() {
		t.Errorf("then %d writes go out, want the one that was not withdrawn", len(got))
	}
}

func TestQueueThatFailedTakesAndKeepsNothing(t *testing.T) {
	t.Parallel()
	group := writesOf(1, 1)
	q := queueWith(t, group...)
	q.next(batchOverhead) // the first one
	q.fail(ErrClientClosed)
	q.putBack(group[:1])
	for i, wr := range group {
		select {
		case <-wr.visible.Ready():
			if !errors.Is(wr.res.outcome, ErrNotWritten) || !errors.Is(wr.res.cause, ErrClientClosed) {
				t.Errorf("write %d = %v because of %v, want %v", i, wr.res.outcome, wr.res.cause, ErrNotWritten)
			}
		default:
			t.Errorf("write %d has no outcome", i)
		}
	}
	if err := q.add(writesOf(1)[0]); !errors.Is(err, ErrClientClosed) || q.length() != 0 {
		t.Errorf("add = %v, with %d that queue, want %v and none", err, q.length(), ErrClientClosed)
	}
}

func TestDrainedOnceAllCallersHaveLeft(t *testing.T) {
	t.Parallel()
	q := queueWith(t, writesOf(1, 1)...)
	idle := q.drained()
	q.leave()
	select {
	case <-idle:
		t.Fatal("drained while a call is under way")
	default:
	}
	q.leave()
	<-idle
	<-q.drained()
}
