package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kvsim/kvsim/sim"
)

const badHistory = `{"kvsim":"history"
`

func TestWrongCommandLinesSayWhatToDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	notHistory := filepath.Join(dir, "not-a-history")
	if err := os.WriteFile(notHistory, []byte("hello\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, cmd := range commands() {
		names = append(names, cmd.name)
	}
	noWalk := `there is no command "walk": use one of ` + strings.Join(names, ", ")
	for _, tc := range []struct {
		args   string
		stdin  string
		stderr string // all of it, except the last line
	}{
		{"walk", "", noWalk},
		{"help walk", "", noWalk},
		{"run --speed 3", "", "run: flag provided but not defined: -speed"},
		{"run fast", "", `run: unexpected argument "fast"`},
		{"run --seed x", "", `run: invalid value "x" for flag -seed: "x" is not a seed: use a number from 0 to 18446744073709551615, or a range such as 1..100`},
		{"run --seed 9..3", "", `run: invalid value "9..3" for flag -seed: the range ends before it begins: write 3..9`},
		{"run --clients -1", "", "run: --clients -1 is negative: leave it out for the scenario's own number"},
		{"run --for -1s", "", "run: --for -1s is negative"},
		{"run --for 1s --seed 4..8", "", "run: --for starts at one seed: give --seed 4, or leave --for out"},
		{"run --engine steam", "", `run: there is no engine "steam": use virtual, exact or real`},
		{"run --scheduler stock", "", "run: --scheduler is for --engine exact only: the virtual engine has Go's own scheduler"},
		{"run --engine exact --scheduler fair", "", `run: there is no scheduler "fair": use random or stock`},
		{"run --kafka testcontainers", "", "run: --kafka testcontainers needs --engine real: the virtual engine has brokers of its own"},
		{"run --engine real --kafka testcontainer", "", `run: --kafka testcontainer: "testcontainer" is no address of a broker: write testcontainers, or brokers as host:port,host:port`},
		{"run --engine real --kafka a:9092,,b:9092", "", `run: --kafka a:9092,,b:9092: "" is no address of a broker: write testcontainers, or brokers as host:port,host:port`},
		{"run --engine real --kafka a:90920", "", `run: --kafka a:90920: "a:90920" is no address of a broker: write testcontainers, or brokers as host:port,host:port`},
		{"run --engine real --kafka a:9092 --brokers-count 3", "", "run: --brokers-count 3: --kafka a:9092 names the brokers, so leave --brokers-count out"},
		{"run --engine real --jobs 2", "", "run: --jobs 2: worlds in real time run one after the other, because they would disturb each other"},
		{"run --plan p --clients 3", "", "run: --plan describes the whole world: leave out --scenario, --clients, --ops and --brokers-count, or edit the file"},
		{"run --plan " + dir + "/none", "", "run: read the plan: open " + dir + "/none: no such file or directory"},
		{"run --allow-inconclusive 200", "", "run: --allow-inconclusive 200 is not from 0 to 100"},
		{"run --allow-inconclusive NaN", "", "run: --allow-inconclusive NaN is not from 0 to 100"},
		{"run --clients 1000000000", "", "run: --clients 1000000000 is more than the 1000 that a world may have"},
		{"run --ops 1000000000", "", "run: --ops 1000000000 is more than the 10000000 that a world may have"},
		{"run --brokers-count 1000", "", "run: --brokers-count 1000 is more than the 100 that a world may have"},
		{"run --conclusive 2", "", "run: --conclusive 2 needs --for, which says when to give up"},
		{"run --for 1m --conclusive -2", "", "run: --conclusive -2 is negative"},
		{"replay", "", "replay: name one capsule, such as kvsim-out/latest, or one seed"},
		{"replay " + dir + "/none", "", "replay: there is no capsule " + dir + "/none: name a directory that a failing run left, such as kvsim-out/latest"},
		{"replay " + notHistory, "", "replay: " + notHistory + " is not a capsule, which is a directory: to run a plan use kvsim run --plan " + notHistory},
		{"replay " + dir, "", "replay: " + dir + " is not a capsule: open " + dir + "/plan.txt: no such file or directory"},
		{"replay --clients 3 " + dir, "", "replay: --clients is for a seed, and a capsule has its own plan: copy plan.txt, edit the copy, and use kvsim run --plan"},
		{"replay 7 --seed 8", "", "replay: the seed is given twice, as --seed 8 and as 7"},
		{"shrink", "", "shrink: name one capsule, such as kvsim-out/latest"},
		{"shrink --runs 0 x", "", "shrink: --for, --runs and --tries have to be above 0, and --jobs must not be negative"},
		{"check", "", "check: name one history, such as kvsim-out/latest/history.jsonl, or - for the input"},
		{"check " + dir + "/none", "", "check: read the history: open " + dir + "/none: no such file or directory"},
		{"check --skip everything -", "", `check: invalid value "everything" for flag -skip: there is no such check: kvsim list --checks names them`},
		{"list all", "", `list: unexpected argument "all"`},
		{"exec --print-go --print-overlay", "", "exec: --print-overlay and --print-go print one path each: use one of them"},
		{"exec", "", "exec: name a wasm program behind --, built with GOOS=wasip1 GOARCH=wasm"},
		{"bench --engine virtual,steam", "", `bench: there is no engine "steam": use virtual, exact or real`},
	} {
		t.Run(tc.args, func(t *testing.T) {
			t.Parallel()
			args := strings.Fields(tc.args)
			got := kvsim(t, testCLI(""), tc.stdin, args...)
			name := ""
			if _, err := findCommand(args[0]); err == nil {
				name = " " + args[0]
			}
			got.want(t, said{code: exitUsage, stderr: "kvsim: " + tc.stderr + "\nRun \"kvsim help" + name + "\" for usage.\n"})
		})
	}
}

func TestWrongPlansAndHistoriesSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		args, stdin string
		stderr      []string
	}{
		{"run --plan -", "", []string{"kvsim: -: plan is not usable: ", `begins with the line "kvsim-plan 1"`}},
		{"run --plan -", "kvsim-plan 1\nseed 1\nworld clients=0 brokers=1\n", []string{"world clients is 0 and has to be from 1 to 1000"}},
		{"plan --plan -", "kvsim-plan 1\nlag from=soon\n", []string{"line 2", "not a duration"}},
		{"run --plan -", plan("workload ops=-5"), []string{"line 3", "ops=-5: a number in a plan is not below zero"}},
		{"run --plan -", plan("world clients=2 brokers=1 latency.min=-1ms"), []string{"line 3", "latency.min=-1ms"}},
		{"run --plan -", plan("workload zipf=-0.5"), []string{"line 3", "zipf=-0.5"}},
		{"plan --plan -", plan("lag client=c2 from=-1s for=1s"), []string{"line 3", "from=-1s"}},
		{"plan --plan -", plan("seed -1"), []string{"line 3", `"-1" is not a number`}},
		{"check -", history("1,1,invoke", "2,0,append"), []string{"history line 3", "time goes back"}},
		{"check -", history("1,-1,invoke"), []string{"history line 2", "time is not negative"}},
		{"check -", history("1,1,invoke", "1,1,append"), []string{"history line 3", `"seq" is 1, which line 2 has already`}},
		{"check -", history("2,5,append", "3,6,fault", "2,5,append"), []string{"history line 4", `"seq" is 2, which line 2 has already`}},
		{"check -", history("-7,1,append"), []string{"history line 2", `"seq" is missing, less than 1`}},
		{"report -", history("1,1,invoke", "2,0,append"), []string{"history line 3", "time goes back"}},
		{"check -", badHistory, []string{"kvsim: check: - is not a history: ", `Run "kvsim help check" for usage.`}},
	} {
		t.Run(tc.args, func(t *testing.T) {
			t.Parallel()
			got := kvsim(t, testCLI(""), tc.stdin, strings.Fields(tc.args)...)
			if got.code != exitUsage || got.stdout != "" {
				t.Errorf("exit code = %d, stdout = %q; want %d and nothing", got.code, got.stdout, exitUsage)
			}
			for _, want := range tc.stderr {
				if !strings.Contains(got.stderr, want) {
					t.Errorf("stderr = %q, want %q in it", got.stderr, want)
				}
			}
		})
	}
}

// plan is a plan that has a line 3.
func plan(line string) string { return "kvsim-plan 1\nscenario x\n" + line + "\n" }

// history is one that has an event for each of "seq,time,kind".
func history(events ...string) string {
	var text strings.Builder
	text.WriteString(`{"kvsim_history":1,"tap":"exact"}` + "\n")
	for i, e := range events {
		f := strings.Split(e, ",")
		rest := map[string]string{
			"invoke": `"client":"c1","proc":1,"op":1,"call":"put","key":"a","value":"v1"`,
			"append": fmt.Sprintf(`"offset":%d,"key":"a","value":"v%d"`, i, i),
			"fault":  `"fault":1,"text":"x"`,
		}[f[2]]
		fmt.Fprintf(&text, `{"seq":%s,"t":%s,"ev":%q,%s}`+"\n", f[0], f[1], f[2], rest)
	}
	return text.String()
}

func TestByteOrderMarkIsPassedOver(t *testing.T) {
	t.Parallel()
	const mark = "\ufeff"
	p := kvsim(t, testCLI(""), "", "plan", "--scenario", "lag", "--seed", "7")
	got := kvsim(t, testCLI(""), mark+strings.ReplaceAll(p.stdout, "\n", "\r\n"), "plan", "--plan", "-")
	got.want(t, said{stdout: p.stdout})
	for _, stdin := range []string{staleRead, mark + staleRead, mark + strings.ReplaceAll(staleRead, "\n", "\r\n")} {
		if got := kvsim(t, testCLI(""), stdin, "check", "-"); got.code != exitViolation {
			t.Errorf("check of %.20q = %+v, want a violation", stdin, got)
		}
	}
}

