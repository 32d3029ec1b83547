package kvstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// jsonOrigin is where JSON comes from.
type jsonOrigin int

const (
	jsonStored  jsonOrigin = iota // bytes to deserialize, from any source
	jsonWritten                   // what encoding/json made of a value
)

// checkJSON finds what encoding/json changes silently: strings that are not UTF-8 and keys
// that an object has twice. b has to be valid JSON. In JSON that encoding/json wrote, a
// string that was not UTF-8 shows as the escape \ufffd: a character U+FFFD that was there
// is written as its three bytes.
//
// quoted says that strings of some fields are JSON in JSON, by the option string of their tags.
func checkJSON(b []byte, from jsonOrigin, quoted bool) error {
	c := jsonCheck{b: b, from: from, quoted: quoted}
	c.frames, c.keys = c.someFrames[:0], c.someKeys[:0]
	return c.run()
}

// jsonCheck walks once over JSON.
type jsonCheck struct {
	b      []byte
	from   jsonOrigin
	quoted bool
	frames []jsonFrame // the objects and arrays around where it is
	keys   [][]byte    // of the objects in frames, outermost first

	// Most values need no more than this.
	someFrames [8]jsonFrame
	someKeys   [32][]byte
}

// jsonFrame is an object or array that has not ended.
type jsonFrame struct {
	object bool
	isKey  bool // the next string is a key
	index  int  // of the element in an array

	// first is where the object's keys begin in jsonCheck.keys; seen has them
	// too, once there are many.
	first int
	seen  map[string]bool
}

// manyKeys is when comparing a key with each one before is slower than a map.
const manyKeys = 16

func (c *jsonCheck) run() error {
	for i := 0; i < len(c.b); {
		switch c.b[i] {
		case '{', '[':
			object := c.b[i] == '{'
			c.frames = append(c.frames, jsonFrame{object: object, isKey: object, first: len(c.keys)})
		case '}', ']':
			top := c.top()
			c.keys = c.keys[:top.first]
			c.frames = c.frames[:len(c.frames)-1]
		case ',':
			top := c.top()
			top.isKey = top.object
			top.index++
		case '"':
			end, err := c.text(i)
			if err != nil {
				return err
			}
			i = end
			continue
		}
		i++
	}
	return nil
}

func (c *jsonCheck) top() *jsonFrame { return &c.frames[len(c.frames)-1] }

// text checks the string that begins at i, and returns where it ends.
func (c *jsonCheck) text(i int) (end int, err error) {
	key := len(c.frames) > 0 && c.top().isKey
	end, escaped, bad := scanString(c.b, i, c.from)
	s := c.b[i+1 : end-1]
	what := "string"
	if key {
		what = "key"
	}
	if bad != "" {
		return 0, fmt.Errorf("the %s %s at %s %s", what, quoteKey(s), c.place(), bad)
	}
	if !key {
		return end, c.inner(i, end)
	}
	c.top().isKey = false
	if escaped {
		var plain string
		if err := json.Unmarshal(c.b[i:end], &plain); err != nil {
			return 0, err
		}
		s = []byte(plain)
	}
	if c.twice(s) {
		return 0, fmt.Errorf("the key %s is there twice at %s", quoteKey(s), c.place())
	}
	c.keys = append(c.keys, s)
	return end, nil
}

// inner checks a string that is JSON itself. Only the type knows which ones are; so one that holds
// such a string by chance is checked, too.
func (c *jsonCheck) inner(i, end int) error {
	var s string
	if !c.quoted {
		return nil
	}
	if err := json.Unmarshal(c.b[i:end], &s); err != nil {
		return err
	}
	if !strings.HasPrefix(s, `"`) || !json.Valid([]byte(s)) {
		return nil
	}
	if err := checkJSON([]byte(s), c.from, false); err != nil {
		return fmt.Errorf("in the JSON that is a string at %s: %w", c.place(), err)
	}
	return nil
}

// twice reports whether the innermost object has had the key before.
func (c *jsonCheck) twice(key []byte) bool {
	top := c.top()
	before := c.keys[top.first:]
	if top.seen == nil {
		if len(before) < manyKeys {
			return slices.ContainsFunc(before, func(k []byte) bool { return bytes.Equal(k, key) })
		}
		top.seen = make(map[string]bool, 2*manyKeys)
		for _, k := range before {
			top.seen[string(k)] = true
		}
	}
	if top.seen[string(key)] {
		return true
	}
	top.seen[string(key)] = true
	return false
}

// place is the path to where the check is: $.tags[3] for example.
func (c *jsonCheck) place() string {
	var path strings.Builder
	path.WriteByte('$')
	for i, f := range c.frames {
		last := len(c.keys)
		if i+1 < len(c.frames) {
			last = c.frames[i+1].first
		}
		switch {
		case !f.object:
			path.WriteString("[" + strconv.Itoa(f.index) + "]")
		case last > f.first && !f.isKey:
			path.WriteString("." + strings.Trim(quoteKey(c.keys[last-1]), `"`))
		}
	}
	return path.String()
}

// scanString looks at the string that begins at i with its quote. It returns
// the place after the closing quote, whether the string has escapes, and what is
// wrong with it, if anything.
func scanString(b []byte, i int, from jsonOrigin) (end int, escaped bool, bad string) {
	start, plain := i+1, true // plain: all ASCII so far
	for i++; b[i] != '"'; i++ {
		switch {
		case b[i] >= utf8.RuneSelf:
			plain = false
		case b[i] == '\\':
			escaped = true
			i++
			if b[i] != 'u' {
				continue
			}
			r := hexRune(b[i+1:])
			i += 4
			switch {
			case r == utf8.RuneError && from == jsonWritten:
				bad = "is not valid UTF-8"
			case r >= 0xdc00 && r < 0xe000:
				bad = "has half of a surrogate pair"
			case r >= 0xd800 && r < 0xdc00:
				if low := b[i+1:]; len(low) < 6 || low[0] != '\\' || low[1] != 'u' || hexRune(low[2:])&^0x3ff != 0xdc00 {
					bad = "has half of a surrogate pair"
				} else {
					i += 6
				}
			}
		}
	}
	if !plain && !utf8.Valid(b[start:i]) {
		bad = "is not valid UTF-8"
	}
	return i + 1, escaped, bad
}

// hexRune reads the four digits of an escape.
func hexRune(b []byte) (r rune) {
	for _, d := range b[:4] {
		switch {
		case d <= '9':
			r = r<<4 | rune(d-'0')
		default:
			r = r<<4 | rune(d|0x20-'a'+10)
		}
	}
	return r
}
