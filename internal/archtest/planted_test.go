package archtest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Every package with a rule gets a file with an import that its rule forbids, in an overlay, so
// that the go command sees it and the tree stays as it is. Each has to be reported.
func TestAPlantedImportIsReportedInEachPackage(t *testing.T) {
	if runtime.GOOS == "wasip1" || runtime.GOOS == "js" {
		t.Skipf("%s cannot run the go command", runtime.GOOS)
	}
	root := moduleRoot(t)
	readTree(t, root)
	dir := t.TempDir()
	replaced := map[string]string{}
	forbidden := map[string]string{}
	for i, r := range rules {
		dep := forbiddenImport(r)
		if dep == "" {
			continue
		}
		forbidden[r.pkg] = dep
		source := filepath.Join(dir, fmt.Sprintf("planted%d.go", i))
		name := nameOfPackage(t, filepath.Join(root, filepath.FromSlash(r.pkg)))
		if err := os.WriteFile(source, fmt.Appendf(nil, "package %s\n\nimport _ %q\n", name, dep), 0o600); err != nil {
			t.Fatal(err)
		}
		replaced[filepath.Join(root, filepath.FromSlash(r.pkg), "planted.go")] = source
	}
	if len(forbidden) < len(rules)-2 {
		t.Errorf("an import was planted into %d packages, want all %d but those that may import everything", len(forbidden), len(rules))
	}
	data, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, data, 0o600); err != nil {
		t.Fatal(err)
	}
	reported := map[string]bool{}
	for _, v := range violations(rules, listModule(t, root, "-overlay="+overlay).links) {
		reported[v.pkg+" "+v.dep] = true
	}
	for pkg, dep := range forbidden {
		if !reported[pkg+" "+dep] {
			t.Errorf("%s imports %s, which its rule forbids, and nothing reports it", pkg, dep)
		}
	}
}

// forbiddenImport returns a package that r forbids and that makes no circle: of the standard
// library, or of a module that is there.
func forbiddenImport(r rule) string {
	for _, dep := range []string{"testing", rapid, testcontainers, wazero} {
		if !r.allows(dep) {
			return dep
		}
	}
	return ""
}

// nameOfPackage returns the name of the package in a directory.
func nameOfPackage(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(line, "package "); ok {
				return strings.TrimSpace(name)
			}
		}
	}
	t.Fatalf("no package in %s", dir)
	return ""
}

// What tests import counts where a rule says so, and heavy packages count everywhere.
func TestEachWrongImportOfATestIsReported(t *testing.T) {
	kit := module + "/kvstoretest"
	for _, c := range []struct{ pkg, dep, want string }{
		{"linearizability", kit, "a test of linearizability must not import " + kit},
		{"linearizability", "github.com/twmb/franz-go/pkg/kgo", "a test of linearizability must not import"},
		{"scenarios/regressions", kit, "a test of scenarios/regressions must not import"},
		{"kvstore", testcontainers, "only kvstoretest/realkafka may"},
		{"cmd/kvsim", wazero + "/api", "only cmd/kvsim/internal may"},
		{"linearizability", module + "/linearizability", ""},
		{"linearizability", "testing", ""},
		{"kvstore", rapid, ""},
		{"kvstore", kit, ""},
		{"kvstoretest/realkafka", testcontainers + "/wait", ""},
		{"cmd/kvsim/internal/exact", wazero, ""},
	} {
		got := importViolations(rules, nil, linked{c.pkg: {c.dep}})
		if (c.want == "") != (len(got) == 0) || len(got) > 1 || len(got) == 1 && !strings.Contains(got[0].text, c.want) {
			t.Errorf("a test of %s imports %s: %q, want %q", c.pkg, c.dep, got, c.want)
		}
	}
	for _, c := range []struct{ pkg, dep string }{{"cmd/kvsim", testcontainers}, {"cmd/kvsim", wazero}} {
		if got := importViolations(rules, linked{c.pkg: {c.dep}}, nil); len(got) != 1 {
			t.Errorf("%s imports %s: %q, want that one", c.pkg, c.dep, got)
		}
	}
}
