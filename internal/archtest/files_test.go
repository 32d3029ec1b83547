package archtest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	// largestFile is the most bytes that a file of the repository may have.
	largestFile = 1 << 20
	// largestImage is the same for the binary files that binaryFiles allows.
	largestImage = 256 << 10
)

// binaryFiles are the patterns, in the form of path.Match, of the binary files
// that the repository may hold.
var binaryFiles = []string{"docs/images/*.png"}

// Whatever is committed stays in every clone forever, so a program that was
// built in the tree by accident is caught before: files count that git does not
// ignore, committed or not.
func TestNoFileIsBinaryOrLarge(t *testing.T) {
	root := moduleRoot(t)
	names := repositoryFiles(t, root)
	if !slices.Contains(names, "go.mod") {
		t.Fatalf("git lists %d files in %s, and go.mod is none of them", len(names), root)
	}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(root, name))
		if errors.Is(err, fs.ErrNotExist) { // Deleted, but not in the index yet.
			continue
		}
		if err != nil {
			t.Errorf("read %s: %v", name, err)
			continue
		}
		if wrong := wrongFile(name, data); wrong != "" {
			t.Error(wrong)
		}
	}
}

func TestEachFileThatIsBinaryOrLargeIsReported(t *testing.T) {
	text, png := []byte("package x\n"), []byte("\x89PNG\r\n\x1a\n\x00")
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"a.go", text, ""},
		{"docs/images/a.png", png, ""},
		{"empty", nil, ""},
		{"umlaut.md", []byte("Grüße, 世界\n"), ""},
		{"bench", []byte("\x7fELF\x02\x01\x01\x00"), "bench is binary"},
		{"latin1.txt", []byte("Gr\xfc\xdfe"), "latin1.txt is binary"},
		{"a.png", png, "a.png is binary"},
		{"docs/images/sub/a.png", png, "docs/images/sub/a.png is binary"},
		{"docs/images/a.png", append(png, make([]byte, largestImage)...), "docs/images/a.png has 262153 bytes"},
		{"testdata/a.txt", bytes.Repeat([]byte("a"), largestFile), ""},
		{"testdata/a.txt", bytes.Repeat([]byte("a"), largestFile+1), "testdata/a.txt has 1048577 bytes"},
	} {
		got := wrongFile(c.name, c.data)
		if (got == "") != (c.want == "") || !strings.HasPrefix(got, c.want) {
			t.Errorf("wrongFile(%s, %d bytes) = %q, want %q", c.name, len(c.data), got, c.want)
		}
	}
}

// wrongFile says what is wrong with a file of the repository, and "" if nothing
// is. The name is relative to the root, with slashes.
func wrongFile(name string, data []byte) string {
	limit := largestFile
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		allowed := slices.ContainsFunc(binaryFiles, func(pattern string) bool {
			ok, _ := filepath.Match(pattern, name)
			return ok
		})
		if !allowed {
			return fmt.Sprintf("%s is binary, or no UTF-8: remove it, ignore it in .gitignore, or allow it in binaryFiles", name)
		}
		limit = largestImage
	}
	if len(data) > limit {
		return fmt.Sprintf("%s has %d bytes, more than %d", name, len(data), limit)
	}
	return ""
}

// repositoryFiles asks git for the files that are committed or would be by "git
// add .", relative to root.
func repositoryFiles(t *testing.T, root string) []string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skipf("there is no git to ask for the files: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(root, ".git")); err != nil {
		t.Skipf("%s is no git checkout: %v", root, err)
	}
	readTree(t, root)
	cmd := exec.CommandContext(t.Context(), "git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v in %s: %v\n%s", cmd.Args, root, err, stderr.String())
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 })
}
