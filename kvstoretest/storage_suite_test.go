package kvstoretest

import (
	"errors"
	"strings"
	"testing"

	"github.com/kvsim/kvsim/kvstore"
	"github.com/kvsim/kvsim/kvstore/memory"
)

func TestMemoryKeepsTheRules(t *testing.T) {
	TestStorage(t, func(testing.TB) kvstore.Storage { return memory.New() })
}

func TestCheckStorageOfGoodStorage(t *testing.T) {
	for name, factory := range map[string]func() (kvstore.Storage, error){
		"RecordStorage": func() (kvstore.Storage, error) { return memory.New(), nil },
		"BatchStorage":  func() (kvstore.Storage, error) { return struct{ kvstore.BatchStorage }{memory.New()}, nil },
		"Storage":       func() (kvstore.Storage, error) { return struct{ kvstore.Storage }{memory.New()}, nil },
	} {
		if err := CheckStorage(factory); err != nil {
			t.Errorf("CheckStorage of a good %s = %v, want nil", name, err)
		}
	}
}

func TestCheckStorageTellsRuleAndFinding(t *testing.T) {
	err := CheckStorage(func() (kvstore.Storage, error) {
		return brokenBy(t, "set-overwrites"), nil
	})
	if err == nil {
		t.Fatal("CheckStorage of a broken storage = nil")
	}
	for _, want := range []string{
		"set-overwrites: ", `Get("k") = "first", <nil>, want "a longer second"`,
		"(rule: Set replaces the value that was there)",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("CheckStorage = %v\nwant it to contain %q", err, want)
		}
	}
}

func TestCheckStorageWithFailingFactory(t *testing.T) {
	full := errors.New("disk full")
	err := CheckStorage(func() (kvstore.Storage, error) { return nil, full })
	if !errors.Is(err, full) {
		t.Errorf("CheckStorage = %v, want %v", err, full)
	}
	if err := CheckStorage(func() (kvstore.Storage, error) { return nil, nil }); err == nil {
		t.Error("CheckStorage of a factory that returns nil = nil, want an error")
	}
}

// TestRulesAreSkippedWithoutTheirInterface holds that a rule is skipped only
// when the storage lacks what the rule is about.
func TestRulesAreSkippedWithoutTheirInterface(t *testing.T) {
	for _, rule := range storageRules {
		plain := errors.Is(rule.run(struct{ kvstore.Storage }{memory.New()}), errNothingToCheck)
		batch := errors.Is(rule.run(struct{ kvstore.BatchStorage }{memory.New()}), errNothingToCheck)
		isBatch := strings.HasPrefix(rule.name, "batch-")
		isRecord := false
		for _, prefix := range []string{"records-", "entry-", "snapshot-", "reset-"} {
			isRecord = isRecord || strings.HasPrefix(rule.name, prefix)
		}
		if plain != (isBatch || isRecord) || batch != isRecord {
			t.Errorf("%s: skipped for a Storage %v, for a BatchStorage %v", rule.name, plain, batch)
		}
	}
}

// TestPanicIsAFinding runs a rule on a storage that panics.
func TestPanicIsAFinding(t *testing.T) {
	err := storageRules[0].run(struct{ kvstore.Storage }{})
	if err == nil || !strings.Contains(err.Error(), "panic: ") || !strings.Contains(err.Error(), "storage_suite_keys.go") {
		t.Errorf("rule on a storage that panics = %v, want the panic and where it was", err)
	}
}

// TestEveryRuleCatchesABrokenStorage is the test of the suite: for each rule
// there is a storage that breaks it, and the rule named for it notices.
func TestEveryRuleCatchesABrokenStorage(t *testing.T) {
	rules := map[string]storageRule{}
	for _, rule := range storageRules {
		if _, twice := rules[rule.name]; twice {
			t.Errorf("rule %s stands in the table twice", rule.name)
		}
		if rule.says == "" {
			t.Errorf("rule %s is not told as a sentence", rule.name)
		}
		rules[rule.name] = rule
	}
	broken := map[string]bool{}
	for _, b := range brokenStorages {
		broken[b.rule] = true
		t.Run(b.rule+"/"+strings.ReplaceAll(b.how, " ", "_"), func(t *testing.T) {
			rule, ok := rules[b.rule]
			if !ok {
				t.Fatalf("no rule is named %s", b.rule)
			}
			err := rule.run(b.make())
			if err == nil || errors.Is(err, errNothingToCheck) {
				t.Fatalf("rule %s on a storage that %s = %v, want a finding", b.rule, b.how, err)
			}
			if strings.Contains(err.Error(), "panic: ") {
				t.Errorf("found by a panic: %v", err)
			}
			t.Log(err)
		})
	}
	for name := range rules {
		if !broken[name] {
			t.Errorf("no broken storage is there to show that rule %s catches anything", name)
		}
	}
}

// TestProgressNoticesGoingBack is about the part of concurrent-reads-and-writes
// that tells an older value behind a newer one, and a value nobody wrote.
func TestProgressNoticesGoingBack(t *testing.T) {
	seen := progress{}
	for _, step := range []struct {
		key, value string
		good       bool
	}{
		{"k", numbered("k", 1), true},
		{"k", numbered("k", 7), true},
		{"other", numbered("other", 1), true},
		{"k", numbered("k", 7), true},
		{"k", numbered("k", 6), false},
		{"k", numbered("other", 8), false},
		{"k", numbered("k", 9)[:5], false},
		{"k", "", false},
	} {
		if err := seen.see("Get", step.key, step.value); (err == nil) != step.good {
			t.Errorf("see(%q, %q) = %v, want it good: %v", step.key, step.value, err, step.good)
		}
	}
}

func brokenBy(t *testing.T, rule string) kvstore.Storage {
	t.Helper()
	for _, b := range brokenStorages {
		if b.rule == rule {
			return b.make()
		}
	}
	t.Fatalf("no broken storage for %s", rule)
	return nil
}
