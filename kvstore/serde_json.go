package kvstore

import "encoding/json"

// JSONSerde serializes values as JSON with encoding/json. It has no state: the
// zero value is ready to use and safe for concurrent use.
//
// A nil pointer, slice, map or interface is the JSON value null, which is four
// bytes long: it is stored as a value and comes back as nil.
type JSONSerde[T any] struct{}

// JSON returns a serde that stores values of type T as JSON.
func JSON[T any]() Serde[T] { return &JSONSerde[T]{} }

// Serialize returns the JSON of v. Equal values give equal bytes, because
// encoding/json sorts the keys of maps.
func (*JSONSerde[T]) Serialize(v T) ([]byte, error) {
	return json.Marshal(v)
}

// Deserialize returns the value that b holds. Fields that T does not know are
// ignored. If b is not exactly one JSON value that fits T, Deserialize returns
// the zero value and an error.
func (*JSONSerde[T]) Deserialize(b []byte) (T, error) {
	var v T
	if err := json.Unmarshal(b, &v); err != nil {
		var zero T
		return zero, err
	}
	return v, nil
}
