package kvstoretest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kvsim/kvsim/kvstore"
)

// mostFindings is the number of findings of one rule that are told.
const mostFindings = 5

// storageProbe works on one storage and notes what is wrong. Slices are made for each call,
// because a storage may keep them.
type storageProbe struct {
	s kvstore.Storage

	missing error // set when the storage lacks the interface of the rule

	findings
}

// findings are what is wrong with what a rule is checked on. They are safe for concurrent use.
type findings struct {
	mu   sync.Mutex
	errs []error
	more int // findings beyond mostFindings
}

// stopCheck is what fatalf panics with.
type stopCheck struct{}

// fatalf is errorf for findings that leave nothing more to check.
func (p *storageProbe) fatalf(format string, args ...any) {
	p.errorf(format, args...)
	panic(stopCheck{})
}

// on makes a check of one that needs more of a storage than kvstore.Storage: the interface S.
func on[S any](check func(*storageProbe, S)) func(*storageProbe) {
	return func(p *storageProbe) {
		s, ok := p.s.(S)
		if !ok {
			p.missing = fmt.Errorf("%T is no %v: %w", p.s, reflect.TypeFor[S](), errNothingToCheck)
			return
		}
		check(p, s)
	}
}

func (f *findings) errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.errs) == mostFindings {
		f.more++
		return
	}
	f.errs = append(f.errs, fmt.Errorf(format, args...))
}

func (f *findings) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	errs := f.errs
	if f.more > 0 {
		errs = append(slices.Clip(errs), fmt.Errorf("and %d more", f.more))
	}
	return errors.Join(errs...)
}

// must notes an error of a call that should have none.
func (p *storageProbe) must(call string, err error) {
	if err != nil {
		p.errorf("%s = %v, want no error", call, err)
	}
}

func (p *storageProbe) set(key, value string) {
	p.must(fmt.Sprintf("Set(%s, %s)", quote(key), quote(value)),
		p.s.Set(context.Background(), []byte(key), []byte(value)))
}

func (p *storageProbe) setAll(keys ...string) {
	for _, k := range keys {
		p.set(k, valueOf(k))
	}
}

func (p *storageProbe) delete(key string) {
	p.must(fmt.Sprintf("Delete(%s)", quote(key)), p.s.Delete(context.Background(), []byte(key)))
}

// wantGet wants key to have value, in Get.
func (p *storageProbe) wantGet(key, value string) {
	got, err := p.s.Get(context.Background(), []byte(key))
	if err != nil || string(got) != value {
		p.errorf("Get(%s) = %s, %v, want %s", quote(key), quote(string(got)), err, quote(value))
	}
}

// wantMissing wants Get to answer ErrNotFound.
func (p *storageProbe) wantMissing(key string) {
	got, err := p.s.Get(context.Background(), []byte(key))
	if !errors.Is(err, kvstore.ErrNotFound) {
		p.errorf("Get(%s) = %s, %v, want an error that is kvstore.ErrNotFound", quote(key), quote(string(got)), err)
	}
}

// wantRange wants a range to yield exactly these pairs, given as key, value,
// key, value.
func (p *storageProbe) wantRange(c kvstore.KeyConstraint, limit int, want []string) {
	got := flatten(p, "Range", p.s.Range(context.Background(), c, kvstore.QueryOptions{Limit: limit}), pairOf)
	p.wantPairs(fmt.Sprintf("Range(%s, limit %d)", bounds(c), limit), got, want)
}

// wantContent wants the storage to hold exactly these pairs, by Range and by
// Get.
func (p *storageProbe) wantContent(want ...string) {
	p.wantRange(kvstore.KeyConstraint{}, 0, want)
	for i := 0; i < len(want); i += 2 {
		p.wantGet(want[i], want[i+1])
	}
}

func (p *storageProbe) wantPairs(call string, got, want []string) {
	if slices.Equal(got, want) {
		return
	}
	same := 0
	for same+1 < min(len(got), len(want)) && got[same] == want[same] && got[same+1] == want[same+1] {
		same += 2
	}
	p.errorf("%s yields %s, want %s; they differ from pair %d on: got %s, want %s",
		call, pairs(got), pairs(want), same/2, pairs(got[same:]), pairs(want[same:]))
}

// wantEnded wants the error of a context that has ended.
func (p *storageProbe) wantEnded(ctx context.Context, call string, err error) {
	if !errors.Is(err, ctx.Err()) {
		p.errorf("%s with a context that has ended = %v, want %v", call, err, ctx.Err())
	}
}

// endedContexts returns one context that was cancelled and one whose deadline
// has passed.
func endedContexts() []context.Context {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	late, cancel := context.WithDeadline(context.Background(), time.Unix(1, 0))
	cancel()
	return []context.Context{cancelled, late}
}

// flatten collects a range as key, value, key, value. An error is noted.
func flatten[T any](p *storageProbe, call string, seq iter.Seq2[T, error], of func(T) (key, value []byte)) []string {
	var out []string
	for item, err := range seq {
		if err != nil {
			p.errorf("%s yields the error %v, want none", call, err)
			break
		}
		key, value := of(item)
		out = append(out, string(key), string(value))
	}
	return out
}

func pairOf(kv kvstore.KeyValue) (key, value []byte) { return kv.Key, kv.Value }

func entryPairOf(e kvstore.Entry) (key, value []byte) { return e.Key, e.Value }

// valueOf is the value that setAll gives a key.
func valueOf(key string) string { return "value of " + key }

// within returns what a range over keys should yield, with the values of
// valueOf.
func within(keys []string, c kvstore.KeyConstraint, limit int) []string {
	var out []string
	for _, k := range slices.Sorted(slices.Values(keys)) {
		if c.Contains([]byte(k)) && (limit <= 0 || len(out)/2 < limit) {
			out = append(out, k, valueOf(k))
		}
	}
	return out
}

func putItem(key, value string) kvstore.KeyValue {
	return kvstore.KeyValue{Key: []byte(key), Value: []byte(value)}
}

func removeItem(key string) kvstore.KeyValue {
	return kvstore.KeyValue{Key: []byte(key)}
}

// quote prints a key or value, cut when it is long.
func quote(s string) string {
	const most = 40
	if len(s) > most {
		return fmt.Sprintf("%q... (%d bytes)", s[:most], len(s))
	}
	return fmt.Sprintf("%q", s)
}

// pairs prints key, value, key, value, cut when they are many.
func pairs(flat []string) string {
	const most = 4
	var b strings.Builder
	fmt.Fprintf(&b, "%d pairs [", len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		if i == 2*most {
			b.WriteString(" ...")
			break
		}
		fmt.Fprintf(&b, " %s=%s", quote(flat[i]), quote(flat[i+1]))
	}
	b.WriteString(" ]")
	return b.String()
}

func bounds(c kvstore.KeyConstraint) string {
	bound := func(b []byte) string {
		if b == nil {
			return "nil"
		}
		return quote(string(b))
	}
	return fmt.Sprintf("[%s, %s)", bound(c.Start), bound(c.End))
}
