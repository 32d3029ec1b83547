package claims

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kbin"
)

// fetched checks the answer to a fetch of one partition, of which body is the beginning, from
// behind the correlation id, and size the whole length. It returns how many bytes it has to see,
// 0 if it is done: an eighth of the answer and three times Most, or less.
//
// https://kafka.apache.org/protocol.html#The_Messages_Fetch has the fields.
func fetched(body []byte, size int, version int16) (need int, err error) {
	f := fetch{Reader: kbin.Reader{Src: body}, version: version, flexible: version >= 12, size: size}
	f.answer()
	most := min(3*Most+size/8, size)
	switch {
	case f.err != nil:
		return 0, fmt.Errorf("an answer to Fetch has %w", f.err)
	case !f.Ok() && len(body) < most:
		return min(max(2*len(body), 128), most), nil
	case !f.Ok():
		return 0, fmt.Errorf("an answer to Fetch has no records in the first %d of %d bytes", len(body), size)
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
	size     int // of the whole answer
	tagged   int // how many bytes the tags have
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
	f.transactions()
	if f.version >= 11 {
		f.Int32() // the replica to read from
	}
	f.records = max(0, f.length())
}

// transactions reads the aborted transactions. Each has a marker in the log, which takes more, so
// they are a small part of an answer. franz-go makes room for as many as the answer claims.
func (f *fetch) transactions() {
	const each = 8 + 8 + 1 // with tags
	n, most := f.length(), (Most+f.size/8)/each
	if f.Ok() && n > most {
		f.err = fmt.Errorf("%d aborted transactions, and one of %d bytes has %d at most", n, f.size, most)
		return
	}
	for range max(0, n) {
		f.Span(8 + 8)
		f.tags()
		if !f.Ok() || f.err != nil {
			return
		}
	}
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
	n := f.Uvarint()
	before := len(f.Src)
	for ; n > 0 && f.Ok(); n-- {
		f.Uvarint()
		f.Span(int(f.Uvarint()))
	}
	if f.tagged += before - len(f.Src); f.tagged > Most {
		f.err = fmt.Errorf("more than %d bytes of tags", Most)
	}
}
