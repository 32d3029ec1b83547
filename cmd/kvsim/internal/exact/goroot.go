package exact

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// The go command refuses overlays for files below the module cache. If it has fetched a Go
// release itself, because go.mod or GOTOOLCHAIN asked for it, the release lies there:
//
//	$GOMODCACHE/golang.org/toolchain@v0.0.1-go1.26.8.linux-amd64
//
// So such a Go gets a second path, a link in kvsim's own cache, and is run with GOROOT set to
// that. The go command looks only at the path. The files and the compiler are the same, and
// so are the guests that it builds.

// A goCommand is the go command that builds a guest, and the Go release that it belongs to.
type goCommand struct {
	goInfo
	// path is the path of the command. env are "key=value" pairs that it needs in
	// addition to the environment of this process.
	path string
	env  []string
}

// goForOverlays returns the go command of opts, with a path of its Go that overlays may use.
// If a link is needed, it is made in cache.
func goForOverlays(ctx context.Context, opts BuildOptions, cache string) (goCommand, error) {
	info, err := goTool(ctx, opts)
	if err != nil {
		return goCommand{}, err
	}
	if !below(info.GOMODCACHE, info.GOROOT) {
		return goCommand{goInfo: info, path: opts.Go}, nil
	}
	name := filepath.Join(cache, goPart, info.GOVERSION+"-"+hashOf(info.GOROOT))
	if err := secondName(info.GOROOT, name); err != nil {
		return goCommand{}, fmt.Errorf("%s lies in the module cache, where the go command allows no overlay, and cannot be given another name: %w", info.GOROOT, err)
	}
	info.GOROOT = name
	exe := filepath.Join(name, "bin", "go")
	if runtime.GOOS == "windows" {
		exe += ".exe"
	}
	// Without GOTOOLCHAIN the go command might switch to another Go again.
	return goCommand{goInfo: info, path: exe, env: []string{"GOROOT=" + name, "GOTOOLCHAIN=local"}}, nil
}

// below reports whether path lies below dir, judged by their names only, as the go command
// does.
func below(dir, path string) bool {
	if dir == "" {
		return false
	}
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// secondName makes name a link to the directory target, or a copy of it if links are not
// possible. If name exists already it is left alone. Another process may be doing the same.
func secondName(target, name string) error {
	if to, err := os.Readlink(name); err == nil && to == target || isCopyOfGo(name) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp(filepath.Dir(name), ".making-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	made := filepath.Join(scratch, "go")
	if os.Symlink(target, made) != nil {
		if err := os.CopyFS(made, os.DirFS(target)); err != nil {
			return err
		}
	}
	err = os.Rename(made, name)
	if errors.Is(err, fs.ErrExist) && isCopyOfGo(name) {
		return nil
	}
	return err
}

// isCopyOfGo reports whether a directory that is no link holds a complete Go. A copy gets its
// name only when it is complete.
func isCopyOfGo(name string) bool {
	info, err := os.Lstat(filepath.Join(name, "bin"))
	link, linkErr := os.Lstat(name)
	return err == nil && info.IsDir() && linkErr == nil && link.Mode()&fs.ModeSymlink == 0
}

// goFor returns the cache and the go command of options without a package. purpose is for the error.
func goFor(ctx context.Context, opts BuildOptions, purpose string) (cache string, tool goCommand, err error) {
	opts.Package = "."
	if err := opts.validate(); err != nil {
		return "", tool, fmt.Errorf("%s: %w", purpose, err)
	}
	if cache, err = cacheDir(opts.CacheDir); err != nil {
		return "", tool, err
	}
	if tool, err = goForOverlays(ctx, opts, cache); err != nil {
		return "", tool, fmt.Errorf("%s: %w", purpose, err)
	}
	return cache, tool, nil
}

// GoCommand returns the go command to use with Overlay, for those who build the guest
// themselves. It is the one of opts, unless its Go lies in the module cache. In that case it
// is a script in kvsim's cache that runs the same Go by another path. Only Dir, Go and
// CacheDir of the options are used.
func GoCommand(ctx context.Context, opts BuildOptions) (string, error) {
	cache, tool, err := goFor(ctx, opts, "find the go command")
	if err != nil {
		return "", err
	}
	if len(tool.env) == 0 {
		return tool.path, nil
	}
	if runtime.GOOS == "windows" {
		return "", fmt.Errorf("find the go command: %s lies in the module cache: set %s and run %s", tool.GOVERSION, strings.Join(tool.env, " and "), tool.path)
	}
	var script strings.Builder
	script.WriteString("#!/bin/sh\n")
	for _, pair := range tool.env {
		key, value, _ := strings.Cut(pair, "=")
		fmt.Fprintf(&script, "export %s=%s\n", key, quoteForShell(value))
	}
	fmt.Fprintf(&script, "exec %s \"$@\"\n", quoteForShell(tool.path))
	file := filepath.Join(cache, goPart, filepath.Base(tool.GOROOT)+".sh")
	if err := writeIfChanged(file, []byte(script.String())); err != nil {
		return "", fmt.Errorf("write the script for %s: %w", tool.GOVERSION, err)
	}
	return file, os.Chmod(file, 0o700) //nolint:gosec // it is run
}

func quoteForShell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
