package kvstore

import (
	"context"
	"math"
	"reflect"
	"runtime"
	"slices"
	"sync"
)

// A storage may embed another one to change some of its methods:
//
//	type counting struct{ *memory.Storage }
//
//	func (c counting) Set(...) error { ... }
//
// Such a type has all the methods of what it embeds, including the optional ones that the
// client prefers to Set: ApplyRecords would never call the type's own Set. So an optional
// method counts only if none of the methods that it replaces is declared at a shallower
// depth than itself.

// lookup finds one method by a name that is a constant: with a variable the
// linker would have to keep every exported method of the program.
type lookup func(reflect.Type) (reflect.Method, bool)

var (
	getMethod    lookup = func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("Get") }
	setMethod    lookup = func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("Set") }
	deleteMethod lookup = func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("Delete") }
	rangeMethod  lookup = func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("Range") }

	applyBatchMethod   lookup = func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("ApplyBatch") }
	applyRecordsMethod lookup = func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("ApplyRecords") }
	resetMethod        lookup = func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("Reset") }
	getEntryMethod     lookup = func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("GetEntry") }
	snapshotMethod     lookup = func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("Snapshot") }

	revisionsMethod lookup = func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("Revisions") }

	rangeOwnedMethod lookup = func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("RangeOwned") }
	pairsOwnedMethod lookup = func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("PairsOwned") }

	deserializeMethod        lookup = func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("Deserialize") }
	deserializeContextMethod lookup = func(t reflect.Type) (reflect.Method, bool) { return t.MethodByName("DeserializeContext") }
)

// asRecordStorage returns s as a RecordStorage unless that would bypass a method that s
// declares itself; then it returns the names of the methods that would do so.
func asRecordStorage(s Storage) (rs RecordStorage, bypassed string) {
	rs, ok := s.(RecordStorage)
	if !ok {
		return nil, ""
	}
	v := reflect.ValueOf(s)
	writes := bypasses(v, []lookup{setMethod, deleteMethod, applyBatchMethod}, applyRecordsMethod, resetMethod)
	reads := bypasses(v, []lookup{getMethod, rangeMethod}, getEntryMethod, snapshotMethod)
	switch {
	case writes:
		return nil, "ApplyRecords and Reset"
	case reads:
		return nil, "GetEntry and Snapshot"
	}
	return rs, ""
}

// asBatchStorage is asRecordStorage for ApplyBatch.
func asBatchStorage(s Storage) (bs BatchStorage, bypassed string) {
	bs, ok := s.(BatchStorage)
	if !ok {
		return nil, ""
	}
	if bypasses(reflect.ValueOf(s), []lookup{setMethod, deleteMethod}, applyBatchMethod) {
		return nil, "ApplyBatch"
	}
	return bs, ""
}

// revisionLister is a RecordStorage that knows its revisions without putting keys in order, as
// package memory's does.
type revisionLister interface {
	Revisions(ctx context.Context, fn func(revision int64)) error
}

// asRevisionLister returns s as a revisionLister, nil if it is not one or writes elsewhere.
func asRevisionLister(s RecordStorage) revisionLister {
	l, ok := s.(revisionLister)
	if !ok || bypasses(reflect.ValueOf(s), []lookup{applyRecordsMethod, resetMethod, snapshotMethod}, revisionsMethod) {
		return nil
	}
	return l
}

// ownedRangers caches for each type of snapshot whether its own Range would be bypassed:
// the answer depends on the type only, and a client takes many snapshots.
var ownedRangers sync.Map // of reflect.Type to bool

// asOwnedRanger returns snap as an OwnedRanger, nil if it is not one or would bypass its
// own Range.
func asOwnedRanger(snap Snapshot) OwnedRanger {
	or, ok := snap.(OwnedRanger)
	if !ok {
		return nil
	}
	t := reflect.TypeOf(snap)
	bypassed, known := ownedRangers.Load(t)
	if !known {
		bypassed = bypasses(reflect.ValueOf(snap), []lookup{rangeMethod}, rangeOwnedMethod, pairsOwnedMethod)
		ownedRangers.Store(t, bypassed)
	}
	if bypassed.(bool) {
		return nil
	}
	return or
}

// bypasses reports whether one of the optional methods comes from deeper within v than one
// of the plain ones, so that calling it would bypass that one.
func bypasses(v reflect.Value, plain []lookup, optional ...lookup) bool {
	nearest := math.MaxInt
	for _, m := range plain {
		nearest = min(nearest, depth(v, m))
	}
	return slices.ContainsFunc(optional, func(m lookup) bool { return depth(v, m) > nearest })
}

// depth returns how many embeddings away from v's own type the method is
// declared: 0 if it is v's own.
func depth(v reflect.Value, find lookup) int {
	for v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if !v.IsValid() || declares(v.Type(), find) {
		return 0
	}
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return 0
	}
	nearest := 0
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.Anonymous {
			continue
		}
		embedded := v.Field(i)
		if embedded.CanAddr() && embedded.Kind() != reflect.Interface && embedded.Kind() != reflect.Pointer {
			embedded = embedded.Addr()
		}
		if _, ok := find(embedded.Type()); !ok {
			continue
		}
		// Of two, the shallower one provides the method and hides the other.
		if d := 1 + depth(embedded, find); nearest == 0 || d < nearest {
			nearest = d
		}
	}
	return nearest
}

// declares reports whether t, or what it points to, declares the method itself: one that
// comes from an embedded field is a wrapper generated by the compiler, and has no line in a
// file. It returns true where that can't be told.
func declares(t reflect.Type, find lookup) bool {
	if t.Kind() == reflect.Pointer {
		if m, ok := find(t.Elem()); ok && t.Elem().Kind() != reflect.Interface {
			return !generated(m) // that of t itself would be a wrapper in any case
		}
	}
	m, ok := find(t)
	return !ok || !generated(m)
}

// generated reports whether the compiler generated the method.
func generated(m reflect.Method) bool {
	if !m.Func.IsValid() || m.Func.Pointer() == 0 {
		return false
	}
	// The last frame is the function itself, those before it are inlined in it.
	frames := runtime.CallersFrames([]uintptr{m.Func.Pointer() + 1})
	for {
		f, more := frames.Next()
		if !more {
			return f.File == "<autogenerated>"
		}
	}
}
