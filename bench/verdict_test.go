package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// output writes a file as make bench does, with one round for each line of results.
func output(t *testing.T, rounds ...string) string {
	t.Helper()
	var b strings.Builder
	for i, lines := range rounds {
		fmt.Fprintf(&b, "round: %d\nbrokers: kfake\ngoos: linux\npkg: some\n", i+1)
		for line := range strings.SplitSeq(lines, ";") {
			fmt.Fprintf(&b, "Benchmark%s\n", strings.TrimSpace(line))
		}
		b.WriteString("PASS\n")
	}
	path := filepath.Join(t.TempDir(), "out.txt")
	if err := os.WriteFile(path, []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// measured is the outcome of one row in such a file.
func measured(t *testing.T, table, path string) []*outcome {
	t.Helper()
	rows, err := parseRows(table)
	if err != nil {
		t.Fatal(err)
	}
	res, err := readResults(t.Output(), path)
	if err != nil {
		t.Fatal(err)
	}
	return res.outcomes(rows)
}

func TestTheIntervalDecides(t *testing.T) {
	for _, c := range []struct {
		name   string
		ratios []float64
		limit  string
		want   string
	}{
		{"all within", []float64{1, 1, 1.05, 1.1, 1.1, 1.14}, "<= 1.15", "holds"},
		{"at the limit", []float64{1.25, 1.25, 1.25, 1.25, 1.25, 1.25}, "<= 1.25", "holds"},
		{"one of six beyond", []float64{1, 1, 1, 1, 1, 2}, "<= 1.15", "close"},
		{"one of nine beyond", []float64{1, 1, 1, 1, 1, 1, 1, 1, 2}, "<= 1.15", "holds"},
		{"two of nine beyond", []float64{1, 1, 1, 1, 1, 1, 1, 2, 2}, "<= 1.15", "close"},
		{"all but one of nine beyond", []float64{1, 2, 2, 2, 2, 2, 2, 2, 2}, "<= 1.6", "short: 1.25 of the limit"},
		{"all beyond", []float64{2, 2, 2, 2, 2, 2}, "<= 1.6", "short: 1.25 of the limit"},
		{"enough", []float64{0.91, 1, 1, 1, 1, 1}, ">= 0.9", "holds"},
		{"too little", []float64{0.35, 0.35, 0.35, 0.35, 0.35, 0.35}, ">= 0.7", "short: 0.50 of the limit"},
		{"no limit", []float64{7, 7, 7, 7, 7, 7}, "", "reported"},
		{"too few to say", []float64{1, 1, 1}, "<= 9", "close, need >= 6 samples for confidence interval at level 0.95"},
	} {
		var rounds []string
		for _, v := range c.ratios {
			rounds = append(rounds, fmt.Sprintf("A/side=store-2 1 %v ns/op; A/side=raw-2 1 1000 ns/op", 1000*v))
		}
		all := measured(t, "a | ns/op | A/side=store | A/side=raw | "+c.limit+" | | what", output(t, rounds...))
		if len(all) != 1 || all[0].verdictText() != c.want {
			t.Errorf("%s: verdict = %q, want %q", c.name, all[0].verdictText(), c.want)
		}
	}
}

// A round in which a number is missing must not move the others to other rounds.
func TestNumbersOfOneRoundAreCompared(t *testing.T) {
	const table = "a | ns/op | A/side=store | A/side=raw | | | what"
	path := output(t, "A/side=store 1 10 ns/op; A/side=raw 1 5 ns/op", "A/side=store 1 40 ns/op", "A/side=store 1 90 ns/op; A/side=raw 1 30 ns/op")
	o := measured(t, table, path)[0]
	if o.rounds != 2 || o.values[round{of: 1}] != 2 || math.Abs(o.values[round{of: 3}]-3) > 1e-9 {
		t.Errorf("values = %v, want 2 in round 1 and 3 in round 3", o.values)
	}
	// go test -count gives several of each without a round.
	path = output(t, "A/side=store 1 10 ns/op; A/side=store 1 30 ns/op; A/side=raw 1 5 ns/op; A/side=raw 1 10 ns/op")
	if o = measured(t, table, path)[0]; o.rounds != 2 || math.Abs(o.value.Center-2.5) > 1e-9 {
		t.Errorf("values = %v, want 2 and 3", o.values)
	}
	// What only one run knows is no row.
	if all := measured(t, table, output(t, "A/side=store 1 10 ns/op")); len(all) != 0 {
		t.Errorf("outcomes = %v, want none", all)
	}
}

func TestOnlyRoundsCountInWhichTheMachineWasFit(t *testing.T) {
	const table = "spin | n/s | S | 1 | | | what\nget | n/s | G | 1 | >= 2 | spin >= 1.8 | what"
	all := measured(t, table, output(t, "S 1 1.9 n/s; G 1 3 n/s", "S 1 1.7 n/s; G 1 1 n/s", "G 1 1 n/s"))
	get := all[1]
	if len(get.values) != 1 || get.value.Center != 3 || !strings.Contains(get.verdictText(), "close, 1 of 3 rounds with spin >= 1.8") {
		t.Errorf("values = %v, %q, want 3 of one round of three", get.values, get.verdictText())
	}
	// Without that row no round counts, and nothing is known.
	if o := measured(t, table, output(t, "G 1 3 n/s"))[0]; len(o.values) != 0 || o.verdict() != closeBy {
		t.Errorf("values = %v, %s, want none and close", o.values, o.verdict())
	}
}

func TestNumbersWithoutYardstickAreHeldAgainstTheLimit(t *testing.T) {
	const table = "first | first-ns | F | | <= 50e6 | | what\nmemory | B/key | M | 100 | <= 2 | | what"
	var rounds []string
	for range 6 {
		rounds = append(rounds, "F 1 80000000 first-ns; M 1 150 B/key")
	}
	all := measured(t, table, output(t, rounds...))
	if got := strings.Join(all[0].cells(), " | "); got != "first | first-sec | 80.00m | - | 80.00m | 80.00m - 80.00m | <= 50.00m | short: 1.60 of the limit" {
		t.Errorf("cells = %s", got)
	}
	if got := strings.Join(all[1].cells(), " | "); got != "memory | B/key | 150.0 | 100.0 | 1.50x | 1.50x - 1.50x | <= 2.00x | holds" {
		t.Errorf("cells = %s", got)
	}
}

// sixRounds is an output in which put takes so many times as long as its yardstick.
func sixRounds(t *testing.T, ratio float64) string {
	t.Helper()
	var rounds []string
	for range 6 {
		rounds = append(rounds, fmt.Sprintf("Put/delay=0s/side=store-2 1 %v p50-ns; Put/delay=0s/side=raw-2 1 1000 p50-ns", 1000*ratio))
	}
	return output(t, rounds...)
}

func TestTheCommandPrintsFailsAndCompares(t *testing.T) {
	good, bad := sixRounds(t, 1), sixRounds(t, 2.3)
	for _, c := range []struct {
		args []string
		want string // of what is printed, white space as one blank
		err  string
	}{
		{[]string{good}, "6 rounds, brokers kfake, goos linux row unit store yardstick value interval limit verdict put p50-sec 1.000µ 1.000µ 1.00x 1.00x - 1.00x <= 1.15x holds", ""},
		{[]string{"-markdown", good}, "| `put` | p50-sec | 1.000µ | 1.000µ | 1.00x | 1.00x - 1.00x | <= 1.15x | holds |", ""},
		{[]string{"-strict", good}, "holds", ""},
		{[]string{bad}, "short: 2.00 of the limit", ""},
		{[]string{"-strict", bad}, "short: 2.00 of the limit", errShort.Error()},
		{[]string{"-old", good, bad}, "put 1.00x 2.30x +130.00% p=0.002 n=6 holds short 1 of 1 verdicts are opposed", ""},
		{[]string{"-old", good, good}, "put 1.00x 1.00x ~ p=1.000 n=6 holds holds 0 of 1 verdicts are opposed", ""},
		{nil, "", "name the files"},
		{[]string{filepath.Join(t.TempDir(), "none")}, "", "no such file"},
		{[]string{output(t)}, "", "no results"},
		{[]string{output(t, "Put/delay=0s/side=store 1 x ns/op")}, "", "no results"},
		{[]string{output(t, "FirstPut 1 9 first-put-ns; FirstPut 1 8 open-ns; FirstPut")}, "first-open open-sec 8.000n", ""}, // was stopped
	} {
		var out bytes.Buffer
		err := run(c.args, &out, io.Discard)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("bench %v = %v, want %q", c.args, err, c.err)
		}
		if got := strings.Join(strings.Fields(out.String()), " "); !strings.Contains(got, c.want) {
			t.Errorf("bench %v printed\n%s\nwant\n%s", c.args, got, c.want)
		}
	}
}
