// Command guest is the program that the tests of package exact run. Its first
// argument says what it does.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: guest", "trace|bug|spin|yield|recurse|ticker|panic|deadlock|exit|clock|sleep|host|files|garbage")
		os.Exit(64)
	}
	switch mode := os.Args[1]; mode {
	case "trace":
		trace()
	case "bug":
		bug()
	case "spin":
		fmt.Println("spinning")
		spin()
	case "yield":
		for {
			runtime.Gosched()
		}
	case "recurse":
		fmt.Println(recurse(1))
	case "ticker":
		for range time.Tick(time.Hour) {
		}
	case "panic":
		var m map[string]int
		m["nobody"] = 1
	case "deadlock":
		<-make(chan int)
	case "exit":
		code, _ := strconv.Atoi(os.Args[2])
		os.Exit(code)
	case "clock":
		clock()
	case "sleep":
		d, _ := time.ParseDuration(os.Args[2])
		time.Sleep(d)
		fmt.Println(time.Now().UTC().Format(time.RFC3339))
	case "host":
		host()
	case "files":
		if err := files(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "garbage":
		garbage()
	default:
		fmt.Fprintln(os.Stderr, "unknown mode", mode)
		os.Exit(64)
	}
}

var spun int

// spin is a loop with no call in it: nothing in Go on wasm interrupts it.
//
//go:noinline
func spin() {
	for {
		spun++
	}
}

//go:noinline
func recurse(n int) int {
	if n < 0 {
		return n
	}
	return recurse(n) + 1
}

// clock shows what a reading of the clock adds and how far sleeping jumps.
func clock() {
	a := time.Now()
	b := time.Now()
	fmt.Println("start", a.UTC().Format(time.RFC3339))
	fmt.Println("reading", b.Sub(a), time.Duration(b.UnixNano()-a.UnixNano()))
	a = time.Now()
	time.Sleep(36 * time.Hour)
	fmt.Println("slept 36h", time.Since(a).Truncate(time.Millisecond))
	a = time.Now()
	select {
	case <-time.After(time.Minute):
		fmt.Println("timer 1m", time.Since(a).Truncate(time.Millisecond))
	case <-time.After(time.Hour):
	}
	for deadline := time.Now().Add(time.Millisecond); time.Now().Before(deadline); {
	}
	fmt.Println("waited by reading")
}

// host prints what the program learns about where it runs.
func host() {
	input, err := io.ReadAll(os.Stdin)
	wd, _ := os.Getwd()
	fmt.Printf("args %q\nenv %q\nstdin %q %v\nwd %s cpus %d %s/%s\n",
		os.Args, os.Environ(), input, err, wd, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
}

var kept []byte

// garbage allocates 600 MB, keeps next to nothing, and prints how often the
// collector ran.
func garbage() {
	for range 600 {
		kept = make([]byte, 1<<20)
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	fmt.Println("collections", stats.NumGC > 0)
}
