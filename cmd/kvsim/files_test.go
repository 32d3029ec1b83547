package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever is called latest and is not of kvsim stays, and is told of before worlds run.
func TestLatestOfTheUserStays(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{"text": "precious", "name": "notes\n", "empty": ""} {
		out := t.TempDir()
		file := filepath.Join(out, capsuleLatest)
		if err := os.WriteFile(file, []byte(content), private); err != nil {
			t.Fatal(err)
		}
		got := kvsim(t, testCLI(""), "", "run", "--seed", "1", "--keep", "--out", out)
		if got.code != exitUsage || !strings.Contains(got.stderr, file+" is not a link to a capsule") {
			t.Errorf("%s: %+v", name, got)
		}
		if data, err := os.ReadFile(file); err != nil || string(data) != content {
			t.Errorf("%s: latest = %q, %v", name, data, err)
		}
		if err := linkLatest(out, "another"); err == nil {
			t.Errorf("%s: it was replaced", name)
		}
	}
	out := t.TempDir()
	if err := os.MkdirAll(filepath.Join(out, capsuleLatest), 0o777); err != nil {
		t.Fatal(err)
	}
	if got := kvsim(t, testCLI(""), "", "run", "--seed", "1", "--out", out); got.code != exitUsage {
		t.Errorf("a directory: %+v", got)
	}
}

// zeros is an input without an end. It counts what is read of it.
type zeros struct{ read int64 }

func (z *zeros) Read(p []byte) (int, error) {
	clear(p)
	z.read += int64(len(p))
	return len(p), nil
}

func TestInputsAreReadUpToALimit(t *testing.T) {
	if data, err := readAll(strings.NewReader("1234"), "x", 4); err != nil || string(data) != "1234" {
		t.Errorf("4 of 4 bytes = %q, %v", data, err)
	}
	var in zeros
	data, err := readAll(&in, "the input", 1000)
	if err == nil || err.Error() != "the input has more than 1000 bytes" || data != nil || in.read > 1<<16 {
		t.Errorf("an endless input: %d bytes, %v, after %d were read", len(data), err, in.read)
	}
	in.read = 0
	got := said{}
	var stdout, stderr bytes.Buffer
	got.code = testCLI("").main(t.Context(), []string{"run", "--plan", "-"}, io.Reader(&in), &stdout, &stderr)
	if got.code != exitUsage || !strings.Contains(stderr.String(), "the input has more than 16777216 bytes") || in.read > 2*mostPlan {
		t.Errorf("an endless plan: exit code %d after %d bytes: %s", got.code, in.read, &stderr)
	}
}

// Files of a capsule that are larger than any capsule's are refused by name and number.
func TestLargeFilesInCapsulesAreRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		most int64
	}{{capsulePlan, mostPlan}, {capsuleResult, mostResult}, {capsuleInfo, mostResult}} {
		dir := t.TempDir()
		for name, content := range map[string]string{capsulePlan: kafkaPlan, capsuleResult: `{"status":"violation"}`, capsuleInfo: "{}"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), private); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := readCapsule(dir); err != nil {
			t.Fatalf("a small capsule: %v", err)
		}
		if err := os.Truncate(filepath.Join(dir, c.name), c.most+1); err != nil { // it takes no room on disk
			t.Fatal(err)
		}
		for _, command := range []string{"replay", "shrink", "report"} {
			got := kvsim(t, testCLI(""), "", command, dir)
			if got.code != exitUsage || !strings.Contains(got.stderr, c.name+" has more than ") {
				t.Errorf("kvsim %s of a capsule with a large %s: exit code %d, %s", command, c.name, got.code, got.stderr)
			}
		}
	}
}
