package exact

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// fetchedGo makes a module cache that holds the installed Go as if the go command had fetched
// it, and sets the environment so that it is used.
func fetchedGo(t *testing.T) (goroot string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the test makes links")
	}
	tool, err := goTool(t.Context(), BuildOptions{Go: "go"})
	if err != nil {
		t.Fatal(err)
	}
	modcache := t.TempDir()
	goroot = filepath.Join(modcache, "golang.org", fmt.Sprintf("toolchain@v0.0.1-%s.%s-%s", tool.GOVERSION, runtime.GOOS, runtime.GOARCH))
	if err := os.MkdirAll(goroot, 0o777); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(tool.GOROOT)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.Symlink(filepath.Join(tool.GOROOT, e.Name()), filepath.Join(goroot, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("GOMODCACHE", modcache)
	t.Setenv("GOROOT", goroot)
	t.Setenv("GOTOOLCHAIN", "local")
	return goroot
}

// smallModule is a module that needs no other one, with a test.
func smallModule(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":       "module small\n\ngo 1.26\n",
		"main.go":      "package main\n\nfunc main() { println(\"hello\") }\n",
		"main_test.go": "package main\n\nimport \"testing\"\n\nfunc TestIt(t *testing.T) {}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestGuestIsBuiltByAGoInTheModuleCache(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a guest; not with -short")
	}
	goroot := fetchedGo(t)
	dir, cache := smallModule(t), t.TempDir()

	// Without another path the go command must refuse. If it allows overlays there
	// one day, the second path is no longer needed.
	file, err := writeOverlay(cache, goInfo{GOROOT: goroot, GOVERSION: "go1.26"})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", file, "-o", os.DevNull, ".")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "must not be replaced") {
		t.Fatalf("go build with an overlay in the module cache = %v, %s; want that it refuses", err, out)
	}

	opts := BuildOptions{Package: ".", Dir: dir, CacheDir: cache}
	module, err := buildModuleOf(t, opts)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(module), "kvsim") {
		t.Error("the guest does not import the pick of the random scheduler")
	}
	again, err := buildModuleOf(t, opts)
	if err != nil || string(again) != string(module) {
		t.Errorf("a second build differs, %v", err)
	}

	// The same by hand, as the documentation of kvsim exec shows it.
	overlay, err := Overlay(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	goCommand, err := GoCommand(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.CommandContext(t.Context(), goCommand, "test", "-c", "-o", filepath.Join(t.TempDir(), "x.test"), "-overlay", overlay, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v = %v\n%s", cmd.Args, err, out)
	}
}

func buildModuleOf(t *testing.T, opts BuildOptions) ([]byte, error) {
	t.Helper()
	if err := opts.validate(); err != nil {
		t.Fatal(err)
	}
	return buildModule(t.Context(), opts)
}

// The same with a Go that the go command really fetched, if there is one.
func TestGuestIsBuiltByAFetchedGo(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a guest; not with -short")
	}
	tool, err := goTool(t.Context(), BuildOptions{Go: "go"})
	if err != nil {
		t.Fatal(err)
	}
	pattern := filepath.Join(tool.GOMODCACHE, "golang.org", fmt.Sprintf("toolchain@v0.0.1-go1.2*.%s-%s", runtime.GOOS, runtime.GOARCH))
	fetched, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	if len(fetched) == 0 {
		t.Skipf("the go command has fetched no Go into %s; GOTOOLCHAIN=go1.26.7 go version makes it fetch one", tool.GOMODCACHE)
	}
	version := strings.TrimPrefix(filepath.Base(fetched[len(fetched)-1]), "toolchain@v0.0.1-")
	t.Setenv("GOTOOLCHAIN", strings.TrimSuffix(version, "."+runtime.GOOS+"-"+runtime.GOARCH))
	if _, err := buildModuleOf(t, BuildOptions{Package: ".", Dir: smallModule(t), CacheDir: t.TempDir()}); err != nil {
		t.Error(err)
	}
}

func TestGoOutsideOfTheModuleCacheIsUsedAsItIs(t *testing.T) {
	got, err := goForOverlays(t.Context(), BuildOptions{Go: fakeGo(t, "/usr/lib/go")}, t.TempDir())
	if err != nil || got.GOROOT != "/usr/lib/go" || len(got.env) != 0 {
		t.Errorf("goForOverlays = %+v, %v; want /usr/lib/go and no environment", got, err)
	}
}

func TestSecondNameOutlivesWhatItLedTo(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "go", "go1.99")
	for _, target := range []string{"first", "second", "second"} {
		path := filepath.Join(dir, target)
		if err := os.MkdirAll(path, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := secondName(path, name); err != nil {
			t.Fatal(err)
		}
		if to, err := os.Readlink(name); err != nil || to != path {
			t.Errorf("the name leads to %q, %v; want %q", to, err, path)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(name)); err != nil || len(left) != 1 {
		t.Errorf("%d entries are left beside the name, %v; want it alone", len(left), err)
	}
}
