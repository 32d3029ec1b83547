package main

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// trace prints something that depends on everything Go leaves open: the order
// of goroutines, of a map, of ready cases of a select, random numbers, timers
// that fire together, and the time.
func trace() {
	t := &tracer{}
	t.goroutines()
	t.mapOrder()
	t.selectOrder()
	t.timers()
	t.pipeline()
	fmt.Println("random", rand.Uint64())
	fmt.Println("end", time.Now().UnixNano())
}

// tracer collects names in the order in which things happened.
type tracer struct {
	mu     sync.Mutex
	events []string
}

func (t *tracer) add(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, fmt.Sprintf(format, args...))
}

func (t *tracer) flush(title string) {
	fmt.Println(title, t.events)
	t.events = nil
}

func (t *tracer) goroutines() {
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() { t.add("%d", i) })
	}
	wg.Wait()
	t.flush("goroutines")
}

func (t *tracer) mapOrder() {
	m := make(map[int]bool)
	for i := range 10 {
		m[i] = true
	}
	for k := range m {
		t.add("%d", k)
	}
	t.flush("map")
}

func (t *tracer) selectOrder() {
	a, b := make(chan int, 8), make(chan int, 8)
	for i := range 8 {
		a <- i
		b <- i
	}
	for range 16 {
		select {
		case i := <-a:
			t.add("a%d", i)
		case i := <-b:
			t.add("b%d", i)
		}
	}
	t.flush("select")
}

func (t *tracer) timers() {
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			time.Sleep(time.Duration(i%3) * time.Second)
			t.add("%d@%d", i, time.Now().UnixNano()%1_000_000)
		})
	}
	wg.Wait()
	t.flush("timers")
}

func (t *tracer) pipeline() {
	work := make(chan int)
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			for i := range work {
				t.add("%d:%d", w, i)
			}
		})
	}
	for i := range 12 {
		work <- i
	}
	close(work)
	wg.Wait()
	t.flush("pipeline")
}
