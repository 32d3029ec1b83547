package kvstoretest

import (
	"errors"
	"fmt"
	"runtime/debug"
	"testing"

	"github.com/kvsim/kvsim/kvstore"
)

// TestStorage checks that the storages made by factory keep the rules of
// [kvstore.Storage], each rule in a subtest of its own with a storage of its
// own. The rules of [kvstore.BatchStorage] and [kvstore.RecordStorage] are
// checked too when the storage implements those, and skipped with a message when
// it does not.
//
// factory returns an empty storage that shares nothing with the ones before it.
// It registers clean-up with the t that it is given. Run the test with -race: the
// rules on concurrency find more with it.
//
//	func TestMyStorage(t *testing.T) {
//		kvstoretest.TestStorage(t, func(t testing.TB) kvstore.Storage {
//			return mystorage.Open(t.TempDir())
//		})
//	}
func TestStorage(t *testing.T, factory func(t testing.TB) kvstore.Storage) {
	t.Helper()
	for _, rule := range storageRules {
		testRule(t, rule.name, rule.says, func(t testing.TB) error { return rule.run(factory(t)) })
	}
}

// testRule checks a rule in a subtest.
func testRule(t *testing.T, name, says string, run func(t testing.TB) error) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		switch err := run(t); {
		case errors.Is(err, errNothingToCheck):
			t.Skip(err)
		case err != nil:
			t.Errorf("rule: %s\n%v", says, err)
		}
	})
}

// brokenRule is the error of a rule that was not kept.
func brokenRule(name, says string, err error) error {
	if err == nil || errors.Is(err, errNothingToCheck) {
		return nil
	}
	return fmt.Errorf("%s: %w (rule: %s)", name, err, says)
}

// CheckStorage is [TestStorage] without a test: it returns what it found as
// one error made with [errors.Join], or nil when every rule held. Rules of
// interfaces that the storage does not implement are left out. An error of
// factory counts as a broken rule.
func CheckStorage(factory func() (kvstore.Storage, error)) error {
	var errs []error
	for _, rule := range storageRules {
		storage, err := factory()
		if err == nil {
			err = rule.run(storage)
		}
		errs = append(errs, brokenRule(rule.name, rule.says, err))
	}
	return errors.Join(errs...)
}

// storageRule is one thing that every storage has to do.
type storageRule struct {
	name  string // name of the subtest
	says  string // the rule as a sentence
	check func(*storageProbe)
}

// run checks the rule on a fresh storage. A panic of the storage is an error.
func (r storageRule) run(s kvstore.Storage) (err error) {
	if s == nil {
		return errors.New("the factory returned no storage")
	}
	p := &storageProbe{s: s}
	defer func() {
		v := recover()
		if err = p.missing; err == nil {
			err = p.err()
		}
		if v != nil && v != any(stopCheck{}) {
			err = errors.Join(err, fmt.Errorf("panic: %v\n%s", v, debug.Stack()))
		}
	}()
	r.check(p)
	return nil // the deferred function says what the probe found
}

