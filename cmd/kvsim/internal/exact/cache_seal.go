package exact

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// What comes out of the cache is what went in: whatever is kept has a digest beside it that is
// compared before it is used. A disk that lost bits, a file that was cut, or one that another
// program changed is as if it were not there.

// sealed returns data behind its digest.
func sealed(data []byte) []byte {
	sum := sha256.Sum256(data)
	return append(sum[:], data...)
}

// unsealed returns what sealed was given, false if it is not that.
func unsealed(file []byte) (data []byte, ok bool) {
	if len(file) < sha256.Size {
		return nil, false
	}
	sum := sha256.Sum256(file[sha256.Size:])
	return file[sha256.Size:], bytes.Equal(sum[:], file[:sha256.Size])
}

// sealName is the file with the digest of a directory.
const sealName = "digest"

// seal writes the digest of everything in a directory into it.
func seal(dir string) error {
	sum, err := digestOf(dir)
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(dir, sealName), sum)
}

var errSeal = errors.New("its content is not what was put into it")

// checkSeal returns an error unless everything in a directory is as it was when it was sealed,
// and nothing else is in it.
func checkSeal(dir string) error {
	want, err := os.ReadFile(filepath.Join(dir, sealName))
	if err != nil {
		return err
	}
	got, err := digestOf(dir)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return errSeal
	}
	return nil
}

// digestOf returns a digest of the names and contents of the files below a directory. It
// refuses links and whatever else is no plain file.
func digestOf(dir string) ([]byte, error) {
	all := sha256.New()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == filepath.Join(dir, sealName) {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			fmt.Fprintf(all, "dir %q\n", rel)
			return nil
		}
		if !entry.Type().IsRegular() {
			return fmt.Errorf("%s is no plain file", path)
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		sum := sha256.New()
		if _, err := io.Copy(sum, file); err != nil {
			return err
		}
		fmt.Fprintf(all, "file %q %x\n", rel, sum.Sum(nil))
		return nil
	})
	return fmt.Appendf(nil, "%x\n", all.Sum(nil)), err
}
