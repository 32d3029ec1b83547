package memory

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory/internal/chunk"
)

// checkFilling returns how the table, the chunks and their counts differ, or nil.
func checkFilling(f *filling) error {
	var err error
	wrong := func(what string, got, want any) {
		err = errors.Join(err, fmt.Errorf("%s: %v, want %v", what, got, want))
	}
	live := map[int]int{}
	count, weighed, small := 0, 0, 0
	for at, p := range f.places {
		if p == 0 {
			continue
		}
		it := f.packed.item(p.ref())
		if found, ok := f.locate(p.hash(), it.Key()); !ok || found != at {
			wrong(fmt.Sprintf("place of %q", it.Key()), found, at)
		}
		count++
		weighed += it.Weight()
		if it.Chunked() {
			small += chunk.Align(it.Size())
			live[p.ref().chunk()] += chunk.Align(it.Size())
		} else {
			live[p.ref().chunk()] += it.Size()
		}
	}
	if n := len(f.places); count != f.count || count > n/4*3 || n > leastPlaces && count < n/8 {
		wrong(fmt.Sprintf("keys in %d places", len(f.places)), f.count, count)
	}
	if weighed != f.packed.weight {
		wrong("weight", f.packed.weight, weighed)
	}
	total, spare := 0, 0
	for number, k := range f.packed.chunks {
		if k.live != live[number] || k.Used > len(k.Bytes) {
			wrong(fmt.Sprintf("live bytes of chunk %d", number), k.live, live[number])
		}
		if k.live == 0 && number != f.packed.newest {
			spare++
			if k.Bytes != nil {
				wrong(fmt.Sprintf("bytes of chunk %d without items", number), len(k.Bytes), 0)
			}
		}
		if !k.alone {
			total += len(k.Bytes)
		}
	}
	if f.packed.newest != 0 {
		spare-- // number 0
	}
	if total != f.packed.total || small != f.packed.live {
		wrong("bytes of chunks, and live", []int{f.packed.total, f.packed.live}, []int{total, small})
	}
	if spare != len(f.packed.spare) {
		wrong("spare numbers", len(f.packed.spare), spare)
	}
	return err
}

// TestFillingFollowsModel compares a storage with a sorted map after random writes and
// Resets, and after the first read.
func TestFillingFollowsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{storage: New(), model: model{}}
		if rapid.Bool().Draw(t, "tidy") {
			m.storage.index.slack = 0
		}
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
				if m.storage.asked.Load() {
					t.Fatal("a storage that nobody has read is read")
				}
				noError(t, checkFilling(&m.storage.filling))
			},
		})
		total, live := inChunks(m.storage)
		m.storage.ask()
		if size, had := inChunks(m.storage); size > total || had != live {
			t.Fatalf("%d bytes of chunks, of which %d are alive, became %d and %d", total, live, size, had)
		}
		noError(t, errors.Join(checkTree(m.storage.root()), checkIndex(m.storage)))
		same(t, collect(t, view{m.storage.root()}, kvstore.KeyConstraint{}, kvstore.QueryOptions{}),
			m.model.scanOf(kvstore.KeyConstraint{}, 0))
		m.get(t)
	})
}

// setLarge sets values around the size that has an allocation of its own.
func (m *machine) setLarge(t *rapid.T) {
	key := anyKey.Draw(t, "key")
	value := bytes.Repeat([]byte{'x'}, rapid.IntRange(chunk.Small-30, chunk.Small+10).Draw(t, "size"))
	noError(t, m.storage.Set(context.Background(), key, value))
	m.model[string(key)] = modelValue{value: string(value), revision: -1}
}

// TestFillingFindsKeysWhoseHashesCollide gives keys few hashes, all of them at the begin or
// the end of the table, so that searches go around it.
func TestFillingFindsKeysWhoseHashesCollide(t *testing.T) {
	hashes := []uint32{0, 1, 1 << 31, ^uint32(0), ^uint32(0) - 1}
	rapid.Check(t, func(t *rapid.T) {
		f := newFilling()
		there := map[string]bool{}
		for range rapid.IntRange(0, 100).Draw(t, "steps") {
			n := rapid.IntRange(0, 30).Draw(t, "key")
			r := kvstore.Record{Key: key(n), Delete: rapid.Bool().Draw(t, "delete")}
			f.do(hashes[n%len(hashes)], source{1, func(int) *kvstore.Record { return &r }, false}, 0)
			there[string(r.Key)] = !r.Delete
			noError(t, checkFilling(&f))
		}
		for n := range 31 {
			if _, found := f.locate(hashes[n%len(hashes)], key(n)); found != there[string(key(n))] {
				t.Fatalf("key %d is there: %v, want %v", n, found, there[string(key(n))])
			}
		}
	})
}

// TestFillingEndsWhenItsRefsDo fills a storage until there are no numbers for chunks any
// more.
func TestFillingEndsWhenItsRefsDo(t *testing.T) {
	ctx := context.Background()
	s := New()
	mustNot(t, s.Set(ctx, key(0), []byte("before")))
	s.filling.packed.chunks = append(s.filling.packed.chunks, make([]numbered, mostChunks-100)...)
	mustNot(t, s.Set(ctx, key(1), []byte("room")))
	if s.asked.Load() {
		t.Fatal("the storage is not being filled any more, but there is room")
	}
	var records []kvstore.Record
	for i := range 200 {
		records = append(records, kvstore.Record{Key: key(i + 2), Value: make([]byte, chunk.Small)})
	}
	mustNot(t, s.ApplyRecords(ctx, records))
	if !s.asked.Load() {
		t.Fatal("200 large items have found numbers of which there are 100")
	}
	if v, err := s.Get(ctx, key(0)); err != nil || string(v) != "before" {
		t.Errorf("key 0 = %q, %v", v, err)
	}
	checkNow(t, s, true)
	if n := len(keysOf(s.root())); n != 202 {
		t.Errorf("%d keys, want 202", n)
	}
}

// TestGetAfterAResetSeesWhatWasFilledThen has readers look between a write and the next
// Reset: what was filled in then is seen, though the storage had been read before.
func TestGetAfterAResetSeesWhatWasFilledThen(t *testing.T) {
	const keys, rounds = 3, 20_000
	ctx := context.Background()
	s := New()
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
	for i := range uint64(rounds) {
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

// TestFillingShrinks deletes what a storage was filled with.
func TestFillingShrinks(t *testing.T) {
	const keys = 1000
	s := New()
	mustNot(t, s.ApplyRecords(context.Background(), uniform(keys, 0)))
	for _, k := range rand.New(rand.NewPCG(5, 6)).Perm(keys) {
		mustNot(t, s.Delete(context.Background(), key(k)))
		mustNot(t, checkFilling(&s.filling))
	}
	if n := len(s.filling.places); n != leastPlaces || s.filling.count != 0 {
		t.Errorf("%d keys in %d places, want none in %d", s.filling.count, n, leastPlaces)
	}
}
