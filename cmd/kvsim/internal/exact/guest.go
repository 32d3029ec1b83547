package exact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// Guest is a compiled program that runs in the exact engine. It is safe for
// concurrent use: each Run has a memory and a clock of its own.
type Guest struct {
	scheduler Scheduler
	hash      string
	runtime   wazero.Runtime
	cache     wazero.CompilationCache
	module    wazero.CompiledModule

	closeOnce sync.Once
	closeErr  error
}

// LoadOptions are the options of Load. The zero value is usable.
type LoadOptions struct {
	// CacheDir is the directory in which machine code is kept for later
	// processes. Empty means the directory kvsim in os.UserCacheDir.
	CacheDir string

	// Progress, if not nil, gets a line about each slow step before it starts.
	Progress io.Writer
}

// Load compiles a module that Go built for GOOS=wasip1 GOARCH=wasm to machine code. It does
// not keep the bytes. The first time it takes about as long as compiling the program did;
// after that the machine code comes from the cache. The caller closes the guest.
func Load(ctx context.Context, module []byte, opts LoadOptions) (*Guest, error) {
	dir, err := cacheDir(opts.CacheDir)
	if err != nil {
		return nil, err
	}
	limit, err := cacheLimit()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(module)
	g := &Guest{hash: hex.EncodeToString(sum[:8])}
	m, err := meter(module)
	if err != nil {
		return nil, err
	}
	if m.random {
		g.scheduler = SchedulerRandom
	} else {
		g.scheduler = SchedulerStock
	}
	if err := g.compile(ctx, m.module, kept{dir, hex.EncodeToString(sum[:]), limit}, opts.Progress); err != nil {
		return nil, errors.Join(fmt.Errorf("load guest: %w", err), g.Close())
	}
	return g, nil
}

// kept says where the machine code of a guest is kept.
type kept struct {
	cache string
	hash  string // of the module, whole
	limit int64
}

func (g *Guest) compile(ctx context.Context, module []byte, in kept, progress io.Writer) error {
	code, fresh, err := codeDir(in.cache, in.hash)
	if err != nil {
		return err
	}
	if fresh {
		defer os.RemoveAll(code) // unless it has its name by then
	}
	if g.cache, err = wazero.NewCompilationCacheWithDir(code); err != nil {
		return err
	}
	if fresh {
		report(progress, "compiling the guest to machine code (%d MB, once for each guest; 24 MB take about ten seconds)", len(module)>>20)
	}
	started := time.Now()
	g.runtime = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCompilationCache(g.cache))
	if err := instantiateHost(ctx, g.runtime); err != nil {
		return err
	}
	if g.module, err = g.runtime.CompileModule(ctx, module); err != nil {
		return err
	}
	if fresh {
		if code, err = keepCode(in.cache, in.hash, code); err != nil {
			return err
		}
		report(progress, "compiled in %v; kept in %s", time.Since(started).Round(time.Millisecond), code)
	}
	return prune(in.cache, in.limit)
}

// instantiateHost makes the modules that guests import.
func instantiateHost(ctx context.Context, r wazero.Runtime) error {
	wasi := r.NewHostModuleBuilder(wasiModule)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(wasi)
	exportWASI(wasi)
	if _, err := wasi.Instantiate(ctx); err != nil {
		return err
	}
	host := r.NewHostModuleBuilder(hostModule)
	exportScheduler(host)
	_, err := host.Instantiate(ctx)
	return err
}

// Scheduler returns the scheduler that the guest was built with.
func (g *Guest) Scheduler() Scheduler { return g.scheduler }

// Hash returns a hash of the module that was loaded.
func (g *Guest) Hash() string { return g.hash }

// Close frees the machine code. It must not be called during a Run. Further calls do
// nothing.
func (g *Guest) Close() error {
	g.closeOnce.Do(func() {
		ctx := context.Background()
		var errs []error
		if g.runtime != nil {
			errs = append(errs, g.runtime.Close(ctx))
		}
		if g.cache != nil {
			errs = append(errs, g.cache.Close(ctx))
		}
		g.closeErr = errors.Join(errs...)
	})
	return g.closeErr
}

// report writes one line of progress.
func report(w io.Writer, format string, args ...any) {
	if w != nil {
		fmt.Fprintf(w, "exact: "+format+"\n", args...)
	}
}
