package kvstore

import (
	"encoding/json"
	"fmt"
)

// JSONSerde serializes values as JSON with encoding/json. It has no state: the
// zero value is ready to use and safe for concurrent use.
//
// A nil pointer, slice, map or interface is the JSON value null, which is four
// bytes long: it is stored as a value and comes back as nil.
//
// What encoding/json changes without an error is [ErrLossyJSON] here:
//
//   - A string or a key of a map that is not valid UTF-8. encoding/json writes
//     the escape \ufffd for each bad byte, so two keys may become one. Use
//     []byte for bytes: it is stored in base64. The character U+FFFD itself is
//     valid and stored as it is; only a Marshaler or a json.RawMessage that
//     spells it as the escape \ufffd is refused too, since nothing tells it
//     from a bad byte.
//   - An object with the same key twice, of which the last one would win. Keys
//     are compared after unescaping, and exactly: "a" and "A" are two keys,
//     although both set a field A of a struct, as with encoding/json.
//   - In bytes to deserialize also half of a surrogate pair, such as \ud800.
//
// Two things are left as encoding/json has them: fields that T does not know are
// ignored, and a number that is deserialized into an interface is a float64,
// which is exact for integers up to 2^53.
type JSONSerde[T any] struct{}

// JSON returns a serde that stores values of type T as JSON.
func JSON[T any]() Serde[T] { return &JSONSerde[T]{} }

// Serialize returns the JSON of v. Equal values give equal bytes, because
// encoding/json sorts the keys of maps. What JSON can't hold as it is gives an
// error: that of encoding/json, or [ErrLossyJSON].
func (*JSONSerde[T]) Serialize(v T) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if err := checkJSON(b, jsonWritten); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLossyJSON, err)
	}
	return b, nil
}

// Deserialize returns the value that b holds. Fields that T does not know are
// ignored. If b is not exactly one JSON value that fits T, Deserialize returns
// the zero value and an error; that of a value which T would hold changed is
// [ErrLossyJSON].
func (*JSONSerde[T]) Deserialize(b []byte) (T, error) {
	var v, zero T
	if err := json.Unmarshal(b, &v); err != nil {
		return zero, err
	}
	if err := checkJSON(b, jsonStored); err != nil {
		return zero, fmt.Errorf("%w: %w", ErrLossyJSON, err)
	}
	return v, nil
}
