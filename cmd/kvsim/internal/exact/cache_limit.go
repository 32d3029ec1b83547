package exact

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// LimitEnv is the environment variable with how many bytes the cache may take: a number, or
// one with KiB, MiB or GiB behind it. Zero keeps only what was used last.
const LimitEnv = "KVSIM_CACHE_LIMIT"

// defaultLimit holds about twenty guests: the machine code of one is about four times as large
// as its module.
const defaultLimit = 2 << 30

// cacheLimit returns how many bytes the cache may take.
func cacheLimit() (int64, error) {
	text := os.Getenv(LimitEnv)
	if text == "" {
		return defaultLimit, nil
	}
	number, unit := text, int64(1)
	for suffix, size := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if cut, ok := strings.CutSuffix(text, suffix); ok {
			number, unit = strings.TrimSpace(cut), size
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/unit {
		return 0, fmt.Errorf("%s=%q is no number of bytes: write 500MiB, 2GiB, or a number", LimitEnv, text)
	}
	return n * unit, nil
}

// CacheState says what the cache takes.
type CacheState struct {
	Dir   string `json:"dir"`
	Limit int64  `json:"limit_bytes"`
	// Code and Modules are the machine code and the modules of guests, which the limit is
	// for. Others are overlays and names of Go releases, which are small.
	Code    int64 `json:"code_bytes"`
	Modules int64 `json:"modules_bytes"`
	Others  int64 `json:"others_bytes"`
}

// ReadCache returns the state of the cache in dir; empty means the directory kvsim in
// os.UserCacheDir.
func ReadCache(dir string) (CacheState, error) {
	cache, err := cacheDir(dir)
	if err != nil {
		return CacheState{}, err
	}
	limit, err := cacheLimit()
	return CacheState{
		Dir: cache, Limit: limit,
		Code: treeBytes(filepath.Join(cache, codePart)), Modules: treeBytes(filepath.Join(cache, guestPart)),
		Others: treeBytes(filepath.Join(cache, overlayPart)) + treeBytes(filepath.Join(cache, goPart)),
	}, err
}

// ClearCache removes everything from the cache in dir. Guests that are running go on.
func ClearCache(dir string) error {
	cache, err := cacheDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, part := range []string{codePart, guestPart, overlayPart, goPart} {
		errs = append(errs, os.RemoveAll(filepath.Join(cache, part)))
	}
	return errors.Join(errs...)
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

// prune removes the machine code and the modules that were used longest ago, until the others
// take maxBytes at most, or only the last of each kind is left. Other processes may be
// removing the same ones.
func prune(cache string, maxBytes int64) error {
	return pruneOldest(maxBytes, filepath.Join(cache, codePart), filepath.Join(cache, guestPart))
}

func pruneOldest(maxBytes int64, dirs ...string) error {
	type aged struct {
		path string
		used time.Time
		last bool // of its directory
	}
	var found []aged
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("prune the guest cache: %w", err)
		}
		newest := -1
		for _, entry := range entries {
			info, err := entry.Info()
			if err != nil || strings.HasPrefix(entry.Name(), ".") && time.Since(info.ModTime()) < staleAfter {
				continue // another process is making it
			}
			found = append(found, aged{path: filepath.Join(dir, entry.Name()), used: info.ModTime()})
			if newest < 0 || info.ModTime().After(found[newest].used) {
				newest = len(found) - 1
			}
		}
		if newest >= 0 {
			found[newest].last = true
		}
	}
	slices.SortFunc(found, func(a, b aged) int {
		if c := b.used.Compare(a.used); c != 0 {
			return c
		}
		return strings.Compare(a.path, b.path)
	})
	var total int64
	for _, old := range found {
		size := treeBytes(old.path)
		if total += size; old.last || total <= maxBytes {
			continue
		}
		total -= size
		if err := os.RemoveAll(old.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("prune the guest cache: %w", err)
		}
	}
	return nil
}

// staleAfter is the age at which what a process was making counts as abandoned.
const staleAfter = 24 * time.Hour
