package exact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"
)

// moduleMount is the directory in which the guest of Exec sees its module.
const moduleMount = "/module"

// ExecOptions are the options of Exec. The zero value is usable.
type ExecOptions struct {
	// Seed decides the schedule and every random byte.
	Seed uint64

	// Dir is the host directory in which the program starts. Empty means the
	// current one, which is that of the package if "go test" runs Exec.
	Dir string

	// Env are "key=value" pairs for the guest. It sees nothing else of the
	// host's environment.
	Env []string

	// Stdin, Stdout and Stderr are the guest's.
	Stdin          io.Reader
	Stdout, Stderr io.Writer

	// MaxSteps, MaxElapsed and MemoryLimit are as in RunOptions.
	MaxSteps    uint64
	MaxElapsed  time.Duration
	MemoryLimit int64

	// CacheDir and Progress are as in LoadOptions.
	CacheDir string
	Progress io.Writer
}

// Exec runs a program that was built elsewhere, above all a test binary for
// "go test -exec". The first of args is the module's file, the others are its
// arguments.
//
// The program starts in the directory that corresponds to Dir. It sees the Go module around
// Dir under /module, and /tmp, and no other files. What it writes stays in memory and is gone
// when it ends, except for profiles: those are copied to the files that the flags of "go
// test" name. Time is simulated, and so is -timeout.
func Exec(ctx context.Context, args []string, opts ExecOptions) (Result, error) {
	if len(args) == 0 {
		return Result{}, errors.New("exec: name the module to run: a file built with GOOS=wasip1 GOARCH=wasm")
	}
	module, err := os.ReadFile(args[0])
	if err != nil {
		return Result{}, fmt.Errorf("exec: %w", err)
	}
	mounted, cwd, err := moduleAround(opts.Dir)
	if err != nil {
		return Result{}, fmt.Errorf("exec: %w", err)
	}
	files, err := openModule(mounted)
	if err != nil {
		return Result{}, fmt.Errorf("exec: %w", err)
	}
	defer files.Close()
	guest, err := Load(ctx, module, LoadOptions{CacheDir: opts.CacheDir, Progress: opts.Progress})
	if err != nil {
		return Result{}, fmt.Errorf("exec %s: %w", args[0], err)
	}
	defer guest.Close()
	if guest.Scheduler() == SchedulerStock {
		report(opts.Progress, "%s has Go's stock scheduler: the seed does not change the order of its goroutines; "+
			"build it with the overlay for that", filepath.Base(args[0]))
	}
	guestArgs, outputs := redirectOutputs(args[1:])
	var copied error
	result, err := guest.Run(ctx, RunOptions{
		Seed: opts.Seed, Args: guestArgs, Env: append([]string{"PWD=" + cwd}, opts.Env...),
		Stdin: opts.Stdin, Stdout: opts.Stdout, Stderr: opts.Stderr,
		Mounts:   []Mount{{Path: moduleMount, Files: files.FS()}},
		MaxSteps: opts.MaxSteps, MaxElapsed: opts.MaxElapsed, MemoryLimit: opts.MemoryLimit,
		program: path.Base(filepath.ToSlash(args[0])),
		before:  func(files *memFS) { makeOutputDirs(files, outputs) },
		after:   func(files *memFS) { copied = copyOutputs(files, outputs, opts.Dir) },
	})
	return result, errors.Join(err, copied)
}

// openModule opens the files of a module. A link in it that leads out of it leads nowhere.
func openModule(dir string) (*os.Root, error) { return os.OpenRoot(dir) }

// moduleAround returns the root of the Go module that dir is in, or dir itself,
// and the guest's name for dir.
func moduleAround(dir string) (root, cwd string, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return "", "", err
	}
	if info, err := os.Stat(dir); err != nil {
		return "", "", err
	} else if !info.IsDir() {
		return "", "", fmt.Errorf("%s is not a directory", dir)
	}
	for root = dir; ; root = filepath.Dir(root) {
		_, err := os.Stat(filepath.Join(root, "go.mod"))
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", "", err
		}
		if root == filepath.Dir(root) {
			root = dir
			break
		}
	}
	rel, err := filepath.Rel(root, dir)
	if err != nil {
		return "", "", err
	}
	return root, path.Join(moduleMount, filepath.ToSlash(rel)), nil
}
