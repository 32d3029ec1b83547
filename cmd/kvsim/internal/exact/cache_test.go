package exact

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestMachineCodeThatWasUsedLongestAgoIsRemoved(t *testing.T) {
	cache := t.TempDir()
	for year, hash := range []string{"a", "b", "c"} {
		dir, fresh, err := codeDir(cache, hash)
		if err != nil || !fresh {
			t.Fatalf("codeDir(%s) = fresh %v, %v", hash, fresh, err)
		}
		if err := os.WriteFile(filepath.Join(dir, "code"), make([]byte, 100), 0o666); err != nil {
			t.Fatal(err)
		}
		used := DefaultStart.AddDate(year, 0, 0)
		if err := os.Chtimes(dir, used, used); err != nil {
			t.Fatal(err)
		}
	}
	if _, fresh, err := codeDir(cache, "a"); err != nil || fresh {
		t.Errorf("codeDir of one that is there = fresh %v, %v", fresh, err)
	}
	left := func(maxBytes int64) (names []string) {
		if err := pruneOldest(filepath.Join(cache, "code"), maxBytes); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(filepath.Join(cache, "code"))
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
		return names
	}
	if got, want := left(250), []string{codeVersion + "-a", codeVersion + "-c"}; !slices.Equal(got, want) {
		t.Errorf("left %q, want %q: a was used last, then c", got, want)
	}
	if got, want := left(10), []string{codeVersion + "-a"}; !slices.Equal(got, want) {
		t.Errorf("left %q, want %q: one always stays", got, want)
	}
}

func TestReplaceFileLeavesNoScratch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for _, want := range []string{"one", "two"} {
		if err := replaceFile(path, []byte(want)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("content = %q, %v, want %q", got, err, want)
		}
	}
	if err := replaceFile(filepath.Join(path, "below a file"), nil); err == nil {
		t.Error("writing below a file gave no error")
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("%d files, want 1", len(entries))
	}
}
