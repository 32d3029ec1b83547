package exact

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/procgroup"
)

// Scheduler says in which order the guest's runnable goroutines run.
type Scheduler string

const (
	// SchedulerRandom picks one of the runnable goroutines at random each time,
	// with a generator that depends only on the seed.
	SchedulerRandom Scheduler = "random"

	// SchedulerStock is Go's own scheduler: first in, first out, whatever the seed.
	SchedulerStock Scheduler = "stock"
)

// BuildOptions are the options of Build. Package is required.
type BuildOptions struct {
	// Package is the main package to build, as "go build" takes it: an
	// import path, or a path that starts with "./".
	Package string

	// Dir is a directory in the module of the package. Empty means the
	// current directory.
	Dir string

	// Test builds the package's test binary instead, as "go test -c" does.
	Test bool

	// Scheduler is the scheduler to build with. Empty means SchedulerRandom.
	Scheduler Scheduler

	// Tags are build tags.
	Tags []string

	// Go is the go command. Empty means the one in PATH.
	Go string

	// CacheDir is the directory in which modules and machine code are kept for
	// later processes. Empty means the directory kvsim in os.UserCacheDir.
	CacheDir string

	// Progress, if not nil, gets a line about each slow step before it starts.
	Progress io.Writer
}

func (o *BuildOptions) validate() error {
	switch {
	case o.Package == "":
		return errors.New("option Package is empty: name the main package to build")
	case strings.HasPrefix(o.Package, "-"):
		return fmt.Errorf("option Package: %q is not a package", o.Package)
	}
	switch o.Scheduler {
	case "":
		o.Scheduler = SchedulerRandom
	case SchedulerRandom, SchedulerStock:
	default:
		return fmt.Errorf("option Scheduler: %q is unknown: use %q or %q", o.Scheduler, SchedulerRandom, SchedulerStock)
	}
	o.Go = cmp.Or(o.Go, "go")
	return nil
}

// Build compiles a package of the user's module for the exact engine, with the user's own
// Go, and loads it. The go command decides whether anything has changed since the last
// time, so an unchanged guest takes well under a second. The caller closes the guest.
func Build(ctx context.Context, opts BuildOptions) (*Guest, error) {
	if err := opts.validate(); err != nil {
		return nil, fmt.Errorf("build guest: %w", err)
	}
	module, err := buildModule(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("build guest %s: %w", opts.Package, err)
	}
	return Load(ctx, module, LoadOptions{CacheDir: opts.CacheDir, Progress: opts.Progress})
}

// Overlay writes the files of the random scheduler into the cache. It returns the path for
// the go command's -overlay flag, for those who build the guest themselves: "go test
// -overlay PATH -exec ...". They must use the go command that GoCommand returns. Only Dir,
// Go and CacheDir of the options are used.
func Overlay(ctx context.Context, opts BuildOptions) (string, error) {
	cache, tool, err := goFor(ctx, opts, "make overlay")
	if err != nil {
		return "", err
	}
	return writeOverlay(cache, tool.goInfo)
}

// buildModule runs "go build" or "go test -c" and returns the module.
func buildModule(ctx context.Context, opts BuildOptions) ([]byte, error) {
	cache, err := cacheDir(opts.CacheDir)
	if err != nil {
		return nil, err
	}
	tool, err := goForOverlays(ctx, opts, cache)
	if err != nil {
		return nil, err
	}
	args := []string{"build"}
	if opts.Test {
		args = []string{"test", "-c"}
	}
	// Leave out the paths of this machine, the commit and the debugging
	// information, so that equal sources give equal modules. Only then can runs
	// on different machines be compared, and machine code be used after a commit.
	args = append(args, "-trimpath", "-buildvcs=false", "-ldflags=-w")
	if len(opts.Tags) > 0 {
		args = append(args, "-tags="+strings.Join(opts.Tags, ","))
	}
	if opts.Scheduler == SchedulerRandom {
		file, err := writeOverlay(cache, tool.goInfo)
		if err != nil {
			return nil, err
		}
		args = append(args, "-overlay="+file)
	}
	key := hashOf(slices.Concat([]string{tool.GOROOT, tool.GOVERSION, tool.GOMOD, opts.Package}, args)...)
	built := filepath.Join(cache, guestPart, key+".module")
	return runGoBuild(ctx, opts, tool, args, built)
}

