package kvstore_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/kvsim/kvsim/kvstore"
)

func TestWrapOnSetSkipsWhatItCannotRead(t *testing.T) {
	var got []string
	hook := kvstore.WrapOnSet(kvstore.JSON[int](), func(key []byte, v int) { got = append(got, fmt.Sprintf("%s=%d", key, v)) })
	hook([]byte("a"), []byte("1"))
	hook([]byte("b"), []byte("one"))
	hook([]byte("c"), []byte("3"))
	if want := []string{"a=1", "c=3"}; !reflect.DeepEqual(got, want) {
		t.Errorf("callbacks = %q, want %q", got, want)
	}
}

func TestWrapOnSetErrReportsEachValueItCannotRead(t *testing.T) {
	var got []string
	hook := kvstore.WrapOnSetErr(kvstore.JSON[int](),
		func(key []byte, v int) { got = append(got, fmt.Sprintf("%s=%d", key, v)) },
		func(key []byte, err error) {
			var decode *kvstore.DecodeError
			if !errors.As(err, &decode) || !bytes.Equal(decode.Key, key) || decode.Cause == nil {
				t.Errorf("error = %#v, want a DecodeError of key %q", err, key)
			}
			got = append(got, fmt.Sprintf("%s: %v", key, err))
		})
	hook([]byte("a"), []byte("1"))
	hook([]byte("b"), []byte("x"))
	hook([]byte("c"), []byte("3"))
	want := []string{"a=1", `b: deserialize value of "b": invalid character 'x' looking for beginning of value`, "c=3"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("callbacks = %q, want %q", got, want)
	}
}

func TestWrapOnSetRefusesNil(t *testing.T) {
	serde, fn := kvstore.JSON[int](), func([]byte, int) {}
	for want, wrap := range map[string]func(){
		"kvstore: WrapOnSet: serde is nil":    func() { kvstore.WrapOnSet(nil, fn) },
		"kvstore: WrapOnSet: callback is nil": func() { kvstore.WrapOnSet(serde, nil) },
	} {
		if got := panicOf(wrap); got != want {
			t.Errorf("panic = %v, want %q", got, want)
		}
	}
}

func TestWrapOnDelete(t *testing.T) {
	var got []byte
	kvstore.WrapOnDelete[int](func(key []byte) { got = key })([]byte("a"))
	if string(got) != "a" {
		t.Errorf("callback got key %q, want a", got)
	}
	if kvstore.WrapOnDelete[int](nil) != nil {
		t.Error("WrapOnDelete(nil) is not nil")
	}
}

// panicOf returns what fn panics with.
func panicOf(fn func()) (v any) {
	defer func() { v = recover() }()
	fn()
	return nil
}
