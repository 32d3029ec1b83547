package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestSpreadIsSmallestMedianLargest(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   spread
	}{
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{3, 1, 2}, spread{1, 2, 3}},
		{[]float64{4, 1, 2, 3}, spread{1, 2.5, 4}},
	} {
		if got := spreadOf(c.values); got != c.want {
			t.Errorf("spreadOf(%v) = %v, want %v", c.values, got, c.want)
		}
	}
}

func TestPercentileStaysInside(t *testing.T) {
	values := []float64{5, 1, 4, 2, 3}
	for part, want := range map[float64]float64{0: 1, 0.5: 3, 0.999: 5, 1: 5} {
		if got := percentile(values, part); got != want {
			t.Errorf("percentile(%v) = %v, want %v", part, got, want)
		}
	}
}

func TestVerdictRestsOnTheMedian(t *testing.T) {
	for _, c := range []struct {
		name    string
		ratios  []float64
		limit   float64
		atLeast bool
		want    string
	}{
		{"within", []float64{0.9, 1, 1, 1.1, 9}, 1.15, false, "holds"},
		{"at the limit", []float64{1.15, 1.15, 1.15, 1.15, 1.15}, 1.15, false, "holds"},
		{"one value near the limit", []float64{1.1}, 1.15, false, "close: 0.96x the limit"},
		{"one value", []float64{1}, 1.15, false, "holds"},
		{"above", []float64{2, 2.2, 2.3, 2.4, 2.4}, 1.15, false, "short: 2.00x the limit"},
		{"enough", []float64{0.1, 1, 1, 1, 1.1}, 0.9, true, "holds"},
		{"too little", []float64{0.35, 0.35, 0.35, 0.35, 9}, 0.7, true, "short: 0.50 of the limit"},
		{"no limit", []float64{7}, 0, false, "reported"},
		{"one round of five against it", []float64{1, 1, 1, 1, 2}, 1.15, false, "holds"},
		{"two rounds of five against it", []float64{1, 1, 1, 2, 2}, 1.15, false, "close: 0.87x the limit"},
		{"near, a round at the limit would be an outlier", []float64{0.98, 0.99, 1, 1.01, 1.02, 2}, 1.07, false, "holds"},
		{"near, it would be none", []float64{0.96, 0.98, 1, 1.02, 1.04}, 1.07, false, "close: 0.93x the limit"},
		{"near on the other side, it would be none", []float64{1.16, 1.18, 1.2, 1.22, 1.24}, 1.12, false, "close: 1.07x the limit"},
		{"near, all rounds the same", []float64{1, 1, 1, 1, 1}, 1.01, false, "holds"},
		{"not near, it would be none", []float64{0.8, 0.9, 1, 1.1, 1.2}, 1.22, false, "holds"},
		{"above, two rounds below", []float64{1, 1, 2.3, 2.4, 2.5}, 1.15, false, "close: 2.00x the limit"},
	} {
		r := row{Limit: c.limit, AtLeast: c.atLeast}
		for _, v := range c.ratios {
			r.add(v, 1)
		}
		if got := r.verdict(); got != c.want {
			t.Errorf("%s: verdict = %q, want %q", c.name, got, c.want)
		}
	}
}

func TestRoundsOnAnUnfitMachineLeaveTheVerdictOpen(t *testing.T) {
	for unfit, want := range map[int]string{0: "short: 0.50 of the limit", 1: "short: 0.50 of the limit", 2: "close: 0.50 of the limit"} {
		r := row{Limit: 2, AtLeast: true, Unfit: unfit, Values: []float64{1, 1.1, 1, 0.9, 1}}
		if got := r.verdict(); got != want {
			t.Errorf("%d of %d rounds: verdict = %q, want %q", r.Unfit, len(r.Values), got, want)
		}
	}
}

func TestFencesAreThoseOfTukey(t *testing.T) {
	for _, c := range []struct {
		values    []float64
		low, high float64
	}{
		{[]float64{5, 1, 3, 2, 4}, 2 - 3, 4 + 3},        // quartiles 2 and 4
		{[]float64{1, 2, 3, 4, 5, 6}, 2 - 4.5, 5 + 4.5}, // 2 and 5
		{[]float64{1, 1, 1, 1, 9}, 1, 1},
	} {
		if low, high := fences(c.values); low != c.low || high != c.high {
			t.Errorf("fences(%v) = %v, %v, want %v, %v", c.values, low, high, c.low, c.high)
		}
	}
}