func TestHelpOfEveryCommandHasItsFlagsAndNoOthers(t *testing.T) {
	t.Parallel()
	for _, cmd := range commands() {
		for _, args := range [][]string{{"help", cmd.name}, {cmd.name, "--help"}, {cmd.name, "-h"}} {
			got := kvsim(t, testCLI(""), "", args...)
			if got.code != exitHeld || got.stderr != "" || !strings.HasPrefix(got.stdout, "usage: kvsim "+cmd.name) {
				t.Errorf("kvsim %v = %d, %q, %q", args, got.code, got.stdout, got.stderr)
			}
			// Package testing registers its own flags where nobody should see them.
			if strings.Contains(got.stdout, "-test.") {
				t.Errorf("kvsim %v shows flags of package testing:\n%s", args, got.stdout)
			}
			fs := flag.NewFlagSet(cmd.name, flag.ContinueOnError)
			cmd.flags(new(cli), fs)
			fs.VisitAll(func(f *flag.Flag) {
				if !strings.Contains(got.stdout, "-"+f.Name) {
					t.Errorf("kvsim %v does not show --%s", args, f.Name)
				}
			})
		}
	}
}

func TestHelpGoesToStdoutAndNoCommandIsAMistake(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	writeHelp(&text)
	for _, arg := range []string{"help", "-h", "--help", "-help"} {
		kvsim(t, testCLI(""), "", arg).want(t, said{stdout: text.String()})
	}
	kvsim(t, testCLI(""), "").want(t, said{code: exitUsage, stderr: text.String()})
	for _, want := range []string{"\n  run      run worlds and judge them\n", "\n  64   the command line, a plan or a history is wrong\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("help has no line %q", want)
		}
	}
}

func TestFlagsMayStandBehindArguments(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		args []string
		stop bool
		rest []string
		v    bool
	}{
		{[]string{"-v", "a", "b"}, false, []string{"a", "b"}, true},
		{[]string{"a", "-v", "b"}, false, []string{"a", "b"}, true},
		{[]string{"a", "--", "-v"}, false, []string{"a", "-v"}, false},
		{[]string{"a", "-v"}, true, []string{"a", "-v"}, false},
		{[]string{"-v", "--", "a", "-v"}, true, []string{"a", "-v"}, true},
		{nil, false, nil, false},
	} {
		fs := flag.NewFlagSet("", flag.ContinueOnError)
		fs.SetOutput(io.Discard)
		v := fs.Bool("v", false, "")
		rest, err := parseFlags(fs, tc.args, tc.stop)
		if err != nil || !slices.Equal(rest, tc.rest) || *v != tc.v {
			t.Errorf("parseFlags(%q, %v) = %q, -v %v, %v; want %q, %v", tc.args, tc.stop, rest, *v, err, tc.rest, tc.v)
		}
	}
}

func TestSeedRanges(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text  string
		seeds []uint64
	}{
		{"7", []uint64{7}},
		{"3..5", []uint64{3, 4, 5}},
		{"0..0", []uint64{0}},
		{"18446744073709551614..18446744073709551615", []uint64{1<<64 - 2, 1<<64 - 1}},
	} {
		var r seedRange
		if err := r.Set(tc.text); err != nil {
			t.Fatal(err)
		}
		var got []uint64
		next := seedsOf(r)
		for s, ok := next(); ok; s, ok = next() {
			got = append(got, s)
		}
		if !slices.Equal(got, tc.seeds) {
			t.Errorf("seeds of %s = %v, want %v", tc.text, got, tc.seeds)
		}
	}
}

func TestResultsThatCannotBeWrittenAreAnError(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	r.Close()
	var stderr strings.Builder
	if code := testCLI("").main(context.Background(), []string{"list"}, nil, w, &stderr); code != exitHarness {
		t.Errorf("exit code = %d, want %d", code, exitHarness)
	}
	if want := "kvsim: write the results: io: read/write on closed pipe\n"; stderr.String() != want {
		t.Errorf("stderr = %q, want %q", &stderr, want)
	}
}

func TestListShowsEveryJudgement(t *testing.T) {
	t.Parallel()
	var stdout, stderr strings.Builder
	if code := testCLI("").main(context.Background(), []string{"list", "--checks"}, nil, &stdout, &stderr); code != exitHeld {
		t.Fatalf("exit code %d: %s", code, &stderr)
	}
	for _, j := range sim.Judgements() {
		if !strings.Contains(stdout.String(), j.Name) || !strings.Contains(stdout.String(), j.Guarantee) {
			t.Errorf("list --checks does not show %s", j.Name)
		}
	}
}

func TestArgumentsAreQuotedForAShell(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]string{
		"kvsim-out/x": "kvsim-out/x", "a b": "'a b'", "": "''", "it's": `'it'\''s'`, "$HOME": "'$HOME'",
	} {
		if got := quoteArg(arg); got != want {
			t.Errorf("quoteArg(%q) = %s, want %s", arg, got, want)
		}
	}
}
