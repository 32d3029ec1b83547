package linearizability

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// mostLine is the length in bytes of the longest line that is read. It is enough for a
// state of some hundred thousand keys.
const mostLine = 64 << 20

// A fieldSet is a set of fields of a line, as a bit for each name in fieldNames.
type fieldSet uint64

// fieldNames are the names of all fields. Those of an item of a list are among them.
var fieldNames = [...]string{
	"kvsim_history", "tap", "hooks", "meta",
	"seq", "t", "ev", "client", "proc", "op", "call",
	"key", "value", "items", "start", "end", "limit", "barrier",
	"rev", "pos", "error", "offset", "txn", "foreign", "removed", "returned",
	"cause", "away", "of", "fault", "text",
}

var fieldNumbers = func() map[string]int {
	m := make(map[string]int, len(fieldNames))
	for i, name := range fieldNames {
		m[name] = i
	}
	return m
}()

// fields returns a set of fields, which are separated by spaces.
func fields(names string) (s fieldSet) {
	for name := range strings.FieldsSeq(names) {
		s |= 1 << fieldNumbers[name]
	}
	return s
}

// first returns the name of a field of the set, which is not empty.
func (s fieldSet) first() string { return fieldNames[bits.TrailingZeros64(uint64(s))] }

var (
	headerFields = fields("kvsim_history tap hooks meta")
	stampFields  = fields("seq t ev")
	itemFields   = fields("key value rev")
	keyField     = fields("key")
	endFields    = fields("op client proc rev pos error")

	eventFields = map[string]fieldSet{
		"hook":      fields("client proc call key value offset"),
		"rebuild":   fields("client proc cause away error"),
		"snapshot":  fields("of client proc pos items"),
		"fault":     fields("fault text"),
		"heal":      fields("fault"),
		"append":    fields("offset key value txn foreign"),
		"truncate":  fields("offset"),
		"trim":      fields("offset"),
		"end":       fields("offset"),
		"commit":    fields("txn"),
		"abort":     fields("txn"),
		"compact":   fields("removed"),
		"uncompact": fields("returned"),
		"recreate":  0,
	}
	callFields = [...]fieldSet{
		OpPut: fields("key value"), OpDelete: fields("key"), OpBatch: fields("items"),
		OpGet: fields("key barrier"), OpRange: fields("start end limit barrier"),
		OpSync: 0, OpWait: fields("rev"), OpOpen: 0, OpClose: 0,
	}
	invokeFields = fields("client proc op call")
)

// allowed returns the fields that the line which was decoded may have, and what it is. If
// the line names no event or operation that there is, that is said later.
func (d *decoder) allowed() (s fieldSet, what string, known bool) {
	in := &d.in
	switch in.Event {
	case "invoke":
		kind := slices.Index(opKinds[:], in.Call)
		if kind < 1 {
			return 0, "", false
		}
		return invokeFields | callFields[kind], "the call of a " + in.Call, true
	case "ok", "failed", "unknown":
		i, ok := d.open[in.Op]
		if !ok {
			return 0, "", false
		}
		kind := d.h.Ops[i].Kind
		return endFields | answerFields(kind, in.Event == "ok"), "the end of a " + kind.String() + " that is " + in.Event, true
	}
	s, known = eventFields[in.Event]
	return s, in.Event, known
}

// answerFields returns the fields that only the end of some operations has.
func answerFields(kind OpKind, ok bool) fieldSet {
	switch {
	case ok && kind == OpGet:
		return fields("value")
	case ok && (kind == OpRange || kind == OpBatch):
		return fields("items")
	}
	return 0
}

// strict returns an error if the line, which has been decoded, has a field that its event
// has not.
func (d *decoder) strict(seen fieldSet) error {
	if d.h.Header.Version == 0 {
		if extra := seen &^ headerFields; extra != 0 && seen&headerFields != 0 {
			return fmt.Errorf("%q has no place in a header", extra.first())
		}
		return nil
	}
	allowed, what, known := d.allowed()
	if extra := seen &^ (allowed | stampFields); known && extra != 0 {
		return fmt.Errorf("%q has no place in %s", extra.first(), what)
	}
	if d.in.Event == "invoke" && slices.ContainsFunc(d.in.Items, func(it item) bool { return it.Rev != nil }) {
		return errors.New(`"rev" has no place in the items of a call`)
	}
	return nil
}

// A fieldScanner goes through a line that is known to be valid JSON, and notes what a JSON
// decoder lets pass: names in other letters, names that come twice, null, and escapes that
// are no text.
type fieldScanner struct {
	text []byte
	at   int
}

