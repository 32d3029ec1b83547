package mutation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// Digest identifies the source of packages and of all that they and their tests link, as far as
// it is of this module, and the versions of the rest.
func (s *Source) Digest(ctx context.Context, patterns ...string) (string, error) {
	all, err := list(ctx, s.Root, s.tags, append([]string{"-deps", "-test"}, patterns...)...)
	if err != nil {
		return "", err
	}
	names := []string{filepath.Join(s.Root, "go.mod"), filepath.Join(s.Root, "go.sum")}
	for _, p := range all {
		if p.Module == nil || p.Module.Path != s.Module {
			continue
		}
		for _, name := range slices.Concat(p.GoFiles, p.SFiles, p.CgoFiles, p.EmbedFiles, p.TestGoFiles, p.XTestGoFiles) {
			if !filepath.IsAbs(name) { // the go command's own main package of a test
				names = append(names, filepath.Join(p.Dir, name))
			}
		}
	}
	slices.Sort(names)
	h := sha256.New()
	for _, name := range slices.Compact(names) {
		f, err := os.Open(name)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "\n%s\n", s.relative(name))
		_, err = io.Copy(h, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}
