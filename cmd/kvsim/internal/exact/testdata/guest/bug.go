package main

import (
	"fmt"
	"os"
	"sync"
)

// bug is a read-through cache with the classic mistake: what a reader fetched
// before an update can get into the cache after it. The order that shows it:
//
//  1. the reader asks the server, which answers 1;
//  2. the writer stores 2 and empties the cache;
//  3. the reader puts 1 into the cache, where it stays.
//
// With a run queue that is first in, first out, the writer always comes before
// the server's answer.
func bug() {
	var (
		mu     sync.Mutex
		stored = 1
		cached = 0 // zero is empty
		wg     sync.WaitGroup
	)
	requests := make(chan chan int)
	go func() {
		for reply := range requests {
			mu.Lock()
			value := stored
			mu.Unlock()
			reply <- value
		}
	}()
	wg.Go(func() { // the reader
		reply := make(chan int)
		requests <- reply
		value := <-reply
		mu.Lock()
		cached = value
		mu.Unlock()
	})
	wg.Go(func() { // the writer
		mu.Lock()
		stored, cached = 2, 0
		mu.Unlock()
	})
	wg.Wait()
	if cached == 1 {
		fmt.Println("stale value in the cache")
		os.Exit(1)
	}
}
