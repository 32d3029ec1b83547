package doctext_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kvsim/kvsim/internal/doctext"
)

func TestParseFindsFencedIndentedAndInlineCode(t *testing.T) {
	t.Parallel()
	text := strings.Join([]string{
		"Text with `one` and ``two`s``.",
		"    no block, the text goes on",
		"",
		"    an indented block",
		"",
		"      of three lines",
		"Text again.",
		"- a list:",
		"  ```sh",
		"  make `x`",
		"  ```",
		"```go",
		"f()",
		"```",
	}, "\n")
	got := doctext.Parse("a.md", []byte(text))
	want := []doctext.Code{
		{File: "a.md", Line: 1, Inline: true, Text: "one"},
		{File: "a.md", Line: 1, Inline: true, Text: "two`s"},
		{File: "a.md", Line: 4, Text: "an indented block\n\n  of three lines\n"},
		{File: "a.md", Line: 10, Lang: "sh", Text: "make `x`\n"},
		{File: "a.md", Line: 13, Lang: "go", Text: "f()\n"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Parse, want - got +:\n%s", diff)
	}
}

func TestCommandsAreFoundWhereTheyAreCalled(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		lang, text string
		want       []string // arguments with | between them
	}{
		{"sh", "kvsim run --seed 7   # a comment\n", []string{"run|--seed|7"}},
		{"", "kvsim replay 7 > file\n", []string{"replay|7"}},
		{"sh", "go run ./cmd/kvsim list\n", []string{"list"}},
		{"sh", "go test -overlay \"$(kvsim exec --print-overlay)\" -exec \"kvsim exec --seed 7 --\" ./...\n", []string{"exec|--print-overlay", "exec|--seed|7|--"}},
		{"sh", "kvsim run \\\n  --out 'a b' || true\n", []string{"run|--out|a b"}},
		{"", "kvsim run [--seed N|A..B]\n          [-v]\n", []string{"run|[--seed|N|A..B]|[-v]"}},
		{"yaml", "- name: the kvsim that we use\n  run: kvsim run --for 5m\n", []string{"run|--for|5m"}},
		{"sh", "# kvsim walk\nkvsim: starting\ngo build ./cmd/kvsim\n", nil},
		{"go", "// kvsim run\n", nil},
	} {
		var got []string
		code := doctext.Code{File: "a.md", Line: 1, Lang: tc.lang, Text: tc.text}
		for _, c := range doctext.Commands([]doctext.Code{code}, `go run \./cmd/kvsim|kvsim`) {
			got = append(got, strings.Join(c.Args, "|"))
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("Commands(%q), want - got +:\n%s", tc.text, diff)
		}
	}
}
