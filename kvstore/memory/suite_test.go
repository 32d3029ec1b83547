package memory_test

import (
	"testing"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
	"github.com/kvsim/kvsim/kvstoretest"
)

// TestStorageWithoutAStructureKeepsTheRules runs the rules for storages.
func TestStorageWithoutAStructureKeepsTheRules(t *testing.T) {
	for _, what := range memory.Lacking() {
		t.Run(what, func(t *testing.T) {
			kvstoretest.TestStorage(t, func(testing.TB) kvstore.Storage { return memory.Without(what) })
		})
	}
}
