package sim

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
)

// A value carries its id, its length and a filler made from the id, so that a value that
// was torn, swapped or reused is distinguished from one that was written.
//
//	c2.17:5:abcde

// emptyID is the id of the empty value, which many writes share.
const emptyID = "~empty"

// encodePayload returns the bytes of the value with the given id and about the
// given size, never smaller than the id needs.
func encodePayload(id string, size int) []byte {
	if id == emptyID {
		return []byte{}
	}
	fill := max(0, size-len(id)-6)
	b := make([]byte, 0, len(id)+8+fill)
	b = append(b, id...)
	b = append(b, ':')
	b = strconv.AppendInt(b, int64(fill), 10)
	b = append(b, ':')
	x := fillStart(id)
	for range fill {
		x = x*1103515245 + 12345
		b = append(b, byte(x>>16))
	}
	return b
}

func fillStart(id string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(id))
	return h.Sum32()
}

// decodePayload returns the id of a value. Bytes that were never written get an id that no
// write has.
func decodePayload(b []byte) string {
	if len(b) == 0 {
		return emptyID
	}
	i := bytes.IndexByte(b, ':')
	if i <= 0 {
		return corruptID(b)
	}
	j := bytes.IndexByte(b[i+1:], ':')
	if j <= 0 {
		return corruptID(b)
	}
	id := string(b[:i])
	fill, err := strconv.Atoi(string(b[i+1 : i+1+j]))
	rest := b[i+j+2:]
	if err != nil || fill != len(rest) {
		return corruptID(b)
	}
	x := fillStart(id)
	for _, c := range rest {
		x = x*1103515245 + 12345
		if c != byte(x>>16) {
			return corruptID(b)
		}
	}
	return id
}

func corruptID(b []byte) string {
	h := fnv.New64a()
	h.Write(b)
	return fmt.Sprintf("corrupt-%016x-%d", h.Sum64(), len(b))
}

// foreign reports whether a value was written by the harness itself.
func foreign(id string) bool { return strings.HasPrefix(id, "x") }

// keyNames returns the keys of a workload. The families make prefixes worth
// asking for, and some keys have bytes at the ends of the range.
func keyNames(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		switch i % 6 {
		case 1:
			keys[i] = fmt.Sprintf("a/%d\x00", i)
		case 3:
			keys[i] = fmt.Sprintf("b\xff\xff%d", i)
		case 5:
			keys[i] = fmt.Sprintf("\x00%d\xff", i)
		case 0, 2:
			keys[i] = fmt.Sprintf("a/%d", i)
		default:
			keys[i] = fmt.Sprintf("b/%d", i)
		}
	}
	return keys
}

// ranges are the intervals that a workload asks for: everything, prefixes
// ending in 0x00 and 0xff, and a gap without keys.
var ranges = [...][2]string{
	{"", ""},
	{"a/", "a0"},
	{"a/1", "a/2"},
	{"b\xff", "c"},
	{"\x00", "\x01"},
	{"b/", ""},
	{"m", "n"},
}
