// Package brief cuts what others said - brokers, the registry, a schema - to what errors and logs
// quote of it.
package brief

import (
	"fmt"
	"strings"
	"time"
)

// Most is how many bytes a quoted text has at most, with the length of the whole that is added
// where it is cut.
const Most = 1000

// head is how much is left of a text that is cut: Most, except for the longest possible end.
const head = Most - len("... (9223372036854775807 bytes)")

// Text returns s, or its beginning and its length. It does not keep s alive if it cuts it.
func Text[S ~string](s S) string {
	if len(s) <= Most {
		return string(s)
	}
	return fmt.Sprintf("%s... (%d bytes)", strings.ToValidUTF8(string(s[:head]), ""), len(s))
}

// Error returns err, or an error that wraps it and has the beginning of its text. Nil: nil.
func Error(err error) error {
	if err == nil {
		return nil
	}
	if text := err.Error(); len(text) > Most {
		return &cutError{text: Text(text), cause: err}
	}
	return err
}

// Value returns v, or if its text is long something with the beginning of it: an error that wraps v
// if v is one, else a string.
func Value(v any) any {
	switch v.(type) {
	case nil, bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float32, float64, time.Duration:
		return v
	}
	text := fmt.Sprint(v) // does not panic, whatever v does
	if len(text) <= Most {
		return v
	}
	if err, ok := v.(error); ok {
		return &cutError{text: Text(text), cause: err}
	}
	return Text(text)
}

// A cutError shows only the beginning of its cause's text.
type cutError struct {
	text  string
	cause error
}

func (e *cutError) Error() string { return e.text }

func (e *cutError) Unwrap() error { return e.cause }
