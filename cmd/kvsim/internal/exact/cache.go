package exact

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// codeBytesMax is how many bytes of machine code are kept, for the guests that were used
// last. A guest's code is about four times as large as its module, so this is enough for
// about twenty guests.
const codeBytesMax = 2 << 30

// codeVersion must be changed when the same module is compiled to other code, for example
// because the meter has changed.
const codeVersion = "1"

// codeDir returns the directory for the machine code of the guest with this hash. fresh says
// that it is empty. codeDir also removes directories that were not used lately.
func codeDir(cache, hash string) (dir string, fresh bool, err error) {
	all := filepath.Join(cache, "code")
	dir = filepath.Join(all, codeVersion+"-"+hash)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", false, fmt.Errorf("make the guest cache: %w", err)
	}
	now := time.Now()
	if err := os.Chtimes(dir, now, now); err != nil {
		return "", false, fmt.Errorf("touch the guest cache: %w", err)
	}
	return dir, treeBytes(dir) == 0, pruneOldest(all, codeBytesMax)
}

// treeBytes adds up the sizes of the files below dir. Other processes may be changing them.
func treeBytes(dir string) (total int64) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // removed meanwhile
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return total
}

// pruneOldest removes the directories in dir that were used longest ago, until the others
// have maxBytes at most, or only one is left. Other processes may be removing the same ones.
func pruneOldest(dir string, maxBytes int64) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("prune the guest cache: %w", err)
	}
	type aged struct {
		name string
		used time.Time
	}
	var found []aged
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && info.IsDir() {
			found = append(found, aged{name: entry.Name(), used: info.ModTime()})
		}
	}
	slices.SortFunc(found, func(a, b aged) int {
		if c := b.used.Compare(a.used); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	var total int64
	for i, old := range found {
		if total += treeBytes(filepath.Join(dir, old.name)); i == 0 || total <= maxBytes {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, old.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("prune the guest cache: %w", err)
		}
	}
	return nil
}

// replaceFile writes data to path. A reader sees the old content or the new content, never
// a part of it.
func replaceFile(path string, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return err
}