// runGoBuild lets the go command bring the module at path up to date. The go command leaves
// a file alone if its build id says that it is up to date. It works on a private copy,
// because two processes may build the same guest.
func runGoBuild(ctx context.Context, opts BuildOptions, tool goCommand, args []string, path string) ([]byte, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	scratch, err := os.MkdirTemp(filepath.Dir(path), ".build-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch)
	private := filepath.Join(scratch, "guest.wasm")

	before, err := readKept(path)
	switch {
	case err == nil:
		if err := os.WriteFile(private, before, 0o600); err != nil {
			return nil, err
		}
	case errors.Is(err, fs.ErrNotExist):
		report(opts.Progress, "building %s for the exact engine with the %s scheduler "+
			"(the first time this compiles the standard library too, about a minute)", opts.Package, opts.Scheduler)
	default:
		return nil, err
	}
	started := time.Now()
	cmd := procgroup.Command(ctx, tool.path, append(args, "-o", private, opts.Package)...)
	cmd.Dir = opts.Dir
	cmd.Env = append(append(os.Environ(), tool.env...), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s", tool.path, strings.Join(args, " "), err, bytes.TrimSpace(output))
	}
	after, err := os.ReadFile(private)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(before, after) {
		return after, nil
	}
	report(opts.Progress, "built in %v", time.Since(started).Round(time.Millisecond))
	return after, keepFile(path, after)
}

// goInfo is what the go command says about itself.
type goInfo struct{ GOROOT, GOVERSION, GOMOD, GOMODCACHE string }

func goTool(ctx context.Context, opts BuildOptions) (goInfo, error) {
	cmd := exec.CommandContext(ctx, opts.Go, "env", "-json", "GOROOT", "GOVERSION", "GOMOD", "GOMODCACHE")
	cmd.Dir = opts.Dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		return goInfo{}, fmt.Errorf("the exact engine builds its guest with the go command: %s env: %w\n%s",
			opts.Go, err, bytes.TrimSpace(stderr.Bytes()))
	}
	var info goInfo
	if err := json.Unmarshal(output, &info); err != nil {
		return goInfo{}, fmt.Errorf("%s env: %w", opts.Go, err)
	}
	return info, nil
}

// writeOverlay writes the patched files and the JSON file that names them.
// The directory is named by their content, so that the paths are stable and
// the go command's own cache works.
func writeOverlay(cache string, tool goInfo) (string, error) {
	o, err := schedulerOverlay(tool.GOROOT, tool.GOVERSION)
	if err != nil {
		return "", err
	}
	parts := []string{tool.GOVERSION}
	for _, path := range o.paths() {
		parts = append(parts, path, o.replaced[path])
	}
	dir := filepath.Join(cache, overlayPart, hashOf(parts...))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("write overlay: %w", err)
	}
	index := struct{ Replace map[string]string }{make(map[string]string)}
	for _, path := range o.paths() {
		copied := filepath.Join(dir, filepath.Base(path))
		index.Replace[path] = copied
		if err := writeIfChanged(copied, []byte(o.replaced[path])); err != nil {
			return "", fmt.Errorf("write overlay: %w", err)
		}
	}
	data, err := json.MarshalIndent(index, "", "\t")
	if err != nil {
		return "", fmt.Errorf("write overlay: %w", err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := writeIfChanged(file, data); err != nil {
		return "", fmt.Errorf("write overlay: %w", err)
	}
	return file, nil
}

func writeIfChanged(path string, data []byte) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return nil
	}
	return replaceFile(path, data)
}

// hashOf returns a short hash of a list of strings.
func hashOf(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}
