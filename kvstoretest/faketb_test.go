package kvstoretest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// fakeTB is a testing.TB that records what is reported instead of failing.
type fakeTB struct {
	testing.TB

	mu       sync.Mutex
	failed   bool
	errors   []string
	logs     []string
	cleanups []func()
}

// onFake runs fn as a test of its own and returns what it reported. Fatalf ends
// fn, and the functions that fn registered for the end are called.
func onFake(t *testing.T, fn func(t testing.TB)) *fakeTB {
	t.Helper()
	f := &fakeTB{TB: t}
	f.run(func() { fn(f) })
	for {
		f.mu.Lock()
		var last func()
		if n := len(f.cleanups); n > 0 {
			last, f.cleanups = f.cleanups[n-1], f.cleanups[:n-1]
		}
		f.mu.Unlock()
		if last == nil {
			return f
		}
		f.run(last)
	}
}

// run calls fn on a goroutine of its own, which Fatalf ends.
func (f *fakeTB) run(fn func()) {
	done := make(chan any, 1)
	go func() {
		ended := false
		defer func() {
			p := recover()
			if p == nil && !ended {
				p = nil // Fatalf
			}
			done <- p
		}()
		fn()
		ended = true
	}()
	if p := <-done; p != nil {
		panic(p)
	}
}

func (f *fakeTB) Helper()                  {}
func (f *fakeTB) Name() string             { return "TestFake" }
func (f *fakeTB) Context() context.Context { return f.TB.Context() }

func (f *fakeTB) Cleanup(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cleanups = append(f.cleanups, fn)
}

func (f *fakeTB) Failed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

func (f *fakeTB) Errorf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed = true
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
}

func (f *fakeTB) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	runtime.Goexit()
}

func (f *fakeTB) Log(args ...any) { f.Logf("%s", fmt.Sprintln(args...)) }

func (f *fakeTB) Logf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.logs = append(f.logs, fmt.Sprintf(format, args...))
}

// wantErrors checks that exactly so many errors were reported as texts are
// given, each with its text in it.
func (f *fakeTB) wantErrors(t *testing.T, texts ...string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	ok := len(f.errors) == len(texts)
	for i, text := range texts {
		ok = ok && strings.Contains(f.errors[i], text)
	}
	if !ok {
		t.Errorf("reported errors:\n%s\nwant one each with:\n%s", strings.Join(f.errors, "\n---\n"), strings.Join(texts, "\n---\n"))
	}
}

// text returns everything reported and logged.
func (f *fakeTB) text() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(slices.Concat(f.errors, f.logs), "\n")
}
