package kvstore_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/kvsim/kvsim/kvstore"
)

func TestTypedBatch(t *testing.T) {
	inTypedStore(t, func(t *testing.T, s *typedStore) {
		numbers := kvstore.NewResourceClient(s.Client, evenSerde{})
		key := []byte("a")
		b := numbers.Batch().Put(key, 2)
		key[0] = 'x' // copied by Put
		rev, err := b.Put([]byte("b"), 4).Delete([]byte("a")).ExecuteRevision(t.Context())
		if err != nil || rev != 2 {
			t.Errorf("ExecuteRevision = %d, %v; want 2", rev, err)
		}
		if got, want := s.log(), []string{"a=ii", "b=iiii", "a"}; !slices.Equal(got, want) {
			t.Errorf("log = %q, want %q", got, want)
		}
		if err := numbers.Batch().Execute(t.Context()); err != nil {
			t.Errorf("Execute of an empty batch = %v, want nil", err)
		}
	})
}

func TestTypedBatchWithABadValueWritesNothing(t *testing.T) {
	inTypedStore(t, func(t *testing.T, s *typedStore) {
		numbers := kvstore.NewResourceClient(s.Client, evenSerde{})
		key := []byte("b")
		b := numbers.Batch().Put([]byte("a"), 2).Put(key, 3)
		key[0] = 'x'
		err := b.Put([]byte("c"), 5).Delete([]byte("d")).Execute(t.Context())
		wantRefused(t, "execute", "b", err, errOdd)
		wantError(t, "Execute", err, nil, "the first of 2 such values")

		rev, err := numbers.Batch().Put([]byte("e"), 7).ExecuteRevision(t.Context())
		wantRefused(t, "execute", "e", err, errOdd)
		if rev != -1 {
			t.Errorf("ExecuteRevision = %d, want -1", rev)
		}
		if got := s.log(); len(got) != 0 {
			t.Errorf("log = %q, want nothing", got)
		}
	})
}

func TestTypedBatchExecutesOnce(t *testing.T) {
	inTypedStore(t, func(t *testing.T, s *typedStore) {
		numbers := kvstore.NewResourceClient(s.Client, evenSerde{})
		good := numbers.Batch().Put([]byte("a"), 2)
		if err := good.Execute(t.Context()); err != nil {
			t.Fatal(err)
		}
		bad := numbers.Batch().Put([]byte("b"), 3)
		wantError(t, "Execute", bad.Execute(t.Context()), errOdd)
		for name, b := range map[string]*kvstore.TypedBatch[int]{
			"executed": good, "refused": bad, "executed and then spoilt": good.Put([]byte("c"), 5),
		} {
			err := b.Execute(t.Context())
			wantError(t, "second Execute of a batch that was "+name, err, kvstore.ErrBatchExecuted)
			wantError(t, "second Execute of a batch that was "+name, err, kvstore.ErrRefused)
		}
		if got, want := s.log(), []string{"a=ii"}; !slices.Equal(got, want) {
			t.Errorf("log = %q, want %q", got, want)
		}
	})
}

func TestTypedBatchIsFilledFromSeveralGoroutines(t *testing.T) {
	inTypedStore(t, func(t *testing.T, s *typedStore) {
		numbers := kvstore.NewResourceClient(s.Client, evenSerde{})
		good, bad := numbers.Batch(), numbers.Batch()
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				good.Put(fmt.Appendf(nil, "k%d", i), 2*i)
				bad.Put(fmt.Appendf(nil, "k%d", i), i)
			})
		}
		wg.Wait()
		wantError(t, "Execute", bad.Execute(t.Context()), errOdd, "the first of 4 such values")
		if err := good.Execute(t.Context()); err != nil {
			t.Error(err)
		}
		if got := len(s.log()); got != 8 {
			t.Errorf("log has %d records, want 8", got)
		}
	})
}
