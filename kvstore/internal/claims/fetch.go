package claims

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kbin"
)

// fetched checks the answer to a fetch of one partition, of which body is the beginning, from
// behind the correlation id, and size the whole length. It returns how many bytes it has to see,
// 0 if it is done. An answer that ends too soon is left to those who decode it.
//
// https://kafka.apache.org/protocol.html#The_Messages_Fetch has the fields.
func fetched(body []byte, size int, version int16) (need int, err error) {
	f := fetch{Reader: kbin.Reader{Src: body}, version: version, flexible: version >= 12}
	f.answer()
	switch {
	case f.err != nil:
		return 0, fmt.Errorf("an answer to Fetch has %w", f.err)
	case !f.Ok() && len(body) < size:
		return min(max(2*len(body), 128), size), nil
	case !f.Ok():
		return 0, nil
	}
	if rest := len(f.Src) + size - len(body) - f.records; rest > Most {
		return 0, fmt.Errorf("an answer to Fetch has %d bytes behind the records, and more than %d are not read", rest, Most)
	}
	return 0, nil
}

// fetch reads an answer to a fetch as far as the records.
type fetch struct {
	kbin.Reader

	version  int16
	flexible bool
	records  int // the length of the records
	err      error
}

func (f *fetch) answer() {
	f.tags()
	f.Int32() // the throttle time
	if f.version >= 7 {
		f.Int16() // the error
		f.Int32() // the session
	}
	if !f.one("topics") {
		return
	}
	switch {
	case f.version >= 13:
		f.Span(16)
	case f.flexible:
		f.Span(f.length())
	default:
		f.Span(int(f.Int16()))
	}
	if f.one("partitions") {
		f.partition()
	}
}

func (f *fetch) partition() {
	f.Span(4 + 2 + 8) // the number, the error and the high watermark
	if f.version >= 4 {
		f.Int64() // the last stable offset
	}
	if f.version >= 5 {
		f.Int64() // the start
	}
	for range max(0, f.length()) { // aborted transactions
		f.Span(8 + 8)
		f.tags()
		if !f.Ok() {
			return
		}
	}
	if f.version >= 11 {
		f.Int32() // the replica to read from
	}
	f.records = max(0, f.length())
}

// one reads the count of a list that can have one element, and reports whether it is there.
func (f *fetch) one(what string) bool {
	n := f.length()
	if f.Ok() && n > 1 {
		f.err = fmt.Errorf("%d %s, and one was asked for", n, what)
	}
	return f.Ok() && n == 1
}

// length reads the length of a list or of bytes, -1 for null.
func (f *fetch) length() int {
	if f.flexible {
		return int(f.Uvarint()) - 1
	}
	return int(f.Int32())
}

// tags reads tagged fields, of which nothing is needed.
func (f *fetch) tags() {
	if !f.flexible {
		return
	}
	for n := f.Uvarint(); n > 0 && f.Ok(); n-- {
		f.Uvarint()
		f.Span(int(f.Uvarint()))
	}
}
