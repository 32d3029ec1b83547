package kvstoretest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/kvsim/kvsim/kvstore"
)

// besideWrites runs every reader again and again in a goroutine of its own while
// write is called with 1, 2, ... rounds. Each reader runs once before the
// writing begins and once after it has ended. One that returns an error is done.
func besideWrites(p *storageProbe, rounds int, write func(round int), readers ...func() error) {
	var ready, all sync.WaitGroup
	done := make(chan struct{})
	ready.Add(len(readers))
	for _, read := range readers {
		all.Go(func() {
			err := read()
			ready.Done()
			for last := false; err == nil && !last; err = read() {
				select {
				case <-done:
					last = true
				default:
				}
			}
			if err != nil {
				p.errorf("%w", err)
			}
		})
	}
	ready.Wait()
	for i := 1; i <= rounds; i++ {
		write(i)
	}
	close(done)
	all.Wait()
}

// concurrentKeys are written by every round; the key "flicker" comes and goes.
func concurrentKeys() []string {
	keys := make([]string, 8)
	for i := range keys {
		keys[i] = fmt.Sprint("key", i)
	}
	return keys
}

// numbered is a value that names its key and its round, of changing size.
func numbered(key string, round int) string {
	return fmt.Sprintf("%s#%d#%s", key, round, strings.Repeat("x", round%50))
}

// roundOf undoes numbered, or says that it cannot.
func roundOf(key, value string) (int, error) {
	parts := strings.SplitN(value, "#", 3)
	if len(parts) == 3 {
		if round, err := strconv.Atoi(parts[1]); err == nil && numbered(key, round) == value {
			return round, nil
		}
	}
	return 0, fmt.Errorf("%q has the value %s, which was never written", key, quote(value))
}

// progress notes the newest round that one reader has seen of each key.
type progress map[string]int

func (seen progress) see(call, key, value string) error {
	round, err := roundOf(key, value)
	if err != nil {
		return fmt.Errorf("%s: %w", call, err)
	}
	if round < seen[key] {
		return fmt.Errorf("%s: %q went back from round %d to %d", call, key, seen[key], round)
	}
	seen[key] = round
	return nil
}

func concurrentReads(p *storageProbe) {
	const rounds = 300
	keys := concurrentKeys()
	for _, k := range keys {
		p.set(k, numbered(k, 0))
	}
	besideWrites(p, rounds, func(round int) {
		for _, k := range keys {
			p.set(k, numbered(k, round))
		}
		if round%2 == 0 {
			p.delete("flicker")
		} else {
			p.set("flicker", numbered("flicker", round))
		}
	}, getReader(p, keys), getReader(p, keys), rangeReader(p, keys))
	for _, k := range keys {
		p.wantGet(k, numbered(k, rounds))
	}
}

func getReader(p *storageProbe, keys []string) func() error {
	seen := progress{}
	return func() error {
		for _, k := range keys {
			v, err := p.s.Get(context.Background(), []byte(k))
			if err != nil {
				return fmt.Errorf("Get(%q) beside writes = %w", k, err)
			}
			if err := seen.see("Get", k, string(v)); err != nil {
				return err
			}
		}
		v, err := p.s.Get(context.Background(), []byte("flicker"))
		if errors.Is(err, kvstore.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("Get(\"flicker\") beside writes = %w", err)
		}
		return seen.see("Get", "flicker", string(v))
	}
}

func rangeReader(p *storageProbe, keys []string) func() error {
	seen := progress{}
	return func() error {
		var got []string
		for kv, err := range p.s.Range(context.Background(), kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
			if err != nil {
				return fmt.Errorf("Range beside writes yields %w", err)
			}
			if err := seen.see("Range", string(kv.Key), string(kv.Value)); err != nil {
				return err
			}
			if string(kv.Key) != "flicker" {
				got = append(got, string(kv.Key))
			}
		}
		if !slices.Equal(got, keys) {
			return fmt.Errorf("Range beside writes yields the keys %q, want %q", got, keys)
		}
		return nil
	}
}

const (
	atomicKeys   = 50
	atomicRounds = 200
)

func atomicKey(i int) string { return fmt.Sprintf("%03d", i) }

// uniform collects one reader's view of keys that are all set to one number by
// each batch.
type uniform struct {
	call  string
	count int
	last  string // the number seen last
	mixed error
}

func (u *uniform) see(key, value []byte) {
	if u.count++; u.count > 1 && string(value) != u.last && u.mixed == nil {
		u.mixed = fmt.Errorf("%s sees a torn batch: %q = %s beside %s", u.call, key, value, u.last)
	}
	u.last = string(value)
}

func (u *uniform) err() error {
	if u.mixed == nil && u.count != atomicKeys {
		return fmt.Errorf("%s sees a torn batch: %d keys, want %d", u.call, u.count, atomicKeys)
	}
	return u.mixed
}

func uniformRange(s kvstore.Storage) func() error {
	return func() error {
		u := uniform{call: "Range"}
		for kv, err := range s.Range(context.Background(), kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
			if err != nil {
				return err
			}
			u.see(kv.Key, kv.Value)
		}
		return u.err()
	}
}

// uniformGets reads the keys in the order given: a Get that comes later sees
// the same batch or a later one, never an earlier.
func uniformGets(s kvstore.Storage, order []int) func() error {
	return func() error {
		newest := 0
		for _, i := range order {
			v, err := s.Get(context.Background(), []byte(atomicKey(i)))
			if err != nil {
				return fmt.Errorf("Get(%q) = %w", atomicKey(i), err)
			}
			round, err := strconv.Atoi(string(v))
			if err != nil || round < newest {
				return fmt.Errorf("Get sees a torn batch: %q = %s after another key was %d", atomicKey(i), v, newest)
			}
			newest = round
		}
		return nil
	}
}

func batchAtomic(p *storageProbe, b kvstore.BatchStorage) {
	write := func(round int) {
		items := make([]kvstore.KeyValue, atomicKeys)
		for i := range items {
			items[i] = putItem(atomicKey(i), fmt.Sprint(round))
		}
		p.apply(b, items...)
	}
	write(0)
	up := make([]int, atomicKeys)
	for i := range up {
		up[i] = i
	}
	down := slices.Clone(up)
	slices.Reverse(down)
	besideWrites(p, atomicRounds, write, uniformRange(b), uniformGets(b, up), uniformGets(b, down))
}

func recordsAtomic(p *storageProbe, r kvstore.RecordStorage) {
	write := func(round int) {
		records := make([]kvstore.Record, atomicKeys)
		for i := range records {
			records[i] = setRecord(atomicKey(i), fmt.Sprint(round), int64(round), aTime)
		}
		p.records(r, records...)
	}
	write(0)
	besideWrites(p, atomicRounds, write, uniformRange(r), func() error {
		s, err := r.Snapshot(context.Background())
		if err != nil {
			return err
		}
		u := uniform{call: "snapshot.Range"}
		for e, err := range s.Range(context.Background(), kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
			if err != nil {
				return err
			}
			if fmt.Sprint(e.Revision) != string(e.Value) {
				return fmt.Errorf("snapshot.Range: %q = %s with the revision %d of another record", e.Key, e.Value, e.Revision)
			}
			u.see(e.Key, e.Value)
		}
		return u.err()
	})
}
