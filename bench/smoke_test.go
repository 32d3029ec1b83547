package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain makes the test binary the child processes that a bench starts.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "bench" {
		kvsimBench(os.Args)
		os.Exit(0)
	}
	if kind := os.Getenv(childEnv); kind != "" {
		if err := runChild(context.Background(), kind, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestEveryRowIsMeasured goes once through everything that needs brokers or
// memory, with little data: the numbers mean nothing, but each row has to come
// out, and the report has to survive being stored.
func TestEveryRowIsMeasured(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds of broker and child processes")
	}
	b := &bench{report: newReport(1, 2000), rounds: 1, keys: 2000, piece: 2 * time.Millisecond, stderr: new(bytes.Buffer)}
	if err := b.choose("put.*|batch.*|first.*|second.*|boot.*|mem.*|peak.*|get.*|map.*|btree.*|range.*|growth"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KVSIM_KAFKA_BROKERS", "")
	if err := b.all(t.Context(), 10_000); err != nil {
		t.Fatalf("bench: %v", err)
	}
	path := t.TempDir() + "/report.json"
	if err := b.write(new(bytes.Buffer), path, ""); err != nil {
		t.Fatal(err)
	}
	got, err := load(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range slices.Concat(putRows, seenRows, firstRows, openingRows, readRows) {
		i := slices.IndexFunc(got.Rows, func(r *row) bool { return r.ID == id })
		if i < 0 {
			if strings.HasSuffix(id, "-cpu") && cpuTime() == 0 {
				continue // not known on this system
			}
			t.Errorf("there is no row %s", id)
			continue
		}
		if r := got.Rows[i]; len(r.Values) == 0 || slices.Min(r.Values) < 0 {
			t.Errorf("row %s has values %v, want at least one and none below 0", id, r.Values)
		}
	}
	if len(got.Growth) != 1 || got.Growth[0].Keys != 10_000 || got.Growth[0].Seconds <= 0 {
		t.Errorf("growth = %+v, want one point at 10,000 keys", got.Growth)
	}
}