func TestARoundIsTheMedianOfItsPieces(t *testing.T) {
	ours := []float64{0, 0, 0, 0, 2, 30, 9} // after the round and the piece that do not count
	theirs := []float64{1, 1, 1, 1, 1, 10, 9}
	next := func(of []float64) sample {
		i := -1
		return func() (float64, error) { i++; return of[min(i, len(of)-1)], nil }
	}
	var r row
	if err := inPieces(&r, 1, 2, next(ours), next(theirs)); err != nil {
		t.Fatal(err)
	}
	if len(r.Values) != 1 || r.Values[0] != 2.5 || r.Ours[0] != 16 || r.Theirs[0] != 5.5 {
		t.Errorf("round = %+v, want 2.5 of the ratios 2 and 3, with 16 and 5.5", r)
	}
}

func TestTheBestRoundDecidesWhereThereIsNoYardstick(t *testing.T) {
	for _, c := range []struct {
		values  []float64
		limit   float64
		atLeast bool
		want    string
	}{
		{[]float64{100, 150, 400, 120, 130}, 300, true, "holds"},
		{[]float64{100, 150, 340, 120, 130}, 300, true, "close: 1.13 of the limit"},
		{[]float64{100, 150, 258, 120, 130}, 300, true, "close: 0.86 of the limit"},
		{[]float64{100, 150, 210, 120, 130}, 300, true, "short: 0.70 of the limit"},
		{[]float64{3, 1, 5, 9, 9}, 2, false, "holds"},
	} {
		r := row{Values: c.values, Limit: c.limit, AtLeast: c.atLeast, Best: true}
		if got := r.verdict(); got != c.want || r.wantsMore(len(c.values)) {
			t.Errorf("%v: verdict = %q, want %q; more rounds: %v", c.values, got, c.want, r.wantsMore(len(c.values)))
		}
	}
}

func TestTurnsSwapWhoIsFirstAndLeaveOutTheFirstRound(t *testing.T) {
	var order strings.Builder
	n := 0.0
	side := func(name string) sample {
		return func() (float64, error) {
			order.WriteString(name)
			n++
			return n, nil
		}
	}
	var r row
	if err := turns(&r, 2, side("a"), side("b")); err != nil {
		t.Fatal(err)
	}
	if got, want := order.String(), "abbaab"; got != want {
		t.Errorf("order = %s, want %s", got, want)
	}
	if len(r.Values) != 2 || r.Ours[0] != 4 || r.Theirs[0] != 3 || r.Ours[1] != 5 || r.Theirs[1] != 6 {
		t.Errorf("rounds = %+v, want 4/3 and 5/6", r)
	}
}

