package kvstore

import (
	"slices"
	"strings"
	"unicode"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// scanProtoSchema finds the messages of a .proto file in an edition or syntax that
// the parser does not know. To tell which message an index stands for takes no
// more than the package and the braces of messages, which every edition so far has
// written alike. It reports false for a file that says it is in an edition which
// the parser knows, so that what is wrong with that is the parser's to say, and for
// one that is not a .proto file.
func scanProtoSchema(text string) (*protoSchema, bool) {
	s := &protoScanner{rest: text}
	if !s.tokens() || !newerThanParser(s.all) {
		return nil, false
	}
	schema := &protoSchema{pkg: packageOf(s.all)}
	s.scope = protoreflect.FullName(schema.pkg)
	if !s.block(&schema.roots) || len(s.all) > 0 || len(schema.roots.declared) == 0 {
		return nil, false
	}
	return schema, true
}

// newerThanParser reports whether a file begins with an edition or a syntax, and
// with none that the parser knows.
func newerThanParser(tokens []string) bool {
	if len(tokens) < 4 || tokens[1] != "=" || tokens[3] != ";" {
		return false
	}
	switch value := strings.Trim(tokens[2], `"'`); tokens[0] {
	case "edition":
		return value != "2023"
	case "syntax":
		return value != "proto2" && value != "proto3"
	}
	return false
}

// packageOf finds the statement "package a.b;" outside of all blocks.
func packageOf(tokens []string) string {
	depth := 0
	for i, t := range tokens {
		switch {
		case t == "{":
			depth++
		case t == "}":
			depth--
		case t == "package" && depth == 0 && (i == 0 || tokens[i-1] == ";" || tokens[i-1] == "}") && i+2 < len(tokens) && tokens[i+2] == ";":
			return tokens[i+1]
		}
	}
	return ""
}

// protoScanner reads a .proto file as tokens: words, strings with their quotes, and
// single signs.
type protoScanner struct {
	rest  string
	all   []string              // the tokens that were not taken yet
	scope protoreflect.FullName // of the block that is being read
	depth int                   // of that block
}

// tokens splits the text; comments are dropped. It reports false for a string or
// comment that does not end.
func (s *protoScanner) tokens() bool {
	for {
		s.rest = strings.TrimLeftFunc(s.rest, unicode.IsSpace)
		end := 1
		switch {
		case s.rest == "":
			return true
		case strings.HasPrefix(s.rest, "//"):
			if end = strings.IndexByte(s.rest, '\n'); end < 0 {
				end = len(s.rest)
			}
			s.rest = s.rest[end:]
			continue
		case strings.HasPrefix(s.rest, "/*"):
			if end = strings.Index(s.rest[2:], "*/"); end < 0 {
				return false
			}
			s.rest = s.rest[2+end+2:]
			continue
		case s.rest[0] == '"' || s.rest[0] == '\'':
			for end < len(s.rest) && s.rest[end] != s.rest[0] {
				if s.rest[end] == '\\' {
					end++
				}
				end++
			}
			if end++; end > len(s.rest) {
				return false
			}
		case isWord(rune(s.rest[0])):
			if end = strings.IndexFunc(s.rest, func(r rune) bool { return !isWord(r) }); end < 0 {
				end = len(s.rest)
			}
		}
		s.all = append(s.all, s.rest[:end])
		s.rest = s.rest[end:]
	}
}

func isWord(r rune) bool {
	return r == '_' || r == '.' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

// mostNested bounds how deep blocks lie in each other; protoc takes less.
const mostNested = 200

// block reads statements into scope until the brace that closes the block, which it
// leaves, or the end. It reports false when the braces do not fit.
func (s *protoScanner) block(into *messageScope) bool {
	if s.depth++; s.depth > mostNested {
		return false
	}
	defer func() { s.depth-- }()
	for len(s.all) > 0 && s.all[0] != "}" {
		n := slices.IndexFunc(s.all, func(t string) bool { return t == ";" || t == "{" || t == "}" })
		if n < 0 {
			return false
		}
		head, sign := s.all[:n], s.all[n]
		if sign == "}" { // a statement without its end
			return false
		}
		s.all = s.all[n+1:]
		if sign == ";" {
			if m := mapEntry(s.scope, head); m != nil {
				into.compiled = append(into.compiled, m)
			}
			continue
		}
		if !s.open(into, head) {
			return false
		}
	}
	return true
}

// open reads the block that follows head and its brace.
func (s *protoScanner) open(into *messageScope, head []string) bool {
	words := head
	if len(words) == 3 && (words[0] == "export" || words[0] == "local") {
		words = words[1:]
	}
	group := slices.Index(head, "group")
	switch {
	case len(words) == 2 && words[0] == "message":
		m := s.message(words[1])
		into.declared, into.compiled = append(into.declared, m), append(into.compiled, m)
		return s.inside(m)
	case group >= 0 && group <= 1 && len(head) > group+3 && head[group+2] == "=":
		m := s.message(head[group+1])
		into.compiled = append(into.compiled, m)
		return s.inside(m)
	case len(head) == 2 && (head[0] == "oneof" || head[0] == "extend"):
		return s.block(into) && s.close() // what is in it belongs to what is around it
	}
	return s.skip()
}

func (s *protoScanner) message(name string) *protoMessage {
	return &protoMessage{name: s.scope.Append(protoreflect.Name(name))}
}

// inside reads the block of m and its closing brace.
func (s *protoScanner) inside(m *protoMessage) bool {
	outer := s.scope
	s.scope = m.name
	ok := s.block(&m.nested) && s.close()
	s.scope = outer
	return ok
}

func (s *protoScanner) close() bool {
	if len(s.all) == 0 || s.all[0] != "}" {
		return false
	}
	s.all = s.all[1:]
	return true
}

// skip passes a block over in which there are no messages: an enum, a service, the
// value of an option.
func (s *protoScanner) skip() bool {
	for depth := 1; len(s.all) > 0; s.all = s.all[1:] {
		switch s.all[0] {
		case "{":
			depth++
		case "}":
			if depth--; depth == 0 {
				s.all = s.all[1:]
				return true
			}
		}
	}
	return false
}

// mapEntry returns the message that the compiler makes up for a map field, nil for
// another statement.
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
