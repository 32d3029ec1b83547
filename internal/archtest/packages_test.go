package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The list of packages in CONTRIBUTING.md is made from the rules: this test
// prints what it has to be.
func TestContributingListsThePackagesOfTheRules(t *testing.T) {
	t.Parallel()
	name := filepath.Join(moduleRoot(t), "CONTRIBUTING.md")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	list := packageList(rules)
	if !strings.Contains(string(text), "\n```\n"+list+"```\n") {
		t.Errorf("the list of packages in CONTRIBUTING.md is not that of internal/archtest/rules_test.go, which is\n\n%s", list)
	}
}

// TestEachRuleIsOfAPackage finds rules that a move left behind.
func TestEachRuleIsOfAPackage(t *testing.T) {
	t.Parallel()
	root := moduleRoot(t)
	for _, r := range rules {
		files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(r.pkg), "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == 0 {
			t.Errorf("there is a rule for %s, and no such package", r.pkg)
		}
		if r.what == "" {
			t.Errorf("the rule for %s does not say what the package is for", r.pkg)
		}
	}
}

// The rules are here only: a second list would say something else one day.
func TestTheLinterRepeatsNoRule(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(moduleRoot(t), ".golangci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if i := strings.Index(string(text), "pkg: "+module); i >= 0 {
		t.Errorf(".golangci.yml, line %d: a rule for a package of this module: it belongs to rules_test.go", 1+strings.Count(string(text[:i]), "\n"))
	}
	if !strings.Contains(string(text), "pkg: io/ioutil\n") {
		t.Error(".golangci.yml bans no package: are its rules still written like this?")
	}
}

// packageList returns a line for each rule: its package and what that is for.
func packageList(rules []rule) string {
	var b strings.Builder
	for _, r := range rules {
		fmt.Fprintf(&b, "%-31s %s\n", r.pkg, r.what)
	}
	return b.String()
}

// What users of the kit get is what the store is tested with: one file of the store's tests may
// reach behind it.
func TestTheStoreIsTestedOnTheKitOfItsUsers(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(moduleRoot(t), "kvstore", "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name.Name != "kvstore_test" { // a test inside the package can't import the kit
			continue
		}
		seen++
		for _, path := range behindTheKit(f) {
			if base := filepath.Base(name); base != "harness_test.go" {
				t.Errorf("kvstore/%s imports %s: use kvstoretest, or what kvstore/harness_test.go has", base, path)
			}
		}
	}
	if seen < 50 {
		t.Errorf("%d files of tests were looked at, want those of the store", seen)
	}
}

// behindTheKit returns which packages under kvstoretest a file imports.
func behindTheKit(f *ast.File) (paths []string) {
	for _, i := range f.Imports {
		switch path := strings.Trim(i.Path.Value, `"`); path {
		case module + "/internal/fakecluster", module + "/internal/simnet":
			paths = append(paths, path)
		}
	}
	return paths
}