func TestARowNearItsLimitGetsMoreRounds(t *testing.T) {
	for _, c := range []struct {
		name  string
		ours  []float64 // comes again from the begin
		limit float64
		want  int
	}{
		{"far within", []float64{1}, 2, 4},
		{"no limit", []float64{1, 3}, 0, 4},
		{"both sides", []float64{1, 3}, 2, 12},
		{"one outlier", []float64{1, 1, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 2, 12},
	} {
		r, i := row{Limit: c.limit}, -1
		ours := func() (float64, error) { i++; return c.ours[i%len(c.ours)], nil }
		one := func() (float64, error) { return 1, nil }
		if err := turns(&r, 4, ours, one); err != nil || len(r.Values) != c.want {
			t.Errorf("%s: %d rounds, %v, want %d", c.name, len(r.Values), err, c.want)
		}
	}
}

func TestARoundOnAnUnfitMachineIsDoneAgain(t *testing.T) {
	const rounds = 5
	one := func() (float64, error) { return 1, nil }
	for _, c := range []struct {
		name     string
		unfit    int // rounds, after three that are fit
		measured int
		counted  int // of the unfit ones
	}{
		{"none", 0, rounds + 1, 0},
		{"some", 7, rounds + 1 + 7, 0},
		{"all", 1000, rounds + 1 + mostAgain*rounds, rounds - 2},
	} {
		r, n := row{}, 0
		fit := func() (bool, error) { n++; return n <= 3 || n > 3+c.unfit, nil }
		if err := inPiecesWhen(fit, &r, rounds, 1, one, one); err != nil {
			t.Fatal(err)
		}
		if n != c.measured || len(r.Values) != rounds || r.Unfit != c.counted {
			t.Errorf("%s: %d rounds measured, %d of them count, %d unfit, want %d, %d and %d",
				c.name, n, len(r.Values), r.Unfit, c.measured, rounds, c.counted)
		}
	}
	bad := func() (bool, error) { return false, io.ErrUnexpectedEOF }
	if err := inPiecesWhen(bad, &row{}, rounds, 1, one, one); err != io.ErrUnexpectedEOF {
		t.Errorf("inPiecesWhen = %v, want %v", err, io.ErrUnexpectedEOF)
	}
}

func TestTwoCoresAreThereWhenArithmeticSaysSo(t *testing.T) {
	for two, want := range map[float64]bool{2: true, 1.8: true, 1.79: false, 0.9: false} {
		c := cores{
			spin: &row{},
			two:  func() (float64, error) { return two, nil },
			one:  func() (float64, error) { return 1, nil },
		}
		if got, err := c.both(); err != nil || got != want || len(c.spin.Values) != 1 {
			t.Errorf("%v of one: %v, %v, noted %v, want %v", two, got, err, c.spin.Values, want)
		}
	}
}

func TestTurnsStopAtAnError(t *testing.T) {
	bad := func() (float64, error) { return 0, io.ErrUnexpectedEOF }
	good := func() (float64, error) { return 1, nil }
	for _, sides := range [][2]sample{{bad, good}, {good, bad}} {
		if err := turns(&row{}, 1, sides[0], sides[1]); err != io.ErrUnexpectedEOF {
			t.Errorf("turns = %v, want %v", err, io.ErrUnexpectedEOF)
		}
	}
}

func TestComparingTwoReports(t *testing.T) {
	dir := t.TempDir()
	save := func(name string, rows ...*row) string {
		path := filepath.Join(dir, name)
		r := newReport(5, 10)
		r.Commit, r.Rows = name, rows
		if err := r.save(path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	measured := func(id string, limit float64, values ...float64) *row {
		r := &row{ID: id, Limit: limit}
		for _, v := range values {
			r.add(v, 1)
		}
		return r
	}
	before := save("old", measured("put", 1.15, 2, 2, 2), measured("get", 1.5, 1, 1.1, 1.2))
	after := save("new", measured("put", 1.15, 1, 1, 1), measured("get", 1.5, 1.05, 1.1, 1.3), measured("scan", 0, 5))
	var out bytes.Buffer
	if err := compareFiles(&out, before+","+after); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	want := []string{
		"old -> new", "", "row brokers before after change verdict before verdict after",
		"put 2.00 1.00 -50 % short: 1.74x the limit holds",
		"get 1.10 1.10 same holds holds",
		"scan - 5.00 new - reported",
		"", `1 of 2 verdicts agree, 1 are opposed; of the others one is "close"`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("compare printed\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestAReportAsMarkdown(t *testing.T) {
	r := newReport(5, 10)
	put := &row{ID: "put", What: "Put", Yardstick: "ProduceSync", Brokers: "kafka", Unit: "us", Limit: 1.15}
	for range 5 {
		put.add(20, 10)
	}
	mem := &row{ID: "memory", What: "memory", Unit: "bytes"}
	mem.addValue(165)
	r.Rows = []*row{put, mem}
	path := filepath.Join(t.TempDir(), "report.json")
	if err := r.save(path); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(context.Background(), []string{"-markdown", path}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	want := []string{
		"| `put` on Kafka | Put | ProduceSync | 20.0 us | 10.0 | 2.00 | 2.00 | 2.00 | <= 1.15 | short: 1.74x the limit |",
		"| `memory` | memory |  | 165 bytes | - | 165 | 165 | 165 | - | reported |",
	}
	if strings.Join(lines[2:], "\n") != strings.Join(want, "\n") {
		t.Errorf("markdown printed\n%s\nwant rows\n%s", out.String(), strings.Join(want, "\n"))
	}
}

func TestBenchmarkLine(t *testing.T) {
	name, ns, ok := benchmarkLine("BenchmarkWitness/100000-2    3   155000000 ns/op   12 B/op")
	if name != "BenchmarkWitness/100000-2" || ns != 155000000 || !ok {
		t.Errorf("benchmarkLine = %q, %v, %v", name, ns, ok)
	}
	if _, _, ok := benchmarkLine("ok  	github.com/kvsim/kvsim/linearizability	1.2s"); ok {
		t.Error("benchmarkLine took the last line for a result")
	}
}

func TestPlotDrawsEachQuantity(t *testing.T) {
	points := []point{
		{10_000, opened{Seconds: 1, Live: 1, Range: 1, Scan: 1}},
		{100_000, opened{Seconds: 10, Live: 10, Range: 1, Scan: 1}},
	}
	var out bytes.Buffer
	if err := plot(&out, points); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "<polyline"); n != len(quantities)+1 {
		t.Errorf("the plot has %d lines, want %d", n, len(quantities)+1)
	}
	if err := plot(io.Discard, points[:1]); err == nil {
		t.Error("a plot of one size was drawn")
	}
}

func TestGrowthRestsOnItsSteepestStep(t *testing.T) {
	jobs := []openJob{{Keys: 10_000}, {Keys: 100_000}, {Keys: 1_000_000}}
	took := func(seconds ...float64) (runs []opened) {
		for _, s := range seconds {
			runs = append(runs, opened{Seconds: s})
		}
		return runs
	}
	q := quantity{name: "bootstrap", bound: "n", of: func(p point) float64 { return p.Seconds }, may: linear}
	r := q.steepest(jobs, [][]opened{took(1, 1, 1, 1, 1), took(9, 11, 10, 50, 10), took(90, 110, 200, 1000, 300)}, "kfake")
	want := []float64{1, 1, 2, 2, 3}
	if len(r.Values) != len(want) {
		t.Fatalf("values = %v, want %v", r.Values, want)
	}
	for i := range want {
		if math.Abs(r.Values[i]-want[i]) > 1e-9 {
			t.Errorf("values = %v, want %v", r.Values, want)
		}
	}
	if what := "growth from 100000 keys to 1000000"; !strings.Contains(r.What, what) || r.verdict() != "short: 1.33x the limit" && r.verdict() != "close: 1.33x the limit" {
		t.Errorf("row = %q, %q, want one of %s that is not within the limit", r.What, r.verdict(), what)
	}
}

func TestSimulatorRoundsAreSpreadAndEnd(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{report: newReport(7, 10), rounds: 7, stderr: io.Discard, simulator: newSimulator(self)}
	for range 3 {
		if err := b.pause(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(b.simulator.virtual.Values); n != 3 || len(b.report.Rows) != 0 {
		t.Fatalf("after 3 pauses there are %d rounds and %d rows, want 3 and none", n, len(b.report.Rows))
	}
	if err := b.endSimulator(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range b.report.Rows {
		got[r.ID] = fmt.Sprint(len(r.Values), " of ", r.Values[0])
	}
	want := map[string]string{
		"virtual-seeds": "7 of 40", "virtual-speed": "7 of 300", "virtual-speed-cpu": "7 of 600", "virtual-checked": "7 of 5",
		"exact-seeds": "5 of 10", "exact-seeds-cpu": "5 of 20",
	}
	if !maps.Equal(got, want) {
		t.Errorf("rows = %v, want %v", got, want)
	}
	b.simulator = newSimulator(filepath.Join(t.TempDir(), "nowhere"))
	if err := b.endSimulator(t.Context()); err == nil {
		t.Error("a command that is not there gave no error")
	}
}

// kvsimBench stands in for kvsim bench --json --engine E --seeds N: it answers with N.
func kvsimBench(args []string) {
	n, _ := strconv.Atoi(args[len(args)-1])
	_ = json.NewEncoder(os.Stdout).Encode(benchLine{SeedsPerHour: float64(n), SeedsPerCPU: float64(2 * n), Speed: 300, Checks: 5})
}

func TestWrongArgumentsSayWhatToDo(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-rounds", "4"}, "the least is 5"},
		{[]string{"put"}, "unknown argument"},
		{[]string{"-compare", "a.json"}, "two files"},
	} {
		err := run(context.Background(), c.args, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("bench %v = %v, want an error with %q", c.args, err, c.want)
		}
	}
}
