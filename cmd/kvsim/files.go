package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Modes of files that are written. What a world left may hold secrets of the program that ran in
// it; source and pages that a person asked for are theirs to share.
const (
	private = 0o600
	shared  = 0o666
)

// How many bytes are read of a file that a person names or that a capsule has. A plan with
// all the faults that it may have takes about a MiB; a history of a million operations takes
// a quarter of what is read of one.
const (
	mostPlan    = 16 << 20
	mostResult  = 64 << 20
	mostHistory = 1 << 30
)

// readFile reads a file that has at most so many bytes.
func readFile(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, name, most)
}

// readAll reads r, which is called name, to its end.
func readAll(r io.Reader, name string, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(data)) > most {
		return nil, fmt.Errorf("%s has more than %d bytes", name, most)
	}
	return data, err
}

// writeWhole writes a file in one step: afterwards it is there whole, or as it was before. What
// has the name is replaced. A link is not followed, because capsules come from other people.
func writeWhole(name string, mode fs.FileMode, write func(io.Writer) error) error {
	part := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+"-"+rand.Text())
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if err = errors.Join(write(f), f.Close()); err == nil {
		err = os.Rename(part, name)
	}
	if err != nil {
		_ = os.Remove(part)
	}
	return err
}

// writeData is writeWhole for bytes.
func writeData(name string, mode fs.FileMode, data []byte) error {
	return writeWhole(name, mode, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// readOwn reads a file of a capsule.
func readOwn(dir, name string, most int64) ([]byte, error) {
	path, err := ownFile(dir, name)
	if err != nil {
		return nil, err
	}
	return readFile(path, most)
}

// ownFile checks that a file of a capsule is one of the capsule's own: not a link to what lies
// elsewhere, and nothing that is read without an end.
func ownFile(dir, name string) (string, error) {
	path := filepath.Join(dir, name)
	info, err := os.Lstat(path)
	if err != nil {
		return "", &fs.PathError{Op: "open", Path: path, Err: errors.Unwrap(err)}
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no plain file (%v): a capsule holds its own files and no links", path, info.Mode().Type())
	}
	return path, nil
}