// scanFields returns the fields of a line, which is a JSON object.
func scanFields(text []byte) (fieldSet, error) {
	s := fieldScanner{text: text}
	s.space()
	if s.at == len(text) || text[s.at] != '{' {
		return 0, errors.New("not a line of a history: it is no JSON object")
	}
	seen, err := s.object(^fieldSet(0))
	if s.space(); err == nil && s.at < len(text) {
		err = errors.New("there is more on the line than a JSON object")
	}
	return seen, err
}

// space skips what may be between two tokens.
func (s *fieldScanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

// object goes through an object whose names are among the given ones.
func (s *fieldScanner) object(names fieldSet) (seen fieldSet, err error) {
	err = s.members(func(name []byte) error {
		n, ok := fieldNumbers[string(name)]
		if !ok || names&(1<<n) == 0 {
			return fmt.Errorf("%.100q is no field", name)
		}
		if seen&(1<<n) != 0 {
			return fmt.Errorf("%q comes twice", name)
		}
		seen |= 1 << n
		if fieldNames[n] == "items" {
			return s.items()
		}
		return s.value(fieldNames[n])
	})
	return seen, err
}

// members calls value for each member of an object, which reads the member's value.
func (s *fieldScanner) members(value func(name []byte) error) error {
	s.at++ // {
	for {
		s.space()
		switch s.text[s.at] {
		case '}':
			s.at++
			return nil
		case ',':
			s.at++
			continue
		}
		name, err := s.string("a name")
		if err != nil {
			return err
		}
		s.space()
		s.at++ // :
		if err := value(name); err != nil {
			return err
		}
	}
}

// items goes through a list of items.
func (s *fieldScanner) items() error {
	s.space()
	if s.text[s.at] != '[' {
		return s.value("items")
	}
	return s.list(func() error {
		if s.text[s.at] != '{' {
			return errors.New(`"items" holds something that is no item`)
		}
		seen, err := s.object(itemFields)
		if err == nil && seen&keyField == 0 {
			err = errors.New(`"key" is missing`)
		}
		if err != nil {
			return fmt.Errorf("an item: %w", err)
		}
		return nil
	})
}

// list goes through a list, of which element goes through the element that begins here.
func (s *fieldScanner) list(element func() error) error {
	s.at++ // [
	for {
		s.space()
		switch s.text[s.at] {
		case ']':
			s.at++
			return nil
		case ',':
			s.at++
			continue
		}
		if err := element(); err != nil {
			return err
		}
	}
}

// value goes through the value of a field.
func (s *fieldScanner) value(name string) error {
	s.space()
	switch s.text[s.at] {
	case '"':
		_, err := s.string(strconv.Quote(name))
		return err
	case '{': // of meta
		seen := map[string]struct{}{}
		return s.members(func(member []byte) error {
			if _, ok := seen[string(member)]; ok {
				return fmt.Errorf("%.100q comes twice in %q", member, name)
			}
			seen[string(member)] = struct{}{}
			return s.value(name)
		})
	case '[': // of removed and returned
		return s.list(func() error { return s.value(name) })
	case 'n':
		return fmt.Errorf("%q is null: leave out what is not known", name)
	}
	for ; ; s.at++ { // a number, true or false
		switch s.text[s.at] {
		case ',', ']', '}', ' ', '\t', '\r', '\n':
			return nil
		}
	}
}

// string goes through a string and returns it without its quotes, its escapes as they are.
func (s *fieldScanner) string(what string) ([]byte, error) {
	from := s.at + 1
	for s.at = from; s.text[s.at] != '"'; s.at++ {
		if s.text[s.at] != '\\' {
			continue
		}
		if s.at++; s.text[s.at] != 'u' {
			continue
		}
		r := s.hex()
		if !utf16.IsSurrogate(r) {
			continue
		}
		if rest := s.text[s.at+1:]; len(rest) < 6 || rest[0] != '\\' || rest[1] != 'u' {
			return nil, fmt.Errorf("%s has half of a pair of escapes: \\u%04x", what, r)
		}
		s.at += 2
		if low := s.hex(); utf16.DecodeRune(r, low) == '\uFFFD' {
			return nil, fmt.Errorf("%s has half of a pair of escapes: \\u%04x", what, r)
		}
	}
	s.at++
	return s.text[from : s.at-1], nil
}

// hex returns the number of an escape whose u is the current byte, and goes to its end.
func (s *fieldScanner) hex() rune {
	n, err := strconv.ParseUint(string(s.text[s.at+1:s.at+5]), 16, 32)
	if err != nil {
		return 0
	}
	s.at += 4
	return rune(n)
}
