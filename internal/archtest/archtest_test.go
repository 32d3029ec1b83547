package archtest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestPackagesLinkOnlyWhatTheirRuleAllows(t *testing.T) {
	if runtime.GOOS == "wasip1" || runtime.GOOS == "js" {
		t.Skipf("%s cannot run the go command", runtime.GOOS)
	}
	root := moduleRoot(t)
	readTree(t, root)
	m := listModule(t, root)
	if _, ok := m.links["internal/archtest"]; !ok {
		t.Fatalf("go list in %s does not list this package, got %d others", root, len(m.links))
	}
	for _, v := range append(violations(rules, m.links), importViolations(rules, m.imports, m.tests)...) {
		t.Errorf("%s%s", m.where(t, root, v), v.text)
	}
}

// TestEachBrokenImportIsReported shows that the check can fail: a map of
// packages that keep the rules passes, and each import in the table, added to
// it, is reported.
func TestEachBrokenImportIsReported(t *testing.T) {
	legal := func() linked {
		return linked{
			"linearizability":           {"sort", porcupine},
			"internal/simnet":           {"net"},
			"kvstore":                   {"github.com/twmb/franz-go/pkg/kgo"},
			"kvstore/memory":            {module + "/kvstore", "github.com/tidwall/btree"},
			"internal/recordlog":        {"github.com/twmb/franz-go/pkg/kgo"},
			"internal/fakecluster":      {kfake, module + "/internal/simnet", module + "/internal/recordlog"},
			"kvstoretest":               {"testing", kfake, module + "/internal/fakecluster", module + "/kvstore"},
			"kvstoretest/kvrapid":       {"testing", rapid, module + "/kvstoretest"},
			"kvstoretest/realkafka":     {"testing", testcontainers, module + "/kvstoretest"},
			"sim":                       {kfake, module + "/internal/fakecluster", module + "/kvstore/memory"},
			"cmd/kvsim/internal/engine": {"testing", "testing/synctest", module + "/sim"},
			"cmd/kvsim/internal/exact":  {wazero},
			"scenarios":                 {module + "/sim"},
			"scenarios/regressions":     {"testing", "testing/synctest", module + "/sim"},
			"cmd/kvsim":                 {module + "/scenarios", module + "/cmd/kvsim/internal/engine", wazero, "testing"},
		}
	}
	if got := violations(rules, legal()); len(got) > 0 {
		t.Fatalf("violations(legal map) = %q, want none", got)
	}
	for _, c := range []struct{ pkg, dep string }{
		{"linearizability", module + "/kvstore"},
		{"linearizability", "github.com/twmb/franz-go/pkg/kgo"},
		{"internal/simnet", module + "/kvstore"},
		{"internal/recordlog", module + "/kvstore"},
		{"internal/recordlog", kfake},
		{"kvstore", "testing"},
		{"kvstore", "testing/synctest"},
		{"kvstore", kfake},
		{"kvstore", rapid},
		{"kvstore", protocompile + "/parser"},
		{"kvstore", protoimpl},
		{"kvstore", wazero + "/sys"},
		{"kvstore", testcontainers + "/wait"},
		{"kvstore", module + "/internal/simnet"},
		{"kvstore", module + "/kvstoretest"},
		{"kvstore/memory", module + "/sim"},
		{"kvstore/memory/internal/item", module + "/kvstore"},
		{"kvstore/memory/internal/filling", module + "/kvstore/memory/internal/index"},
		{"kvstore/memory/internal/index", module + "/kvstore/memory/internal/order"},
		{"kvstore/memory/internal/order", module + "/kvstore/memory/internal/index"},
		{"internal/fakecluster", module + "/kvstore"},
		{"internal/fakecluster", "testing"},
		{"kvstoretest", module + "/sim"},
		{"kvstoretest", rapid},
		{"kvstoretest", testcontainers},
		{"kvstoretest", module + "/cmd/kvsim/internal/engine"},
		{"kvstoretest/kvrapid", testcontainers},
		{"kvstoretest/realkafka", rapid},
		{"sim", module + "/scenarios"},
		{"sim", module + "/cmd/kvsim/internal/engine"},
		{"sim", module + "/kvstoretest"},
		{"sim", "testing"},
		{"cmd/kvsim/internal/engine", module + "/scenarios"},
		{"cmd/kvsim/internal/engine", module + "/cmd/kvsim/internal/kafkaworld"},
		{"cmd/kvsim/internal/report", module + "/sim"},
		{"cmd/kvsim/internal/exact", module + "/sim"},
		{"scenarios", module + "/cmd/kvsim"},
		{"scenarios", module + "/cmd/kvsim/internal/exact"},
		{"scenarios", "testing"},
		{"scenarios/regressions", module + "/cmd/kvsim/internal/engine"},
		{"scenarios/regressions", module + "/kvstoretest"},
		{"cmd/kvsim", rapid},
	} {
		pkgs := legal()
		pkgs[c.pkg] = append(pkgs[c.pkg], c.dep)
		got := violations(rules, pkgs)
		if len(got) != 1 || !strings.HasPrefix(got[0].text, c.pkg+" must not link "+c.dep+" ") {
			t.Errorf("violations(%s links %s) = %q, want that one", c.pkg, c.dep, got)
		}
	}
}

func TestPackageWithoutARuleIsReported(t *testing.T) {
	for _, pkg := range []string{"", "util", "internal/shared", "kvstorex", "simulator"} {
		got := violations(rules, linked{pkg: nil})
		if len(got) != 1 || !strings.Contains(got[0].text, "covered by no rule") {
			t.Errorf("violations(package %q) = %q, want that no rule covers it", pkg, got)
		}
	}
	for _, pkg := range []string{"kvstore/internal/more", "kvstore/memory/internal/more", "kvstore/memory/internal/item/more"} {
		got := violations(rules, linked{pkg: nil})
		if len(got) != 1 || !strings.Contains(got[0].text, "no rule of its own") {
			t.Errorf("violations(package %q) = %q, want that it has no rule of its own", pkg, got)
		}
	}
}

func TestRulesNameEachPackageOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range rules {
		if seen[r.pkg] {
			t.Errorf("rules name %q twice", r.pkg)
		}
		seen[r.pkg] = true
		if r.pkg == "" || r.why == "" {
			t.Errorf("rule %+v lacks its package or its reason", r)
		}
	}
}

// moduleRoot returns the directory that holds the module's go.mod.
func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the working directory")
		}
		dir = up
	}
}

// readTree reads every directory that can hold a package. The go command caches
// a passing test until a file or directory that the test itself read changes,
// and does not see what its child process reads; without this, a new import
// would be missed by a cached pass.
func readTree(t *testing.T, root string) {
	t.Helper()
	skipped := []string{"testdata", "bin", "kvsim-out"}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // Removed meanwhile.
			return nil
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || slices.Contains(skipped, d.Name())):
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatalf("read the module's directories: %v", err)
	}
}