// storageRules is the table of all rules. Each of them begins with an empty
// storage.
var storageRules = []storageRule{
	{"get-returns-what-was-set", "Get returns the value that Set stored, whatever its size", getReturnsWhatWasSet},
	{"starts-empty", "a new storage is empty, whatever was written to the one before", startsEmpty},
	{"get-missing-is-not-found", "Get of a key that is not there returns an error that is ErrNotFound", getMissing},
	{"set-overwrites", "Set replaces the value that was there", setOverwrites},
	{"empty-value-is-a-value", "a key with an empty or nil value is there, with an empty value", emptyValue},
	{"keys-are-any-bytes", "a key is a string of any bytes, of which every one counts", anyBytes},
	{"delete-removes", "Delete removes the key from Get and Range, and it can be set again", deleteRemoves},
	{"delete-only-that-key", "Delete leaves keys alone that begin with the same bytes", deleteOnlyThatKey},
	{"delete-missing-is-no-error", "Delete of a key that is not there does nothing and returns no error", deleteMissing},
	{"set-and-delete-can-be-repeated", "the same Set or Delete once more changes nothing", repeatable},
	{"arguments-stay-unchanged", "a write does not change the slices it is given: the client may try it again with them", argumentsStay},
	{"returned-slices-stay-unchanged", "slices that Get and Range returned stay as they are when the keys are written again", returnedSlicesStay},

	{"range-is-in-byte-order", "Range yields every key once with its value, in ascending byte order", rangeOrder},
	{"range-keeps-its-bounds", "Range yields the keys with Start <= key < End", rangeBounds},
	{"range-bounds-nil-and-empty", "a nil bound is open, an empty End and Start >= End match nothing", rangeEmptyBounds},
	{"range-prefix", "Range of a Prefix yields the keys that begin with it, 0xff bytes and the empty prefix included", rangePrefix},
	{"range-limit", "Range yields at most Limit pairs, the first ones; zero and less mean all", rangeLimit},
	{"range-stops-early", "Range yields nothing more once the loop is left, and the storage can be written then", rangeStopsEarly},

	{"get-with-ended-context", "Get with a context that has ended returns the context's error", getEnded},
	{"set-with-ended-context", "Set with a context that has ended returns its error and changes nothing", setEnded},
	{"delete-with-ended-context", "Delete with a context that has ended returns its error and changes nothing", deleteEnded},
	{"range-with-ended-context", "Range with a context that has ended yields no pair and its error last", rangeEnded},
	{"concurrent-reads-and-writes", "reads beside writes see each key's values whole, in the order they were written, and no key missing", concurrentReads},

	{"batch-applies-in-order", "ApplyBatch applies its items in order: the last one of a key wins", on(batchOrder)},
	{"batch-nil-deletes-empty-sets", "in ApplyBatch a nil value deletes exactly that key and an empty one sets it", on(batchNil)},
	{"batch-of-nothing", "ApplyBatch of no items changes nothing and returns no error", on(batchOfNothing)},
	{"batch-of-many", "ApplyBatch applies batches of thousands of items", on(batchOfMany)},
	{"batch-can-be-repeated", "the same ApplyBatch once more changes nothing", on(batchRepeatable)},
	{"batch-leaves-its-items", "ApplyBatch does not change its items: the client may try it again with them", on(batchItemsStay)},
	{"batch-with-ended-context", "ApplyBatch with a context that has ended returns its error and changes nothing", on(batchEnded)},
	{"batch-is-atomic", "a Range beside ApplyBatch sees all of it or nothing, and Gets never go back behind a batch", on(batchAtomic)},

	{"records-keep-revision-and-time", "GetEntry and snapshots give key, value, revision and time of the record that wrote the value", on(recordsKept)},
	{"records-apply-in-order", "ApplyRecords applies its records in order: the last one of a key wins, tombstones included", on(recordsOrder)},
	{"records-empty-value", "a record with an empty value is no tombstone", on(recordsEmptyValue)},
	{"records-show-in-get-and-range", "Get and Range give what ApplyRecords stored", on(recordsShow)},
	{"records-are-copied", "ApplyRecords keeps no slice of its records", on(recordsCopied)},
	{"records-can-be-repeated", "the same ApplyRecords once more changes nothing, revisions included", on(recordsRepeatable)},
	{"records-are-atomic", "a snapshot or range beside ApplyRecords sees all of it or nothing", on(recordsAtomic)},
	{"records-with-ended-context", "ApplyRecords with a context that has ended returns its error and changes nothing", on(recordsEnded)},
	{"entry-missing-is-not-found", "GetEntry of a key that is not there returns an error that is ErrNotFound", on(entryMissing)},
	{"entry-with-ended-context", "GetEntry and Snapshot with a context that has ended return its error", on(entryEnded)},
	{"snapshot-never-changes", "a snapshot stays as it is through every kind of write, in a range under way too", on(snapshotNeverChanges)},
	{"snapshot-range", "a snapshot's Range keeps order, bounds and limit", on(snapshotRange)},
	{"snapshot-range-stops-with-its-context", "a snapshot's Range stops with the context's error when the context ends", on(snapshotRangeStops)},
	{"snapshot-with-ended-context", "a snapshot's GetEntry and Range with a context that has ended give its error", on(snapshotEnded)},
	{"reset-removes-everything", "Reset leaves an empty storage that can be written", on(resetEmpties)},
	{"reset-leaves-snapshots", "snapshots taken before Reset stay as they are", on(resetLeavesSnapshots)},
	{"reset-with-ended-context", "Reset with a context that has ended returns its error and changes nothing", on(resetEnded)},
}
