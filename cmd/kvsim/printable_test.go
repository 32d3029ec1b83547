package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Clearing a screen, naming a window in eight-bit codes, ringing, going back to the start
// of a line, and reading from right to left.
const hostileText = "\x1b[2J\u009d0;owned\a\r\x7f\u202egnp"

// TestPrintableWritesTheSameInAnyPieces writes byte by byte, in pairs and as a whole.
func TestPrintableWritesTheSameInAnyPieces(t *testing.T) {
	text := "tab\tand line\nä 日本 🙂 " + hostileText + "\xff\xc2."
	want := "tab\tand line\nä 日本 🙂 " + `\u001b[2J\u009d0;owned\u0007\u000d\u007f\u202egnp` + "\xff\xc2."
	for size := 1; size <= len(text); size++ {
		var out bytes.Buffer
		p := &printable{w: &out}
		for i := 0; i < len(text); i += size {
			piece := text[i:min(i+size, len(text))]
			if n, err := p.Write([]byte(piece)); n != len(piece) || err != nil {
				t.Fatalf("Write = %d, %v", n, err)
			}
		}
		if out.String() != want {
			t.Errorf("in pieces of %d bytes: %q, want %q", size, out.String(), want)
		}
	}
}

// TestTextsOfFilesDoNotReachTheTerminal gives commands files in which every free text is
// hostile.
func TestTextsOfFilesDoNotReachTheTerminal(t *testing.T) {
	t.Parallel()
	quoted, err := json.Marshal("c1" + hostileText)
	if err != nil {
		t.Fatal(err)
	}
	history := strings.ReplaceAll(staleRead, `"c1"`, string(quoted))
	if history == staleRead {
		t.Fatal("the history has no client c1")
	}
	out := t.TempDir()
	kvsim(t, testCLI(""), "", "run", "--seed", "1", "--keep", "--out", out)
	capsule := filepath.Join(out, capsuleLatest)
	rewrite(t, filepath.Join(capsule, "capsule.json"), `"virtual"`, string(quoted))
	rewrite(t, filepath.Join(capsule, "plan.txt"), "scenario ", "scenario "+hostileText)
	for _, tc := range []struct {
		stdin string
		args  []string
	}{
		{history, []string{"check", "-"}},
		{history, []string{"check", "--json", "-"}},
		{"kvsim-plan 1\n" + hostileText + "\n", []string{"run", "--plan", "-"}},
		{"", []string{"replay", capsule, "--out", out}},
		{"", []string{"check", out + hostileText}},
	} {
		got := kvsim(t, testCLI(""), tc.stdin, tc.args...)
		if i := strings.IndexFunc(got.stdout+got.stderr, obeyed); i >= 0 {
			t.Errorf("%q printed %q", tc.args, got.stdout+got.stderr)
		}
		if !strings.Contains(got.stdout+got.stderr, `\u001b`) && !strings.Contains(got.stdout+got.stderr, `\x1b`) {
			t.Errorf("%q printed nothing of the text:\n%s%s", tc.args, got.stdout, got.stderr)
		}
	}
}

// rewrite replaces a text in a file.
func rewrite(t *testing.T, file, old, replacement string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), old) {
		t.Fatalf("%s has no %s:\n%.2000s", file, old, data)
	}
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(data), old, replacement)), 0o600); err != nil {
		t.Fatal(err)
	}
}
