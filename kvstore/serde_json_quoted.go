package kvstore

import (
	"reflect"
	"slices"
	"strings"
	"sync"
)

// quotedTypes has, for each type that was asked for, whether it has a field of a string whose tag
// has the option string.
var quotedTypes sync.Map

// hasQuoted reports whether encoding/json may write a string of a value of type T as JSON in JSON.
// What is in interfaces is not known, and not looked for.
func hasQuoted[T any]() bool {
	t := reflect.TypeFor[T]()
	if has, ok := quotedTypes.Load(t); ok {
		return has.(bool)
	}
	has := quotes(t, map[reflect.Type]bool{})
	quotedTypes.Store(t, has)
	return has
}

func quotes(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return quotes(t.Elem(), seen)
	case reflect.Struct:
	default:
		return false
	}
	return slices.ContainsFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool {
		_, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		of := f.Type
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		return of.Kind() == reflect.String && slices.Contains(strings.Split(options, ","), "string") || quotes(f.Type, seen)
	})
}
