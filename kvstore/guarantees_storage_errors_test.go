package kvstore_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest"
)

// The topic goes while the client can't read on, because of its storage or of a hook. It finds out
// nevertheless, and all that waits ends.
func TestTopicThatGoesWhileAClientCannotReadOnEndsIt(t *testing.T) {
	const opening = "storage fails while it opens"
	stops := map[string]func(w *world, s *flaky){
		"storage fails":                    func(w *world, s *flaky) { s.fail(errDisk); w.Append(kvstoretest.Set("a", "2")) },
		"storage fails in the middle":      func(w *world, s *flaky) { s.failAfter(1, errDisk); w.Append(fortyKeys("2")...) },
		"storage fails when it is emptied": func(w *world, s *flaky) { s.fail(errDisk); w.LoseTail(1) },
		"storage hangs":                    func(w *world, s *flaky) { s.hang(); w.Append(kvstoretest.Set("a", "2")) },
		"hook hangs":                       func(w *world, _ *flaky) { w.Append(kvstoretest.Set("stop", "1")) },
		opening:                            nil,
	}
	goes := map[error]func(w *world){
		kvstore.ErrTopicRecreated: func(w *world) { w.RecreateTopic() },
		kvstore.ErrTopicDeleted:   func(w *world) { w.deleteTopic() },
	}
	for why, stop := range stops {
		for sentinel, gone := range goes {
			t.Run(why+", "+sentinel.Error(), func(t *testing.T) {
				inWorld(t, slow(2), func(t *testing.T, w *world) {
					w.Append(fortyKeys("1")...)
					s := newFlaky()
					if why == opening {
						s.fail(errDisk)
						opened := make(chan error)
						go func() {
							_, err := kvstore.NewClient(w.within(5*time.Minute), topic, s, w.options("c")...)
							opened <- err
						}()
						time.Sleep(3 * time.Second)
						gone(w)
						if err := <-opened; !errors.Is(err, sentinel) {
							t.Errorf("NewClient = %v, want %v", err, sentinel)
						}
						return
					}
					pass := make(chan struct{})
					c := w.openOn("c", s, kvstore.WithOnSetHook(func(key, _ []byte) {
						if string(key) == "stop" {
							<-pass
						}
					}))
					stop(w, s)
					time.Sleep(3 * time.Second)
					gone(w)
					time.Sleep(90 * time.Second) // nobody calls the client
					if st := c.Status(); st.State != kvstore.StateFailed {
						t.Errorf("Status = %v, %v; want failed", st.State, st.Err)
					}
					w.wantDead(c, sentinel)
					close(pass)
				})
			})
		}
	}
}

// Reads wait while a plain storage stores a change, and say so when their contexts end first.
func TestReadsThatWaitForAStorageSayWhy(t *testing.T) {
	for how, tc := range map[string]struct {
		trouble func(s *flaky)
		wait    time.Duration
		want    error
	}{
		"fails in the middle":       {func(s *flaky) { s.failAfter(1, errDisk) }, 5 * time.Second, errDisk},
		"is slow":                   {(*flaky).hang, 5 * time.Second, nil},
		"has been slow for moments": {(*flaky).hang, 100 * time.Millisecond, nil},
	} {
		t.Run(how, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				s := newFlaky()
				c := w.openOn("c", s)
				tc.trouble(s)
				w.Append(kvstoretest.Set("a", "2"), kvstoretest.Set("b", "2"))
				time.Sleep(tc.wait)
				w.wantStorageErrors(c, tc.wait, tc.want, context.DeadlineExceeded)
			})
		})
	}
}

// reads are the ways to read a storage.
var reads = map[string]func(context.Context, *kvstore.Client) error{
	"Get":      func(ctx context.Context, c *kvstore.Client) error { _, err := c.Get(ctx, []byte("a")); return err },
	"GetEntry": func(ctx context.Context, c *kvstore.Client) error { _, err := c.GetEntry(ctx, []byte("a")); return err },
	"Range": func(ctx context.Context, c *kvstore.Client) error {
		return lastError(c.Range(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}))
	},
	"RangeEntries": func(ctx context.Context, c *kvstore.Client) error {
		return lastError(c.RangeEntries(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}))
	},
}

func lastError[T any](seq iter.Seq2[T, error]) (last error) {
	for _, err := range seq {
		last = err
	}
	return last
}

