package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
)

func TestMain(m *testing.M) {
	Serve(fakeWorld)
	os.Exit(m.Run())
}

// fakeWorld does what its plan says, which is one verb and its argument.
func fakeWorld(ctx context.Context, job world.Job, judging func(*world.Result)) (*world.Result, error) {
	verb, arg, _ := strings.Cut(job.Plan, " ")
	start := time.Now()
	switch verb {
	case "sleep":
		d, err := time.ParseDuration(arg)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", world.ErrPlan, err)
		}
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	case "relay":
		relay()
	case "panic":
		panic(arg)
	case "panic-elsewhere":
		go func() { panic(arg) }()
		<-ctx.Done()
	case "leak":
		go func() { <-make(chan int) }()
	case "leak-ticker":
		go func() {
			for range time.Tick(time.Second) {
			}
		}()
	case "deadlock":
		<-make(chan int)
	case "mutex":
		var mu sync.Mutex
		mu.Lock()
		mu.Lock()
	case "spin":
		spin()
	case "judge":
		// The world has ended, the log witness has finished, and judging does arg.
		known := &world.Result{Seed: job.Seed, Status: world.Inconclusive, Hash: "a hash"}
		judging(known)
		status, what, _ := strings.Cut(arg, " ")
		if err := known.Status.UnmarshalText([]byte(status)); err != nil {
			return nil, err
		}
		if known.Status == world.Violated {
			known.Reasons = []world.Reason{{Name: "read-your-writes", Text: "it did not"}}
		}
		judging(known)
		switch what {
		case "spin":
			spin()
		case "panic":
			panic("the judge is out of its mind")
		}
		return known, nil
	case "exit":
		os.Exit(7)
	case "noise":
		fmt.Fprintln(os.Stdout, "this is no message")
		fmt.Fprintln(os.Stdout, `{"ready":true}`)
	case "history":
		if err := os.WriteFile(job.History, []byte(arg), 0o666); err != nil {
			return nil, err
		}
	case "error":
		return nil, fmt.Errorf("%s", arg)
	}
	hash := sha256.Sum256([]byte(job.Plan))
	return &world.Result{Seed: job.Seed, Hash: hex.EncodeToString(hash[:]), Simulated: time.Since(start)}, nil
}

// spin computes without end.
func spin() {
	for i := 0; ; i++ {
		if i < 0 {
			break
		}
	}
}

// relay passes a value through goroutines that sleep.
func relay() {
	in := make(chan int)
	out := in
	for range 100 {
		next := make(chan int)
		go func(in <-chan int) {
			v := <-in
			time.Sleep(time.Minute)
			next <- v + 1
		}(out)
		out = next
	}
	in <- 0
	<-out
}
