package undo

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/kvsim/kvsim/kvstore/memory/internal/item"
)

func of(key, value string) *item.Item { return item.Pack([]byte(key), []byte(value), item.Stamp{}) }

// TestFirstOfSeveralChangesOfAKeyCounts adds keys whose hashes collide, and some twice.
func TestFirstOfSeveralChangesOfAKeyCounts(t *testing.T) {
	const keys = 50
	for _, hashes := range []uint32{1, 3, 1 << 20} {
		l := New(2 * keys)
		for round := range 2 {
			for i := range keys {
				var old *item.Item
				if i%5 > 0 {
					old = of(fmt.Sprint(i), fmt.Sprintf("old %d", round))
				}
				l.Add(uint32(i)%hashes, of(fmt.Sprint(i), "new"), old)
			}
		}
		for i := range 2 * keys {
			old, ok := l.Find(uint32(i)%hashes, fmt.Append(nil, i))
			if ok != (i < keys) || (old != nil) != (ok && i%5 > 0) || old != nil && string(old.Value()) != "old 0" {
				t.Errorf("%d hashes: Find(%d) = %v, %v", hashes, i, old, ok)
			}
		}
	}
}

func TestEveryKeyIsFoundAfterAllAreRemoved(t *testing.T) {
	a := of("a", "1")
	l := Everything(func(_ uint32, key []byte) *item.Item {
		if string(key) == "a" {
			return a
		}
		return nil
	})
	if old, ok := l.Find(1, []byte("a")); old != a || !ok {
		t.Errorf("Find of a key that was there = %v, %v", old, ok)
	}
	if old, ok := l.Find(1, []byte("b")); old != nil || !ok {
		t.Errorf("Find of a key that was not there = %v, %v, want that it is known", old, ok)
	}
}

// TestLogHasRoomForEveryKey fills logs to the last key that they were made for: a search
// for another one has to end.
func TestLogHasRoomForEveryKey(t *testing.T) {
	for n := range 70 {
		l := New(n)
		for i := range n {
			l.Add(uint32(i*i), of(fmt.Sprint(i), ""), nil)
		}
		if _, ok := l.Find(7, []byte("another")); ok {
			t.Errorf("a log of %d keys has one that nobody added", n)
		}
	}
}

// TestReaderFindsAWholeImageOrNone looks for keys while they are added.
func TestReaderFindsAWholeImageOrNone(t *testing.T) {
	const keys = 2000
	l := New(keys)
	var done atomic.Bool
	var readers sync.WaitGroup
	for r := range 2 {
		readers.Go(func() {
			for i := r; !done.Load(); i++ {
				k := fmt.Sprint(i % keys)
				if old, ok := l.Find(uint32(i%keys)/3, []byte(k)); ok && (old == nil || string(old.Value()) != k) {
					t.Errorf("key %s had %v", k, old)
					return
				}
			}
		})
	}
	for i := range keys {
		k := fmt.Sprint(i)
		l.Add(uint32(i)/3, of(k, "new"), of(k, k))
	}
	done.Store(true)
	readers.Wait()
}
