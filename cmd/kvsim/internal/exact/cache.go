package exact

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// The parts of the cache.
const (
	codePart    = "code"    // machine code, a directory for each guest
	guestPart   = "guests"  // modules that the go command built
	overlayPart = "overlay" // patched files of Go, compared with what they should be at each use
	goPart      = "go"      // other names of Go releases
)

// codeVersion must be changed when the same module is compiled to other code, for example
// because the meter has changed.
const codeVersion = "2"

// cacheDir returns the directory of the cache, dir or kvsim in os.UserCacheDir, which it makes
// if it is not there. It refuses one that others can write to.
func cacheDir(dir string) (string, error) {
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no place for the guest cache (set a cache directory): %w", err)
		}
		dir = filepath.Join(user, "kvsim")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make the guest cache: %w", err)
	}
	if err := ownedAlone(dir); err != nil {
		return "", fmt.Errorf("the guest cache %s is not used: %w", dir, err)
	}
	return dir, nil
}

// codeDir finds the machine code of the guest with this hash, and returns the directory for
// the compiler. If nothing is there, or not what was put there, fresh is true: the compiler
// gets a directory of its own, and keepCode makes that the guest's.
func codeDir(cache, hash string) (dir string, fresh bool, err error) {
	dir = filepath.Join(cache, codePart, codeVersion+"-"+hash)
	if checkSeal(dir) == nil {
		now := time.Now()
		if err := os.Chtimes(dir, now, now); err != nil {
			return "", false, fmt.Errorf("touch the guest cache: %w", err)
		}
		return dir, false, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return "", false, fmt.Errorf("make the guest cache: %w", err)
	}
	dir, err = os.MkdirTemp(filepath.Dir(dir), ".compiling-*")
	if err != nil {
		return "", false, fmt.Errorf("make the guest cache: %w", err)
	}
	return dir, true, nil
}

// keepCode gives a directory of codeDir that the compiler has filled its name. It returns
// where the code is now. Another process may have done the same meanwhile; then this
// directory goes.
func keepCode(cache, hash, made string) (string, error) {
	dir := filepath.Join(cache, codePart, codeVersion+"-"+hash)
	if err := seal(made); err != nil {
		return "", fmt.Errorf("keep machine code: %w", err)
	}
	if checkSeal(dir) != nil {
		if err := os.RemoveAll(dir); err != nil {
			return "", fmt.Errorf("keep machine code: %w", err)
		}
	}
	if err := os.Rename(made, dir); err != nil {
		if rmErr := os.RemoveAll(made); rmErr != nil || checkSeal(dir) != nil {
			return "", fmt.Errorf("keep machine code: %w", errors.Join(err, rmErr))
		}
	}
	return dir, nil
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

// readKept returns a file that keepFile wrote, fs.ErrNotExist if there is none, or if it is not
// what was written.
func readKept(path string) ([]byte, error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	data, ok := unsealed(file)
	if !ok {
		return nil, fs.ErrNotExist
	}
	now := time.Now()
	return data, os.Chtimes(path, now, now)
}

// keepFile writes a file that readKept reads.
func keepFile(path string, data []byte) error { return replaceFile(path, sealed(data)) }
