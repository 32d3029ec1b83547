package archtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kvsim/kvsim/linearizability"
	"github.com/kvsim/kvsim/sim"
)

// The table of promises names tests and checks; each of them has to exist.
func TestPromisesNameTestsAndChecksThatExist(t *testing.T) {
	const root = "../.."
	text, err := os.ReadFile(filepath.Join(root, "docs", "promises.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	decl := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9_]+)\(`)
	for _, dir := range []string{"kvstore", "kvstoretest", "linearizability", "internal", "scenarios", "sim", "cmd"} {
		err = filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			src, err := os.ReadFile(path)
			for _, m := range decl.FindAllStringSubmatch(string(src), -1) {
				tests[m[1]] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	checks := map[string]bool{}
	for _, c := range linearizability.AllChecks() {
		checks[string(c)] = true
	}
	for _, j := range sim.Judgements() {
		checks[j.Name] = true
	}
	rows := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.Contains(cells[2], "`Test") && !strings.Contains(cells[2], "`Fuzz") {
			continue
		}
		rows++
		for _, name := range quoted(packageName.ReplaceAllString(cells[2], "")) {
			if !tests[name] {
				t.Errorf("promise %q names the test %s, which does not exist", strings.TrimSpace(cells[1]), name)
			}
		}
		for _, name := range quoted(cells[3]) {
			if !checks[name] {
				t.Errorf("promise %q names the check %s, which does not exist", strings.TrimSpace(cells[1]), name)
			}
		}
	}
	if rows < 50 {
		t.Errorf("the table has %d rows: is it still a table?", rows)
	}
}

// packageName matches the package of a test that is not in kvstore.
var packageName = regexp.MustCompile("\\(`[a-z/]+`\\)")

func quoted(cell string) []string {
	var names []string
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
		names = append(names, m[1])
	}
	return names
}
