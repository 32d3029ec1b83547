package kvstore

import "bytes"

// WrapOnSet makes a typed callback fit [WithOnSetHook]: it deserializes each value before
// it calls fn. A value that can't be deserialized is skipped silently; use [WrapOnSetErr]
// to be told.
//
// It panics if serde or fn is nil.
func WrapOnSet[T any](serde Serde[T], fn func(key []byte, value T)) func(key, value []byte) {
	return WrapOnSetErr(serde, fn, nil)
}

// WrapOnSetErr is like [WrapOnSet] but hands a value that can't be
// deserialized to onErr, with a [*DecodeError]. For each record exactly one of
// fn and onErr is called, in log order. A nil onErr ignores errors.
//
// The hook waits for the serde. One that asks a Schema Registry blocks the client for as
// long as the registry's timeout allows, see [WithRegistryTimeout].
func WrapOnSetErr[T any](serde Serde[T], fn func(key []byte, value T), onErr func(key []byte, err error)) func(key, value []byte) {
	if serde == nil {
		panic("kvstore: WrapOnSet: serde is nil")
	}
	if fn == nil {
		panic("kvstore: WrapOnSet: callback is nil")
	}
	return func(key, value []byte) {
		v, err := serde.Deserialize(value)
		switch {
		case err == nil:
			fn(key, v)
		case onErr != nil:
			onErr(key, &DecodeError{Key: bytes.Clone(key), Cause: foreign(err)})
		}
	}
}

// WrapOnDelete is the counterpart of [WrapOnSet] for [WithOnDeleteHook]. A
// deletion has no value to deserialize, so fn is returned as it is.
func WrapOnDelete[T any](fn func(key []byte)) func(key []byte) {
	return fn
}
