// Package execworld is a test binary for the tests of package exact.
package execworld

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestSynctest checks that bubbles work on wasip1: a bubble has its own time, which moves only
// when every goroutine is blocked.
func TestSynctest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var order []int
		var wg sync.WaitGroup
		var mu sync.Mutex
		for i := range 5 {
			wg.Go(func() {
				time.Sleep(time.Duration(5-i) * time.Hour)
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
			})
		}
		wg.Wait()
		if got := fmt.Sprint(order); got != "[4 3 2 1 0]" {
			t.Errorf("order = %s, want that of the timers", got)
		}
		if got := time.Since(start); got != 5*time.Hour {
			t.Errorf("time passed = %v, want 5h: nothing but sleeping takes time in a bubble", got)
		}
	})
}

// TestFiles reads from the package's directory and writes where it likes.
func TestFiles(t *testing.T) {
	data, err := os.ReadFile("exec_test.go")
	if err != nil || len(data) == 0 {
		t.Fatalf("read own source: %d bytes, %v", len(data), err)
	}
	if _, err := os.Stat("../../exec.go"); err != nil {
		t.Error(err)
	}
	for _, dir := range []string{t.TempDir(), "."} {
		name := filepath.Join(dir, "written")
		if err := os.WriteFile(name, []byte("here"), 0o666); err != nil {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(name); err != nil || string(data) != "here" {
			t.Errorf("read back %q, %v", data, err)
		}
	}
	wd, err := os.Getwd()
	t.Log(wd, err, os.Environ(), os.Args[0])
}

// TestOrder logs the order in which goroutines ran.
func TestOrder(t *testing.T) {
	order := make(chan int, 8)
	var wg sync.WaitGroup
	for i := range cap(order) {
		wg.Go(func() { order <- i })
	}
	wg.Wait()
	close(order)
	var got []int
	for i := range order {
		got = append(got, i)
	}
	t.Log("order", got, time.Now().UnixNano())
}

// TestFails fails if the environment asks for it.
func TestFails(t *testing.T) {
	if os.Getenv("EXECWORLD_FAIL") != "" {
		t.Fatal("asked to fail")
	}
}
