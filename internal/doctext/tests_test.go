package doctext_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestTestsOfTheDocumentationExist(t *testing.T) {
	t.Parallel()
	all, err := sources()
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\s*func (Test\w+)`).FindAllStringSubmatch(all, -1) {
		there[m[1]] = true
	}
	name := regexp.MustCompile(`^Test[A-Z]\w*$`)
	found := 0
	for _, c := range documentation(t) {
		if !c.Inline || !name.MatchString(c.Text) {
			continue
		}
		found++
		if !there[c.Text] {
			t.Errorf("%s: there is no %s", c.At(), c.Text)
		}
	}
	needed(t, "tests", found, 250)
}

// The table of brokers has each image that a workflow runs the tests on.
func TestCompatibilityNamesTheBrokersOfTheWorkflows(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(root, "docs", "compatibility.md"))
	if err != nil {
		t.Fatal(err)
	}
	image := regexp.MustCompile(`(?:apache/kafka|apache/kafka-native|redpandadata/redpanda):([\w.]+)`)
	found := 0
	err = filepath.WalkDir(filepath.Join(root, ".github", "workflows"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range image.FindAllStringSubmatch(string(text), -1) {
			found++
			if !strings.Contains(string(page), m[1]) {
				t.Errorf("%s runs on %s, of which docs/compatibility.md says nothing", filepath.Base(path), m[0])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	needed(t, "images of brokers in workflows", found, 5)
}

// The list of what kfake does otherwise names the files that correct it, without their directory.
func TestDifferencesOfKfakeNameFilesThatExist(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`^\w+\.go$`)
	found := 0
	for _, c := range documentation(t) {
		if !c.Inline || c.File != "docs/kfake-differences.md" || !name.MatchString(c.Text) {
			continue
		}
		found++
		if _, err := os.Stat(filepath.Join(root, "internal", "fakecluster", c.Text)); err != nil {
			t.Errorf("%s: internal/fakecluster has no %s", c.At(), c.Text)
		}
	}
	needed(t, "files that correct kfake", found, 15)
}
