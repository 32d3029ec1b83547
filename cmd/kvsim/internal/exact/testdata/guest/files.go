package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// files does with /tmp and the mount /data what programs do with files.
func files() error {
	dir, err := os.MkdirTemp("", "world-*")
	if err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	fmt.Fprint(file, "one ")
	fmt.Fprint(file, "two ")
	if err := file.Truncate(4); err != nil {
		return err
	}
	fmt.Fprint(file, "three")
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	data, err := io.ReadAll(file)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	fmt.Printf("log %q\n", data)
	if err := os.MkdirAll(filepath.Join(dir, "a/b"), 0o755); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, "log"), filepath.Join(dir, "a/b/log")); err != nil {
		return err
	}
	fmt.Println("remove full:", os.Remove(filepath.Join(dir, "a")) != nil)
	if err := os.CopyFS(filepath.Join(dir, "copy"), os.DirFS(filepath.Join(dir, "a"))); err != nil {
		return err
	}
	if err := os.WriteFile("/data/sub/new", []byte("mine"), 0o600); err != nil {
		return err
	}
	for _, root := range []string{dir, "/data"} {
		if err := list(root); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	_, err = os.Stat(dir)
	fmt.Println("removed:", errors.Is(err, fs.ErrNotExist))
	return nil
}

func list(root string) error {
	return fs.WalkDir(os.DirFS(root), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(root, path))
		fmt.Printf("%s %d %q %s\n", path, info.Size(), data, info.ModTime().UTC().Format("2006-01-02"))
		return err
	})
}
