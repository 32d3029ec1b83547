package kvstore

import (
	"encoding/json"
	"fmt"
)

// JSONSerde serializes values as JSON with encoding/json. It has no state: the
// zero value is ready to use and safe for concurrent use.
//
// A nil pointer, slice, map or interface is the JSON value null, which is four
// bytes long: it is stored as a value and comes back as nil, except that a nil
// [json.RawMessage] comes back as the bytes null.
//
// These changes, which encoding/json makes without an error, are [ErrLossyJSON] here:
//
//   - A string or a key of a map that is not valid UTF-8. encoding/json writes
//     the escape \ufffd for each bad byte, so two keys may become one. Use
//     []byte for bytes: it is stored in base64. The character U+FFFD itself is
//     valid and stored as it is; only a Marshaler or a json.RawMessage that
//     spells it as the escape \ufffd is refused too, since nothing tells it
//     from a bad byte.
//     In a field with the option string, such a string is JSON in JSON, and
//     refused as well; so is, in a type that has one, any other string that holds
//     the JSON of such a string.
//   - An object with the same key twice, of which the last one would win. Keys
//     are compared after unescaping, and exactly: "a" and "A" are two keys,
//     although both set a field A of a struct, as with encoding/json.
//   - In bytes to deserialize also half of a surrogate pair, such as \ud800.
//
// What follows from T is left as encoding/json has it:
//
//   - Fields that T does not know are ignored. If two fields of a struct have the
//     same name at the same depth - by equal tags, or from two embedded structs -
//     T knows neither, and neither is stored.
//   - A number is rounded to what T's float holds; in an interface it is a
//     float64, which is exact for integers up to 2^53.
//   - null leaves a number, string, bool, array or struct at its zero value, and an
//     empty [json.Number] is stored as 0.
//   - An array takes as many elements as it has: others are dropped, and missing
//     ones are zero.
//   - Keys of a map with integer keys are numbers: of "1" and "01" the last wins.
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
	if err := checkJSON(b, jsonWritten, hasQuoted[T]()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLossyJSON, err)
	}
	return b, nil
}

// Deserialize returns the value that b holds. Fields that T does not know are
// ignored. If b is not exactly one JSON value that fits T, Deserialize returns
// the zero value and an error; that of strings and keys which would change is
// [ErrLossyJSON].
func (*JSONSerde[T]) Deserialize(b []byte) (T, error) {
	var v, zero T
	if err := json.Unmarshal(b, &v); err != nil {
		return zero, err
	}
	if err := checkJSON(b, jsonStored, hasQuoted[T]()); err != nil {
		return zero, fmt.Errorf("%w: %w", ErrLossyJSON, err)
	}
	return v, nil
}
