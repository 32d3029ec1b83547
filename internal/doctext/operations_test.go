package doctext_test

import (
	"go/ast"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kvsim/kvsim/internal/doctext"
	"github.com/kvsim/kvsim/kvstore"
)

const operations = "docs/operations.md"

// The page for three in the morning leaves out no error and no state.

func TestOperationsNameEachError(t *testing.T) {
	t.Parallel()
	named := map[string]bool{}
	for _, c := range documentation(t) {
		if c.File == operations {
			named[c.Text] = true
		}
	}
	found := 0
	for name := range exportedOf(t, filepath.Join(root, "kvstore")) {
		if !ast.IsExported(name) || !strings.HasPrefix(name, "Err") && !strings.HasSuffix(name, "Error") {
			continue
		}
		found++
		if !named[name] {
			t.Errorf("%s says nothing of kvstore.%s", operations, name)
		}
	}
	needed(t, "errors", found, 25)
}

func TestOperationsNameEachState(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, operations))
	if err != nil {
		t.Fatal(err)
	}
	last := kvstore.StateClosed
	if name := (last + 1).String(); !strings.HasPrefix(name, "State(") {
		t.Fatalf("%s comes behind the last state", name)
	}
	for s := kvstore.StateOpening; s <= last; s++ {
		if !strings.Contains(string(text), "\n| "+s.String()+" |") {
			t.Errorf("%s has no row for state %s", operations, s)
		}
	}
	if files, err := doctext.Files(root); err != nil || !slices.Contains(files, operations) {
		t.Errorf("Files() = %v, %v, want %s among them", files, err, operations)
	}
}

// What operations.md quotes with a blank in it is a message of the store, or a command of Kafka.
func TestOperationsQuoteTheStoresMessages(t *testing.T) {
	t.Parallel()
	var source strings.Builder
	files, err := filepath.Glob(filepath.Join(root, "kvstore", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	internal, err := filepath.Glob(filepath.Join(root, "kvstore", "internal", "*", "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(files, internal...) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(text)
	}
	found := 0
	for _, c := range documentation(t) {
		if c.File != operations || !c.Inline || !strings.Contains(c.Text, " ") || strings.HasPrefix(c.Text, "kafka-") {
			continue
		}
		found++
		if !strings.Contains(source.String(), c.Text) {
			t.Errorf("%s: the store does not say %q", c.At(), c.Text)
		}
	}
	needed(t, "messages of the store", found, 8)
}
