package registry

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/kvsim/kvsim/kvstore/internal/brief"
)

// scanProtoSchema finds the messages of a .proto file. To find the message that an index
// stands for takes no more than the package and the braces of messages, which are written
// alike in every syntax and edition so far; so a file in a future edition can be read, too,
// and a program that uses the store links no compiler. Everything else in the file is
// skipped: whether it is valid is the registry's business. An error says where in the file
// something is wrong.
//
// The grammar is that of https://protobuf.dev/reference/protobuf/edition-2024-spec.
func scanProtoSchema(text string) (*protoSchema, error) {
	s := &protoScanner{text: strings.TrimPrefix(text, "\ufeff")}
	s.next()
	schema := new(protoSchema)
	err := s.block(&schema.roots)
	if err == nil && s.token != "" {
		err = s.unexpected("a statement")
	}
	if s.err != nil {
		err = s.err
	}
	if err != nil {
		return nil, err
	}
	schema.pkg = s.pkg
	return schema, nil
}

// protoScanner reads a .proto file token by token. What it returns does not keep the text
// alive.
type protoScanner struct {
	text  string
	token string   // a word, a string with its quotes, or a single character; "" at the end
	at    int      // where the token begins, in bytes
	err   error    // the text has something that is no token
	head  []string // tokens of the statement that is read
	pkg   string   // the first one that was declared
	depth int      // of the block that is read
}

// next goes to the next token. Comments are none.
func (s *protoScanner) next() {
	s.at += len(s.token)
	s.token = ""
	for s.at < len(s.text) && s.err == nil {
		rest := s.text[s.at:]
		if space := len(rest) - len(strings.TrimLeftFunc(rest, unicode.IsSpace)); space > 0 {
			s.at += space
			continue
		}
		end := 1
		switch {
		case strings.HasPrefix(rest, "//"):
			if end = strings.IndexByte(rest, '\n'); end < 0 {
				end = len(rest)
			}
			s.at += end
			continue
		case strings.HasPrefix(rest, "/*"):
			if end = strings.Index(rest[2:], "*/"); end < 0 {
				s.err = s.wrong(s.at, "a comment that does not end")
				return
			}
			s.at += 2 + end + 2
			continue
		case rest[0] == '"' || rest[0] == '\'':
			if end = stringEnd(rest); end < 0 {
				s.err = s.wrong(s.at, "a string that does not end")
				return
			}
		case isWord(rune(rest[0])):
			if end = strings.IndexFunc(rest, func(r rune) bool { return !isWord(r) }); end < 0 {
				end = len(rest)
			}
		}
		s.token = rest[:end]
		return
	}
}

// stringEnd returns where the string at the start of text ends, -1 if it does not.
func stringEnd(text string) int {
	for i := 1; i < len(text) && text[i] != '\n'; i++ {
		switch text[i] {
		case text[0]:
			return i + 1
		case '\\':
			i++
		}
	}
	return -1
}

