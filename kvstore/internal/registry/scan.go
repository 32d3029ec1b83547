package registry

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"google.golang.org/protobuf/reflect/protoreflect"
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
	if err := s.tokens(); err != nil {
		return nil, err
	}
	schema := &protoSchema{pkg: packageOf(s.all)}
	s.scope = protoreflect.FullName(schema.pkg)
	if err := s.block(&schema.roots); err != nil {
		return nil, err
	}
	if len(s.all) > 0 {
		return nil, s.unexpected("a statement")
	}
	return schema, nil
}

// packageOf finds the statement "package a.b;" outside of all blocks.
func packageOf(tokens []protoToken) string {
	depth := 0
	for i, t := range tokens {
		switch {
		case t.text == "{":
			depth++
		case t.text == "}":
			depth--
		case t.text == "package" && depth == 0 && (i == 0 || tokens[i-1].text == ";" || tokens[i-1].text == "}"):
			var name strings.Builder
			for _, t := range tokens[i+1:] {
				if t.text == ";" {
					return name.String()
				}
				name.WriteString(t.text)
			}
		}
	}
	return ""
}

// protoToken is a word, a string with its quotes, or a single character.
type protoToken struct {
	text string
	at   int // in the file, in bytes
}

// protoScanner reads a .proto file as tokens.
type protoScanner struct {
	text  string
	all   []protoToken          // the remaining tokens
	scope protoreflect.FullName // of the block that is being read
	depth int                   // of that block
}

// tokens splits the text; comments are dropped.
func (s *protoScanner) tokens() error {
	for at := 0; at < len(s.text); {
		rest := s.text[at:]
		if space := len(rest) - len(strings.TrimLeftFunc(rest, unicode.IsSpace)); space > 0 {
			at += space
			continue
		}
		end := 1
		switch {
		case strings.HasPrefix(rest, "//"):
			if end = strings.IndexByte(rest, '\n'); end < 0 {
				end = len(rest)
			}
			at += end
			continue
		case strings.HasPrefix(rest, "/*"):
			if end = strings.Index(rest[2:], "*/"); end < 0 {
				return s.wrong(at, "a comment that does not end")
			}
			at += 2 + end + 2
			continue
		case rest[0] == '"' || rest[0] == '\'':
			if end = stringEnd(rest); end < 0 {
				return s.wrong(at, "a string that does not end")
			}
		case isWord(rune(rest[0])):
			if end = strings.IndexFunc(rest, func(r rune) bool { return !isWord(r) }); end < 0 {
				end = len(rest)
			}
		}
		s.all = append(s.all, protoToken{rest[:end], at})
		at += end
	}
	return nil
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
	for len(s.all) > 0 && s.all[0].text != "}" {
		head, err := s.statement()
		switch {
		case err != nil:
			return err
		case s.take(";"):
			if m := mapEntry(s.scope, head); m != nil {
				into.compiled = append(into.compiled, m)
			}
		case len(s.all) > 0 && s.all[0].text == "{":
			if err := s.open(into, head); err != nil {
				return err
			}
		default:
			return s.unexpected(`";" or "{"`)
		}
	}
	return nil
}

// statement takes the tokens before the character that ends a statement or opens its block.
// Braces in the options of a field do neither.
func (s *protoScanner) statement() ([]string, error) {
	var head []string
	for options := 0; len(s.all) > 0; s.all = s.all[1:] {
		t := s.all[0].text
		switch {
		case t == "[":
			options++
		case t == "]":
			options--
		case options <= 0 && (t == ";" || t == "{" || t == "}"):
			if t == "{" && len(head) == 0 {
				return nil, s.unexpected("a statement")
			}
			return head, nil
		}
		if len(head) == 0 && !isWord(rune(t[0])) {
			return nil, s.unexpected("a statement")
		}
		head = append(head, t)
	}
	return nil, s.unexpected(`";" or "{"`)
}

// open reads the block that follows head, with its braces.
func (s *protoScanner) open(into *messageScope, head []string) error {
	brace := s.all[0].at
	s.all = s.all[1:]
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
		m := s.message(words[1])
		into.declared, into.compiled = append(into.declared, m), append(into.compiled, m)
		return s.inside(m)
	case group >= 0 && group <= 1 && len(head) > group+3 && head[group+2] == "=":
		if !protoreflect.Name(head[group+1]).IsValid() {
			return s.wrong(brace, `"{", want "group" and a name before it`)
		}
		m := s.message(head[group+1])
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

func (s *protoScanner) message(name string) *protoMessage {
	return &protoMessage{name: s.scope.Append(protoreflect.Name(name))}
}

// inside reads the block of m and its closing brace.
func (s *protoScanner) inside(m *protoMessage) error {
	outer := s.scope
	s.scope = m.name
	defer func() { s.scope = outer }()
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
	for depth := 1; len(s.all) > 0; s.all = s.all[1:] {
		switch s.all[0].text {
		case "{":
			depth++
		case "}":
			if depth--; depth == 0 {
				s.all = s.all[1:]
				return nil
			}
		}
	}
	return s.close()
}

// take takes the next token if it equals sign.
func (s *protoScanner) take(sign string) bool {
	if len(s.all) == 0 || s.all[0].text != sign {
		return false
	}
	s.all = s.all[1:]
	return true
}

// unexpected is the error for a token, or an end of the file, where want should be.
func (s *protoScanner) unexpected(want string) error {
	if len(s.all) == 0 {
		return s.wrong(len(s.text), "the file ends, want "+want)
	}
	return s.wrong(s.all[0].at, fmt.Sprintf("%q, want %s", s.all[0].text, want))
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
func mapEntry(parent protoreflect.FullName, head []string) *protoMessage {
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
	return &protoMessage{name: parent.Append(protoreflect.Name(name.String() + "Entry"))}
}
