package mutation

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/kvsim/kvsim/cmd/kvsim/internal/procgroup"
)

// A Comparer compiles mutants one by one, to find those that are the same code as the original
// (trivial compiler equivalence; Papadakis, Jia, Harman and Le Traon, 2015). It is safe for
// concurrent use.
type Comparer struct {
	source *Source
	dir    string

	mu        sync.Mutex
	originals map[string][]byte // the code of each package
	made      int
}

// NewComparer returns a Comparer that keeps its files in dir.
func (s *Source) NewComparer(dir string) (*Comparer, error) {
	var config strings.Builder
	for path, file := range s.exports {
		if file != "" {
			fmt.Fprintf(&config, "packagefile %s=%s\n", path, file)
		}
	}
	c := &Comparer{source: s, dir: dir, originals: map[string][]byte{}}
	return c, os.WriteFile(c.imports(), []byte(config.String()), 0o600)
}

func (c *Comparer) imports() string { return filepath.Join(c.dir, "importcfg") }

// Same reports whether a mutant compiles to the code of the original. It is false for what is
// not found out: mutants of a package that has more than Go files, or of the rule Arm.
func (c *Comparer) Same(ctx context.Context, m *Mutant) (bool, error) {
	i := slices.IndexFunc(c.source.Packages, func(p *Package) bool { return p.Path == m.Package })
	if i < 0 || len(m.edits) == 0 || !c.source.Packages[i].plain {
		return false, nil
	}
	p := c.source.Packages[i]
	original, err := c.original(ctx, p)
	if err != nil {
		return false, err
	}
	code, err := c.compile(ctx, p, c.source.edited(p, m.edits))
	if _, refused := errors.AsType[*refusedError](err); refused {
		return false, nil
	}
	return bytes.Equal(code, original), err
}

// original returns the code of a package without a mutant.
func (c *Comparer) original(ctx context.Context, p *Package) ([]byte, error) {
	c.mu.Lock()
	code := c.originals[p.Path]
	c.mu.Unlock()
	if code != nil {
		return code, nil
	}
	code, err := c.compile(ctx, p, nil)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.originals[p.Path] = code
	return code, nil
}

// refusedError says that the compiler refused the source.
type refusedError struct{ text string }

func (e *refusedError) Error() string { return e.text }

// compile returns the code of a package with changed files.
func (c *Comparer) compile(ctx context.Context, p *Package, changed map[string][]byte) ([]byte, error) {
	c.mu.Lock()
	c.made++
	dir := filepath.Join(c.dir, fmt.Sprintf("same-%d", c.made))
	c.mu.Unlock()
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	code := filepath.Join(dir, "code.o")
	args := []string{
		"tool", "compile", "-p", p.Path, "-lang", language(p.goVersion), "-importcfg", c.imports(), "-trimpath", dir + "=>;" + p.Dir + "=>",
		"-dwarf=false", "-complete", "-c=1", "-o", filepath.Join(dir, "export.a"), "-linkobj", code,
	}
	for _, name := range p.names {
		if text, ok := changed[name]; ok {
			name = filepath.Join(dir, filepath.Base(name))
			if err := os.WriteFile(name, text, 0o600); err != nil {
				return nil, err
			}
		}
		args = append(args, name)
	}
	cmd := procgroup.Command(ctx, "go", args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		if context.Cause(ctx) != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &refusedError{fmt.Sprintf("compile %s: %v\n%s", p.Path, err, out)}
	}
	object, err := os.ReadFile(code)
	return withoutFingerprint(object), err
}

// language returns the version of the language in a version of Go.
func language(version string) string {
	parts := strings.SplitN(cmp.Or(version, "1.26"), ".", 3)
	if len(parts) < 2 {
		return "go" + version
	}
	return "go" + parts[0] + "." + parts[1]
}

// withoutFingerprint takes out of an object file the hash of what the package exports. It
// changes with the columns of the source.
func withoutFingerprint(object []byte) []byte {
	magic := []byte("\x00go1")
	if at := bytes.Index(object, magic); at >= 0 && at+16 <= len(object) {
		clear(object[at+8 : at+16])
	}
	return object
}

// edited returns the files of a package that edits change.
func (s *Source) edited(p *Package, edits []edit) map[string][]byte {
	pieces := map[string][]piece{}
	for _, e := range edits {
		at := s.files.Position(e.from)
		pieces[at.Filename] = append(pieces[at.Filename], piece{at: at.Offset, gone: int(e.to - e.from), text: e.text, kind: swapped})
	}
	changed := map[string][]byte{}
	for name, list := range pieces {
		changed[name] = applied(p.text[name], list)
	}
	return changed
}
