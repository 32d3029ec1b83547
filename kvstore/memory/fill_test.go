package memory

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory/internal/chunk"
)

// TestFillingFollowsModel compares a storage with a sorted map after random writes and
// Resets, and after the first read.
func TestFillingFollowsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(drawOptions(t))
		s := m.storages[0]
		t.Repeat(map[string]func(*rapid.T){
			"set":          m.set,
			"setLarge":     m.setLarge,
			"delete":       m.delete,
			"applyBatch":   m.applyBatch,
			"applyRecords": m.applyRecords,
			"applyRun":     m.applyRun,
			"deleteRun":    m.deleteRun,
			"reset":        m.reset,
			"": func(t *rapid.T) {
				if s.asked.Load() {
					t.Fatal("a storage that nobody has read is read")
				}
				s.filling.Check()
			},
		})
		total, live := inChunks(s)
		s.ask()
		if size, had := inChunks(s); size > total || had != live {
			t.Fatalf("%d bytes of chunks, of which %d are alive, became %d and %d", total, live, size, had)
		}
		m.checkNow(t)
		m.get(t)
	})
}

// setLarge sets values around the size that has an allocation of its own.
func (m *machine) setLarge(t *rapid.T) {
	key := anyKey.Draw(t, "key")
	value := bytes.Repeat([]byte{'x'}, rapid.IntRange(chunk.Small-30, chunk.Small+10).Draw(t, "size"))
	m.each(t, func(s *Storage) error { return s.Set(context.Background(), key, value) })
	m.model[string(key)] = modelValue{value: string(value), revision: -1}
}

// TestFillingEndsWhenItHasNoRoom fills a storage whose items lie alone, until there are no
// numbers for them any more.
func TestFillingEndsWhenItHasNoRoom(t *testing.T) {
	const batch, most = 10_000, 300_000
	ctx := context.Background()
	alone := usual
	alone.blocks = false
	s := open(alone)
	mustNot(t, s.Set(ctx, key(0), []byte("before")))
	count := 1
	for ; !s.asked.Load() && count < most; count += batch {
		var records []kvstore.Record
		for i := range batch {
			records = append(records, kvstore.Record{Key: key(count + i)})
		}
		mustNot(t, s.ApplyRecords(ctx, records))
	}
	if !s.asked.Load() || count < 200_000 {
		t.Fatalf("the filling has ended: %v, with %d items; want that there is room for 200,000 and not for 300,000", s.asked.Load(), count)
	}
	if v, err := s.Get(ctx, key(0)); err != nil || string(v) != "before" {
		t.Errorf("key 0 = %q, %v", v, err)
	}
	checkNow(t, s, true)
	if n := len(keysOf(s.latest())); n != count {
		t.Errorf("%d keys, want %d", n, count)
	}
}

// TestGetAfterAResetSeesWhatWasFilledThen has readers look between a write and the next
// Reset: what was filled in then is seen, though the storage had been read before.
func TestGetAfterAResetSeesWhatWasFilledThen(t *testing.T) {
	withAndWithout(t, getAfterAResetSeesWhatWasFilledThen)
}

func getAfterAResetSeesWhatWasFilledThen(t *testing.T, o options) {
	const keys = 3
	ctx := context.Background()
	s := open(o)
	var filled atomic.Uint64 // the fill that is there now, 0 while there may be none
	var done atomic.Bool
	var readers sync.WaitGroup
	for r := range 2 {
		readers.Go(func() {
			for i := r; !done.Load(); i++ {
				before := filled.Load()
				v, err := s.Get(ctx, key(i%keys))
				if before == 0 || filled.Load() != before {
					continue
				}
				if err != nil || binary.BigEndian.Uint64(v) != before {
					t.Errorf("get shows %x, %v while fill %d is there", v, err, before)
					return
				}
			}
		})
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range uint64(o.times(20_000)) {
		mustNot(t, s.ApplyRecords(ctx, uniform(keys, i+1)))
		filled.Store(i + 1)
		for range rng.IntN(3) {
			if _, err := s.Get(ctx, key(0)); err != nil {
				t.Error(err)
			}
		}
		filled.Store(0)
		mustNot(t, s.Reset(ctx))
	}
	done.Store(true)
	readers.Wait()
}
