package linearizability_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	lin "github.com/kvsim/kvsim/linearizability"
)

// A client reads an old value after its own write was acknowledged. The verdict explains
// it with the operations, their offsets and the log.
func Example() {
	var now time.Duration
	clock := func() time.Duration { now += time.Millisecond; return now }
	rec := lin.NewRecorder(clock, lin.RecorderOptions{Header: lin.Header{Tap: lin.TapExact}})

	for i, value := range []string{"v1", "v2"} {
		put := rec.Begin(lin.Operation{Client: "c1", Process: 1, Kind: lin.OpPut, Key: "user/1", Value: value})
		rec.Append(lin.Record{Offset: int64(i), Key: "user/1", Value: value})
		put.Revision(int64(i)).OK()
	}
	heal := rec.Fault("lag c1")
	rec.Begin(lin.Operation{Client: "c1", Process: 1, Kind: lin.OpGet, Key: "user/1"}).Value("v1").OK()
	heal()

	fmt.Println(lin.Check(rec.History(), lin.Options{}).Err())
	// Output:
	// read-your-writes: get("user/1") returned v1, the state at position 1, but its own put("user/1", v2) was acknowledged at 6ms at offset 1
	//   guarantee: a process that has a write acknowledged reads a state that includes it
	//   operation 3, get("user/1") = v1 by c1 (process 1), 8ms..9ms
	//   operation 2, put("user/1", v2) = offset 1 by c1 (process 1), 4ms..6ms
	//   log around it:
	//     offset 0: "user/1" = v1
	//     offset 1: "user/1" = v2
	//   faults active then:
	//     lag c1 (7ms to 10ms)
}

// Any client with Get, Put and Delete can be recorded and judged.
func ExampleRecorder_Wrap() {
	start := time.Now()
	rec := lin.NewRecorder(func() time.Duration { return time.Since(start) }, lin.RecorderOptions{})
	store := rec.Wrap("c1", 1, newMapStore(), wrapOptions)

	ctx := context.Background()
	_ = store.Put(ctx, []byte("k"), []byte("v1"))
	value, err := store.Get(ctx, []byte("k"))
	fmt.Println(string(value), err)

	verdict := lin.Check(rec.History(), lin.Options{Linearizable: true})
	fmt.Println(verdict.Status, verdict.Err())
	// Output:
	// v1 <nil>
	// held <nil>
}

// A history is stored as it happens, one line for each event.
func ExampleNewRecorder() {
	var now time.Duration
	clock := func() time.Duration { now += time.Millisecond; return now }
	rec := lin.NewRecorder(clock, lin.RecorderOptions{Output: os.Stdout})

	get := rec.Begin(lin.Operation{Client: "c1", Process: 1, Kind: lin.OpGet, Key: "user/\x00"})
	get.Value("v1").Revision(0).Position(1).OK()
	// Output:
	// {"kvsim_history":1,"tap":"none"}
	// {"seq":1,"t":1000000,"ev":"invoke","client":"c1","proc":1,"op":1,"call":"get","key":"user/%00"}
	// {"seq":2,"t":2000000,"ev":"ok","client":"c1","proc":1,"op":1,"value":"v1","rev":0,"pos":1}
}

// A history that another program has stored is read and judged. A history that
// contradicts itself is rejected.
func ExampleReadHistory() {
	stored := `{"kvsim_history":1,"tap":"exact"}
{"seq":1,"t":0,"ev":"invoke","client":"c1","proc":1,"op":1,"call":"put","key":"a","value":"v1"}
{"seq":2,"t":100,"ev":"append","offset":0,"key":"a","value":"v1"}
{"seq":3,"t":50,"ev":"ok","client":"c1","proc":1,"op":1,"rev":0}
`
	_, err := lin.ReadHistory(strings.NewReader(stored))
	fmt.Println(err)

	h, err := lin.ReadHistory(strings.NewReader(strings.ReplaceAll(stored, `"t":50`, `"t":150`)))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(lin.Check(h, lin.Options{}).Status)
	// Output:
	// history line 4: "t" of event 3 is 50: time goes back, event 2 in line 3 has 100
	// held
}
