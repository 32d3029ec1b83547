package kvstore

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
)

// storagesInUse has the storages of all clients of the process that are not closed yet, by
// identity.
var storagesInUse = &storageUses{topics: map[string]string{}}

type storageUses struct {
	mu     sync.Mutex
	topics map[string]string // the client's topic, by the storage's identity
}

// claim takes a storage for a client. It fails with ErrStorageInUse when another client has
// it. The identities are addresses, which are not reused while the client holds the
// storage. release gives it back and may be called once.
func (u *storageUses) claim(s Storage, topic string) (release func(), err error) {
	ids := identities(reflect.ValueOf(s), nil)
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, id := range ids {
		if other, ok := u.topics[id]; ok {
			return nil, fmt.Errorf("%w, that of topic %q: give each client a storage of its own, or close the other one first", ErrStorageInUse, other)
		}
	}
	for _, id := range ids {
		u.topics[id] = topic
	}
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		for _, id := range ids {
			delete(u.topics, id)
		}
	}, nil
}

// isNil reports whether there is no storage in s: a nil interface, or a nil
// pointer or map.
func isNil(s Storage) bool {
	v := reflect.ValueOf(s)
	switch v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Map:
		return v.IsNil()
	default:
		return false
	}
}

var storageType = reflect.TypeFor[Storage]()

// identities returns what distinguishes a storage from others: its own identity, and that
// of each storage that it embeds and whose methods it has. A storage without an identity,
// such as an empty struct, yields none.
func identities(v reflect.Value, ids []string) []string {
	for v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	if !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return ids
	}
	if id := identity(v); id != "" {
		ids = append(ids, id)
	}
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return ids
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.Anonymous {
			continue
		}
		embedded := v.Field(i)
		if embedded.CanAddr() && reflect.PointerTo(f.Type).Implements(storageType) {
			embedded = embedded.Addr()
		} else if !f.Type.Implements(storageType) {
			continue
		}
		ids = identities(embedded, ids)
	}
	return ids
}

// identity is the address that a reference holds, and for a struct given by value its
// content: equal structs are one storage. It is "" for a value without state of its own.
func identity(v reflect.Value) string {
	if v.Type().Size() == 0 {
		return ""
	}
	var id strings.Builder
	describe(v, &id)
	return id.String()
}

// describe writes what is the same for equal values only.
func describe(v reflect.Value, id *strings.Builder) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.Type().Elem().Size() > 0 { // all zero-size variables may have the same address
			fmt.Fprintf(id, " %s %x", v.Type(), v.Pointer())
		}
	case reflect.Map, reflect.Chan, reflect.Slice, reflect.Func, reflect.UnsafePointer:
		fmt.Fprintf(id, " %s %x", v.Type(), v.Pointer())
	case reflect.Interface:
		if !v.IsNil() {
			describe(v.Elem(), id)
		}
	case reflect.Struct:
		fmt.Fprintf(id, " %s{", v.Type())
		for _, field := range v.Fields() {
			describe(field, id)
		}
		id.WriteString("}")
	case reflect.Array:
		for i := range v.Len() {
			describe(v.Index(i), id)
		}
	default:
		fmt.Fprintf(id, " %v", v) // fmt prints the value that a reflect.Value holds
	}
}
