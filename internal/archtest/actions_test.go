package archtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Whoever can move a tag of an action can run anything in the workflows that name the tag. So
// this module's workflows, and those that its documents tell users to copy, name whole commits,
// with the release behind them.
func TestActionsArePinnedByTheirCommits(t *testing.T) {
	const root = "../.."
	uses := regexp.MustCompile(`(?m)^[\s-]*uses:\s*(.*)$`)
	pinned := regexp.MustCompile(`^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	releases := map[string]string{} // the commit of each action that was seen first
	found := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "bin" || d.Name() == "testdata") {
			return fs.SkipDir
		}
		ext := filepath.Ext(path)
		if ext != ".yml" && ext != ".yaml" && ext != ".md" {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range uses.FindAllStringSubmatch(string(text), -1) {
			found++
			use := strings.TrimSpace(m[1])
			if !pinned.MatchString(use) {
				t.Errorf("%s: uses: %s, want a commit of 40 digits with its release behind it", path, use)
				continue
			}
			action, _, _ := strings.Cut(use, "@")
			if first, ok := releases[action]; ok && first != use {
				t.Errorf("%s: uses: %s, elsewhere it is %s", path, use, first)
			}
			releases[action] = use
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 20 {
		t.Errorf("%d uses of actions were found", found)
	}
}
