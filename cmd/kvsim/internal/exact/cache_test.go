package exact

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestMachineCodeThatWasUsedLongestAgoIsRemoved(t *testing.T) {
	cache := t.TempDir()
	for year, hash := range []string{"a", "b", "c"} {
		dir := keepInCache(t, cache, hash, "code", make([]byte, 100-sealBytes))
		used := DefaultStart.AddDate(year, 0, 0)
		if err := os.Chtimes(dir, used, used); err != nil {
			t.Fatal(err)
		}
	}
	if _, fresh, err := codeDir(cache, "a"); err != nil || fresh {
		t.Errorf("codeDir of one that is there = fresh %v, %v", fresh, err)
	}
	left := func(maxBytes int64) (names []string) {
		if err := prune(cache, maxBytes); err != nil {
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

// sealBytes is the size of the file with a directory's digest.
const sealBytes = 65

// keepInCache does what compiling a guest does with the cache.
func keepInCache(t *testing.T, cache, hash, name string, code []byte) string {
	t.Helper()
	made, fresh, err := codeDir(cache, hash)
	if err != nil || !fresh {
		t.Fatalf("codeDir(%s) = fresh %v, %v", hash, fresh, err)
	}
	if err := os.WriteFile(filepath.Join(made, name), code, 0o600); err != nil {
		t.Fatal(err)
	}
	dir, err := keepCode(cache, hash, made)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// What was changed in the cache, cut, added or made a link is as if it were not there.
func TestWhatComesOutOfTheCacheIsWhatWentIn(t *testing.T) {
	cache := t.TempDir()
	for name, change := range map[string]func(dir string) error{
		"nothing": func(string) error { return nil },
		"a bit":   func(dir string) error { return os.WriteFile(filepath.Join(dir, "code"), []byte("machine codf"), 0o600) },
		"its end": func(dir string) error { return os.Truncate(filepath.Join(dir, "code"), 5) },
		"a file":  func(dir string) error { return os.WriteFile(filepath.Join(dir, "more"), nil, 0o600) },
		"a name":  func(dir string) error { return os.Rename(filepath.Join(dir, "code"), filepath.Join(dir, "cede")) },
		"a link": func(dir string) error {
			return errors.Join(os.Rename(filepath.Join(dir, "code"), filepath.Join(dir, "..", "elsewhere")), os.Symlink("../elsewhere", filepath.Join(dir, "code")))
		},
		"the digest": func(dir string) error { return os.Remove(filepath.Join(dir, sealName)) },
	} {
		hash := strings.ReplaceAll(name, " ", "-")
		dir := keepInCache(t, cache, hash, "code", []byte("machine code"))
		if err := change(dir); err != nil {
			t.Fatal(err)
		}
		got, fresh, err := codeDir(cache, hash)
		if err != nil || fresh != (name != "nothing") || !fresh && got != dir {
			t.Errorf("%s is changed: codeDir = %s, fresh %v, %v", name, got, fresh, err)
		}
		if !fresh {
			continue
		}
		if err := os.WriteFile(filepath.Join(got, "code"), []byte("machine code"), 0o600); err != nil {
			t.Fatal(err)
		}
		if again, err := keepCode(cache, hash, got); err != nil || again != dir {
			t.Errorf("%s is changed: keepCode = %s, %v, want %s", name, again, err, dir)
		}
		if _, fresh, err := codeDir(cache, hash); err != nil || fresh {
			t.Errorf("%s was changed and is kept again: fresh %v, %v", name, fresh, err)
		}
	}
	path := filepath.Join(cache, "module")
	if err := keepFile(path, []byte("a module")); err != nil {
		t.Fatal(err)
	}
	if data, err := readKept(path); err != nil || string(data) != "a module" {
		t.Errorf("readKept = %q, %v", data, err)
	}
	for _, content := range []string{"", "short", "a module that another program has put there in place of the other"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if data, err := readKept(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("readKept of another file = %q, %v", data, err)
		}
	}
}

// A process that compiles the same guest at the same time keeps its code, and so does this one.
func TestTwoProcessesKeepTheSameCode(t *testing.T) {
	cache := t.TempDir()
	var made [2]string
	for i := range made {
		dir, fresh, err := codeDir(cache, "a")
		if err != nil || !fresh {
			t.Fatalf("codeDir = fresh %v, %v", fresh, err)
		}
		if err := os.WriteFile(filepath.Join(dir, "code"), []byte("code"), 0o600); err != nil {
			t.Fatal(err)
		}
		made[i] = dir
	}
	for _, dir := range made {
		if _, err := keepCode(cache, "a", dir); err != nil {
			t.Error(err)
		}
	}
	if entries, err := os.ReadDir(filepath.Join(cache, codePart)); err != nil || len(entries) != 1 {
		t.Errorf("%d directories are left, %v", len(entries), err)
	}
}

func TestCacheOfOthersIsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no modes of files here")
	}
	for name, c := range map[string]struct {
		make func(dir string) error
		want string
	}{
		"of all users":  {func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777)) }, "others can write to it"},
		"a group's":     {func(dir string) error { return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o770)) }, "chmod go-w"},
		"a link":        {func(dir string) error { return os.Symlink(t.TempDir(), dir) }, "a link"},
		"in one of all": {func(dir string) error { return os.Chmod(filepath.Dir(dir), 0o777) }, "every user can write to"},
		"new":           {func(string) error { return nil }, ""},
		"readable":      {func(dir string) error { return os.Mkdir(dir, 0o755) }, ""},
	} {
		dir := filepath.Join(t.TempDir(), "kvsim")
		if err := c.make(dir); err != nil {
			t.Fatal(err)
		}
		_, err := cacheDir(dir)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: cacheDir = %v, want %q", name, err, c.want)
		}
	}
	dir := filepath.Join(t.TempDir(), "new")
	if _, err := cacheDir(dir); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("a new cache has the mode %v, %v", info.Mode(), err)
	}
}

func TestCacheLimitIsReadAndShown(t *testing.T) {
	for text, want := range map[string]int64{"": defaultLimit, "0": 0, "1000": 1000, "3KiB": 3 << 10, "500 MiB": 500 << 20, "2GiB": 2 << 30} {
		t.Setenv(LimitEnv, text)
		if state, err := ReadCache(t.TempDir()); err != nil || state.Limit != want {
			t.Errorf("%s=%q: limit %d, %v, want %d", LimitEnv, text, state.Limit, err, want)
		}
	}
	for _, text := range []string{"-1", "much", "1TiB", "9223372036854775807GiB"} {
		t.Setenv(LimitEnv, text)
		if _, err := ReadCache(t.TempDir()); err == nil || !strings.Contains(err.Error(), LimitEnv) {
			t.Errorf("%s=%q: %v", LimitEnv, text, err)
		}
	}
	t.Setenv(LimitEnv, "")
	cache := t.TempDir()
	keepInCache(t, cache, "a", "code", make([]byte, 100-sealBytes))
	if state, err := ReadCache(cache); err != nil || state.Dir != cache || state.Code != 100 {
		t.Errorf("ReadCache = %+v, %v, want 100 bytes of code", state, err)
	}
	if err := ClearCache(cache); err != nil {
		t.Error(err)
	}
	if state, err := ReadCache(cache); err != nil || state.Code+state.Modules+state.Others != 0 {
		t.Errorf("after ClearCache: %+v, %v", state, err)
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
