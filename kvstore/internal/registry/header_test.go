package registry

import (
	"bytes"
	"encoding/hex"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParseHeader(t *testing.T) {
	for _, c := range []struct {
		name  string
		in    string // hex
		id    int
		index []int
		rest  string
	}{
		{"short form of the first message", "0000000007" + "00" + "0a00", 7, []int{0}, "0a00"},
		{"long form of the first message", "0000000007" + "0200" + "0a00", 7, []int{0}, "0a00"},
		{"second message", "0000000007" + "0202" + "", 7, []int{1}, ""},
		{"nested message", "0000000100" + "060204ac02" + "08", 256, []int{1, 2, 150}, "08"},
		{"largest id", "00ffffffff" + "00", math.MaxUint32, []int{0}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := unhex(t, c.in)
			id, index, rest, err := ParseHeader(in)
			if err != nil || id != c.id || !slices.Equal(index, c.index) || !bytes.Equal(rest, unhex(t, c.rest)) {
				t.Errorf("ParseHeader(%s) = %d, %v, %x, %v; want %d, %v, %s", c.in, id, index, rest, err, c.id, c.index, c.rest)
			}
		})
	}
}

func TestParseHeaderRefusesWhatIsNotOne(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"nothing", "", "0 bytes is too short"},
		{"no whole id", "00000000", "4 bytes is too short"},
		{"other first byte", "0a0000000700", "begins with byte 0x0a"},
		{"no index", "0000000007", "count of message indexes is cut off"},
		{"count cut off", "0000000007" + "80", "count of message indexes is cut off"},
		{"count too long", "0000000007" + "ffffffffffffffffffffff", "count of message indexes is cut off or too long"},
		{"negative count", "0000000007" + "01", "-1 message indexes announced"},
		{"more announced than there can be", "0000000007" + "fcffffff0f" + "00", "announced in 1 bytes"},
		{"index cut off", "0000000007" + "0480" + "80", "message index 1 of 2 is cut off"},
		{"negative index", "0000000007" + "0201", "message index 1 of 1 is -1"},
		{"index too large", "0000000007" + "02" + "8080808020", "message index 1 of 1 is 4294967296"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, _, err := ParseHeader(unhex(t, c.in))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("ParseHeader(%s) = %v, want an error with %q", c.in, err, c.want)
			}
		})
	}
}

func TestAppendWireHeaderRefusesImpossibleIDs(t *testing.T) {
	for _, id := range []int{-1, 0, math.MaxUint32 + 1} {
		if b, err := header(id, firstMessage); err == nil {
			t.Errorf("header(%d) = %x, want an error", id, b)
		}
	}
}

func TestWireHeaderRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.IntRange(1, math.MaxUint32).Draw(t, "id")
		index := rapid.SliceOfN(rapid.IntRange(0, math.MaxInt32), 1, 8).Draw(t, "index")
		message := rapid.SliceOf(rapid.Byte()).Draw(t, "message")

		b, err := header(id, index)
		if err != nil {
			t.Fatalf("header(%d, %v): %v", id, index, err)
		}
		gotID, gotIndex, gotMessage, err := ParseHeader(append(b, message...))
		if err != nil || gotID != id || !slices.Equal(gotIndex, index) || !bytes.Equal(gotMessage, message) {
			t.Fatalf("ParseHeader = %d, %v, %x, %v; want %d, %v, %x", gotID, gotIndex, gotMessage, err, id, index, message)
		}
	})
}

func FuzzParseHeader(f *testing.F) {
	for _, s := range []string{"", "00", "000000000700", "00000000070202", "0000000100060204ac0208", "0000000007fcffffff0f00"} {
		b, _ := hex.DecodeString(s)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		before := bytes.Clone(in)
		id, index, rest, err := ParseHeader(in)
		if !bytes.Equal(in, before) {
			t.Fatalf("ParseHeader(%x) changed its input to %x", before, in)
		}
		if err != nil {
			return
		}
		if len(index) == 0 || !bytes.HasSuffix(in, rest) {
			t.Fatalf("ParseHeader(%x) = %v, %x; want an index and the end of the input", in, index, rest)
		}
		if id == 0 {
			return // readable, but nothing writes it
		}
		again, err := header(id, index)
		if err != nil {
			t.Fatalf("header(%d, %v): %v", id, index, err)
		}
		id2, index2, rest2, err := ParseHeader(append(again, rest...))
		if err != nil || id2 != id || !slices.Equal(index2, index) || !bytes.Equal(rest2, rest) {
			t.Fatalf("parsed again = %d, %v, %x, %v; want %d, %v, %x", id2, index2, rest2, err, id, index, rest)
		}
	})
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
