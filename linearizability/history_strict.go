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

// fieldNames are the names of all fields. Those of an item and of a condition are among them.
var fieldNames = [...]string{
	"kvsim_history", "tap", "hooks", "meta",
	"seq", "t", "ev", "client", "proc", "op", "call",
	"key", "value", "items", "start", "end", "limit", "barrier",
	"rev", "pos", "error", "offset", "txn", "foreign", "removed", "returned",
	"cause", "away", "of", "fault", "text",
	"deadline", "class", "if", "absent", "at", "from", "storage", "lease", "ttl", "until",
	"state", "lag", "watch",
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

// A lineFields is what a kind of line may have: in all versions of the format, and from
// version 2 on besides. A kind that version 1 does not have at all is added.
type lineFields struct {
	all, newer fieldSet
	added      bool
}

// of returns the fields of a version.
func (f lineFields) of(version int) fieldSet {
	if version < 2 {
		return f.all
	}
	return f.all | f.newer
}

// and returns the fields of both.
func (f lineFields) and(g lineFields) lineFields {
	return lineFields{f.all | g.all, f.newer | g.newer, f.added || g.added}
}

// since1 and since2 return the fields of a kind of line that there is from that version on.
func since1(all, newer string) lineFields { return lineFields{fields(all), fields(newer), false} }
func since2(all string) lineFields        { return lineFields{0, fields(all), true} }

var (
	headerFields    = fields("kvsim_history tap hooks meta")
	stampFields     = fields("seq t ev")
	itemFields      = fields("key value rev")
	conditionFields = fields("key value rev absent start end pos")
	keyField        = fields("key")

	eventFields = map[string]lineFields{
		"hook":      since1("client proc call key value offset", "away"),
		"rebuild":   since1("client proc cause away error", ""),
		"snapshot":  since1("of client proc pos items", ""),
		"fault":     since1("fault text", ""),
		"heal":      since1("fault", ""),
		"append":    since1("offset key value txn foreign", "lease"),
		"truncate":  since1("offset", ""),
		"trim":      since1("offset", ""),
		"end":       since1("offset", ""),
		"commit":    since1("txn", ""),
		"abort":     since1("txn", ""),
		"compact":   since1("removed", ""),
		"uncompact": since1("returned", ""),
		"recreate":  since1("", ""),
		"status":    since2("client proc state lag pos cause error"),
		"update":    since2("client proc watch items pos"),
		"reset":     since2("client proc watch items pos"),
		"unwatch":   since2("client proc watch class error"),
		"expire":    since2("client proc lease"),
	}
	// callFields are those of a call, besides invokeFields.
	callFields = [...]lineFields{
		OpPut: since1("key value", "if lease"), OpDelete: since1("key", "if"), OpBatch: since1("items", "if lease"),
		OpGet: since1("key barrier", "at"), OpRange: since1("start end limit barrier", "at"),
		OpSync: since1("", ""), OpWait: since1("rev", ""), OpOpen: since1("", "storage from"), OpClose: since1("", ""),
		OpTxn: since2("items if lease"), OpWatch: since2("start end from"),
		OpGrant: since2("lease ttl"), OpRenew: since2("lease ttl"), OpRevoke: since2("lease"),
	}
	invokeFields = since1("client proc op call", "deadline")
	endFields    = since1("op client proc rev pos error", "")
	failedFields = since1("", "class")
	// answerFields are those that only the end of some operations has, if it is ok.
	answerFields = [len(callFields)]lineFields{
		OpGet: since1("value", ""), OpRange: since1("items", ""), OpBatch: since1("items", ""),
		OpTxn: since2("items"), OpGrant: since2("until"), OpRenew: since2("until"),
	}
)

// allowed returns the fields that the line which was decoded may have, and what it is. If
// the line names no event or operation that there is, that is said later.
func (d *decoder) allowed() (f lineFields, what string, known bool) {
	in := &d.in
	switch in.Event {
	case "invoke":
		kind := slices.Index(opKinds[:], in.Call)
		if kind < 1 {
			return f, "", false
		}
		return invokeFields.and(callFields[kind]), "the call of a " + in.Call, true
	case "ok", "failed", "unknown":
		i, ok := d.open[in.Op]
		if !ok {
			return f, "", false
		}
		kind := d.h.Ops[i].Kind
		f = endFields.and(failedFields)
		if in.Event == "ok" {
			f = endFields.and(answerFields[kind])
		}
		return f, "the end of a " + kind.String() + " that is " + in.Event, true
	}
	f, known = eventFields[in.Event]
	return f, in.Event, known
}

// strict returns an error if the line, which has been decoded, has a field that its event
// has not.
func (d *decoder) strict(seen fieldSet) error {
	version := d.h.Header.Version
	if version == 0 {
		if extra := seen &^ headerFields; extra != 0 && seen&headerFields != 0 {
			return fmt.Errorf("%q has no place in a header", extra.first())
		}
		return nil
	}
	f, what, known := d.allowed()
	if known && f.added && version < 2 {
		return fmt.Errorf("%s is of version 2 of the format, and the header says version %d", what, version)
	}
	if extra := seen &^ (f.of(version) | stampFields); known && extra != 0 {
		if newer := extra & f.newer; newer != 0 {
			return fmt.Errorf("%q of %s is of version 2 of the format, and the header says version %d", newer.first(), what, version)
		}
		return fmt.Errorf("%q has no place in %s", extra.first(), what)
	}
	if d.in.Event == "invoke" && slices.ContainsFunc(d.in.Items, func(it item) bool { return it.Rev != nil }) {
		return errors.New(`"rev" has no place in the items of a call`)
	}
	return d.newerValues(seen)
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
		switch fieldNames[n] {
		case "items":
			return s.objects("items", "item", itemFields, keyField)
		case "if":
			return s.objects("if", "condition", conditionFields, 0)
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

// objects goes through a list of objects of one kind, whose names are among the given ones.
func (s *fieldScanner) objects(field, kind string, names, needed fieldSet) error {
	s.space()
	if s.text[s.at] != '[' {
		return s.value(field)
	}
	return s.list(func() error {
		if s.text[s.at] != '{' {
			return fmt.Errorf("%q holds something that is no %s", field, kind)
		}
		seen, err := s.object(names)
		if missing := needed &^ seen; err == nil && missing != 0 {
			err = fmt.Errorf("%q is missing", missing.first())
		}
		if err != nil {
			return fmt.Errorf("one %s: %w", kind, err)
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
	for from := s.at; ; s.at++ { // a number, true or false
		switch s.text[s.at] {
		case ',', ']', '}', ' ', '\t', '\r', '\n':
			if string(s.text[from:s.at]) == "-0" {
				return fmt.Errorf("%q is -0: no number is negative", name)
			}
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