func isWord(r rune) bool {
	return r == '_' || r == '.' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

// mostNested bounds how deep blocks are nested; protoc accepts less.
const mostNested = 200

// block reads statements into scope until the brace that closes the block, which it does
// not take, or the end.
func (s *protoScanner) block(into *messageScope) error {
	if s.depth++; s.depth > mostNested {
		return s.unexpected(fmt.Sprintf("at most %d blocks in one another", mostNested))
	}
	defer func() { s.depth-- }()
	for s.token != "" && s.token != "}" {
		if err := s.statement(); err != nil {
			return err
		}
		switch {
		case s.take(";"):
			if m := mapEntry(s.head); m != nil {
				into.compiled = append(into.compiled, m)
			}
			if s.depth == 1 && s.pkg == "" && len(s.head) > 1 && s.head[0] == "package" {
				s.pkg = strings.Join(s.head[1:], "")
			}
		case s.token == "{":
			if err := s.open(into, s.head); err != nil {
				return err
			}
		default:
			return s.unexpected(`";" or "{"`)
		}
	}
	return nil
}

const (
	// mostHead is how many tokens of a statement decide what it is.
	mostHead = 8

	// mostWords is how many tokens the statement of a package or a map may have.
	mostWords = 1000
)

// statement reads into head what comes before the character that ends a statement or opens
// its block, as far as it matters. Braces in the options of a field do neither.
func (s *protoScanner) statement() error {
	s.head = s.head[:0]
	for options := 0; s.token != ""; s.next() {
		t := s.token
		switch {
		case t == "[":
			options++
		case t == "]":
			options--
		case options <= 0 && (t == ";" || t == "{" || t == "}"):
			if t == "{" && len(s.head) == 0 {
				return s.unexpected("a statement")
			}
			return nil
		}
		if len(s.head) == 0 && !isWord(rune(t[0])) {
			return s.unexpected("a statement")
		}
		long := len(s.head) > 0 && (s.head[0] == "package" || s.head[0] == "map")
		switch {
		case options > 1 || options == 1 && t != "[":
		case len(s.head) < mostHead, long && len(s.head) < mostWords:
			s.head = append(s.head, t)
		case long:
			return s.unexpected(fmt.Sprintf(`at most %d words after %q`, mostWords, s.head[0]))
		}
	}
	return s.unexpected(`";" or "{"`)
}

// open reads the block that follows head, with its braces.
func (s *protoScanner) open(into *messageScope, head []string) error {
	brace := s.at
	s.next()
	words := head
	if len(words) > 1 && (words[0] == "export" || words[0] == "local") {
		words = words[1:]
	}
	group := slices.Index(head, "group")
	switch {
	case words[0] == "message":
		if len(words) != 2 || !protoreflect.Name(words[1]).IsValid() {
			return s.wrong(brace, `"{", want "message" and a name before it`)
		}
		m := newMessage(words[1])
		into.declared, into.compiled = append(into.declared, m), append(into.compiled, m)
		return s.inside(m)
	case group >= 0 && group <= 1 && len(head) > group+3 && head[group+2] == "=":
		if !protoreflect.Name(head[group+1]).IsValid() {
			return s.wrong(brace, `"{", want "group" and a name before it`)
		}
		m := newMessage(head[group+1])
		into.compiled = append(into.compiled, m)
		return s.inside(m)
	case len(head) == 2 && (head[0] == "oneof" || head[0] == "extend"):
		if err := s.block(into); err != nil { // what is in it belongs to what is around it
			return err
		}
		return s.close()
	}
	return s.skip()
}

// inside reads the block of m and its closing brace.
func (s *protoScanner) inside(m *protoMessage) error {
	if err := s.block(&m.nested); err != nil {
		return err
	}
	return s.close()
}

func (s *protoScanner) close() error {
	if !s.take("}") {
		return s.unexpected(`"}"`)
	}
	return nil
}

// skip skips a block without messages: an enum, a service, the value of an option.
func (s *protoScanner) skip() error {
	for depth := 1; s.token != ""; s.next() {
		switch s.token {
		case "{":
			depth++
		case "}":
			if depth--; depth == 0 {
				s.next()
				return nil
			}
		}
	}
	return s.close()
}

// take takes the next token if it equals sign.
func (s *protoScanner) take(sign string) bool {
	if s.token != sign {
		return false
	}
	s.next()
	return true
}

// unexpected is the error for a token, or an end of the file, where want should be.
func (s *protoScanner) unexpected(want string) error {
	if s.token == "" {
		return s.wrong(len(s.text), "the file ends, want "+want)
	}
	return s.wrong(s.at, fmt.Sprintf("%s, want %s", brief.Text(strconv.Quote(brief.Text(s.token))), want))
}

// schemaFileName comes before line and column in an error, both counted from 1 and the
// column in bytes.
const schemaFileName = "schema.proto"

func (s *protoScanner) wrong(at int, what string) error {
	line := 1 + strings.Count(s.text[:at], "\n")
	column := at - strings.LastIndexByte(s.text[:at], '\n')
	return fmt.Errorf("%s:%d:%d: %s", schemaFileName, line, column, what)
}

// mapEntry returns the message that the compiler generates for a map field, nil for another
// statement.
func mapEntry(head []string) *protoMessage {
	end := slices.Index(head, ">")
	if len(head) < 2 || head[0] != "map" || head[1] != "<" || end < 0 || end+1 >= len(head) {
		return nil
	}
	var name strings.Builder
	for word := range strings.SplitSeq(head[end+1], "_") {
		if word != "" {
			name.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return newMessage(name.String() + "Entry")
}

func newMessage(name string) *protoMessage {
	return &protoMessage{name: protoreflect.Name(strings.Clone(name))}
}