// wantStorageErrors reads in each way, and wants ErrStorage with the others.
func (w *world) wantStorageErrors(c *kvstore.Client, d time.Duration, others ...error) {
	w.t.Helper()
	for op, read := range reads {
		err := read(w.within(d), c)
		for _, want := range append(others, kvstore.ErrStorage) {
			if want != nil && !errors.Is(err, want) {
				w.t.Errorf("%s = %v, want it to match %q", op, err, want)
			}
		}
		if err != nil && strings.Count(err.Error(), kvstore.ErrStorage.Error()+": ") != 1 {
			w.t.Errorf("%s = %v, want it to say once that it is the storage's", op, err)
		}
	}
}

// unreadable is a plain storage that can't be read.
type unreadable struct {
	*plainStorage
	on bool
}

func (u *unreadable) Get(ctx context.Context, key []byte) ([]byte, error) {
	if u.on {
		return nil, errDisk
	}
	return u.plainStorage.Get(ctx, key)
}

func (u *unreadable) Range(ctx context.Context, c kvstore.KeyConstraint, o kvstore.QueryOptions) iter.Seq2[kvstore.KeyValue, error] {
	if u.on {
		return sporadicSeq[kvstore.KeyValue](errDisk, nil)
	}
	return u.plainStorage.Range(ctx, c, o)
}

// unreadableRecords has revisions, and can't be read.
type unreadableRecords struct {
	*memory.Storage
	on, late bool // late: only what a snapshot yields
}

func (u *unreadableRecords) Get(ctx context.Context, key []byte) ([]byte, error) {
	if u.on {
		return nil, errDisk
	}
	return u.Storage.Get(ctx, key)
}

func (u *unreadableRecords) ApplyRecords(ctx context.Context, records []kvstore.Record) error {
	return u.Storage.ApplyRecords(ctx, records)
}

func (u *unreadableRecords) Reset(ctx context.Context) error { return u.Storage.Reset(ctx) }

func (u *unreadableRecords) GetEntry(ctx context.Context, key []byte) (kvstore.Entry, error) {
	if u.on {
		return kvstore.Entry{}, errDisk
	}
	return u.Storage.GetEntry(ctx, key)
}

func (u *unreadableRecords) Snapshot(ctx context.Context) (kvstore.Snapshot, error) {
	if u.on && !u.late {
		return nil, errDisk
	}
	snap, err := u.Storage.Snapshot(ctx)
	if u.on {
		return unreadableSnapshot{snap}, err
	}
	return snap, err
}

type unreadableSnapshot struct{ kvstore.Snapshot }

func (unreadableSnapshot) Range(context.Context, kvstore.KeyConstraint, kvstore.QueryOptions) iter.Seq2[kvstore.Entry, error] {
	return sporadicSeq[kvstore.Entry](errDisk, nil)
}

// A read gets the error of the storage, and what is not there is no error of it.
func TestReadGetsTheErrorOfTheStorage(t *testing.T) {
	plain, records, late := &unreadable{plainStorage: newPlain()}, &unreadableRecords{Storage: memory.New()}, &unreadableRecords{Storage: memory.New(), late: true}
	for kind, tc := range map[string]struct {
		storage kvstore.Storage
		on      *bool
	}{"plain": {plain, &plain.on}, "records": {records, &records.on}, "records, late": {late, &late.on}} {
		t.Run(kind, func(t *testing.T) {
			inWorld(t, slow(1), func(t *testing.T, w *world) {
				c := w.openOn("c", tc.storage)
				if _, err := c.Get(t.Context(), []byte("none")); !errors.Is(err, kvstore.ErrNotFound) || errors.Is(err, kvstore.ErrStorage) {
					t.Errorf("Get of no key = %v, want ErrNotFound and not ErrStorage", err)
				}
				w.put(c, "a", "1")
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				for _, err := range c.Range(ctx, kvstore.KeyConstraint{}, kvstore.QueryOptions{}) {
					if cancel(); err != nil && (!errors.Is(err, context.Canceled) || errors.Is(err, kvstore.ErrStorage)) {
						t.Errorf("Range whose context ended in the loop = %v, want its error and not ErrStorage", err)
					}
				}
				*tc.on = true
				w.wantStorageErrors(c, time.Second, errDisk)
			})
		})
	}
}
