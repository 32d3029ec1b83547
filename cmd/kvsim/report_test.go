package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	// The report can be made again, to the byte.
	other := filepath.Join(out, "again.html")
	if again := kvsim(t, testCLI(""), "", "report", capsule, "-o", other); again.code != exitHeld {
		t.Fatalf("kvsim report = %+v", again)
	}
	if data, err = os.ReadFile(other); err != nil || string(data) != page {
		t.Errorf("the report made again differs (%v)", err)
	}
}
