package registry

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/kvsim/kvsim/kvstore/internal/brief"
)

// protoSchema is the tree of messages that one protobuf file declares: just enough to find
// the message that an index stands for. Imports are not needed for that and not resolved.
// It does not change once it is made.
type protoSchema struct {
	pkg   string
	roots messageScope
}

// messageScope holds the messages declared directly in a file or a message.
//
// There are two ways to count them. The registry's own (Java) serializers count what the
// file declares with "message". Those that count along a compiled descriptor (Confluent's
// Go client is one) also meet the messages that the compiler generates for map fields and
// groups. They differ only for what follows a map or a group in the same message. This
// client counts as the registry does, and reads the other count where the first gives
// nothing:
//
//	message Outer {
//	  map<string, int32> m = 1;  // declared: none    compiled: [0 0]
//	  message Inner {}           // declared: [0 0]   compiled: [0 1]
//	}
type messageScope struct {
	declared []*protoMessage
	compiled []*protoMessage
}

// protoMessage has its short name: full ones, repeated in each message, could take any number
// of times the memory that the file takes.
type protoMessage struct {
	name   protoreflect.Name
	nested messageScope
}

// mostSchema is how many bytes of text a schema may have: what fits into a message of Kafka's,
// in which registries keep it, unless an administrator raised that limit.
const mostSchema = 1 << 20

// parseProtoSchema reads a schema as registries hold it: the text of a .proto
// file or, less often, a FileDescriptorProto in base64.
func parseProtoSchema(text string) (*protoSchema, error) {
	if len(text) > mostSchema {
		return nil, fmt.Errorf("the schema has %d bytes, of which at most %d are read", len(text), mostSchema)
	}
	schema, err := scanProtoSchema(text)
	if err == nil {
		return schema, nil
	}
	if b, notBase64 := base64.StdEncoding.DecodeString(strings.TrimSpace(text)); notBase64 == nil {
		if schema, ok := readDescriptor(b); ok {
			return schema, nil
		}
	}
	return nil, fmt.Errorf("parse protobuf schema: %w", err)
}

// at returns the full name of the message at index.
func (s *protoSchema) at(index []int) (protoreflect.FullName, bool) {
	for _, compiled := range []bool{false, true} {
		if name, ok := s.roots.at(index, protoreflect.FullName(s.pkg), compiled); ok {
			return name, true
		}
	}
	return "", false
}

func (scope messageScope) at(index []int, name protoreflect.FullName, compiled bool) (protoreflect.FullName, bool) {
	for _, i := range index {
		list := scope.list(compiled)
		if i < 0 || i >= len(list) {
			return "", false
		}
		name, scope = name.Append(list[i].name), list[i].nested
	}
	return name, len(index) > 0
}

func (scope messageScope) list(compiled bool) []*protoMessage {
	if compiled {
		return scope.compiled
	}
	return scope.declared
}

// indexOf returns the index of the first declared message with the given full name.
func (s *protoSchema) indexOf(name protoreflect.FullName) ([]int, bool) { return s.find(name, false) }

// find is indexOf for either way to count.
func (s *protoSchema) find(name protoreflect.FullName, compiled bool) ([]int, bool) {
	rest, ok := strings.CutPrefix(string(name), s.pkg)
	if !ok {
		return nil, false
	}
	index := s.roots.find(rest, s.pkg != "", compiled)
	return index, index != nil
}

// find returns the index of the message whose name is rest, with a dot before it if dotted is
// true, nil if there is none.
func (scope messageScope) find(rest string, dotted, compiled bool) []int {
	for i, m := range scope.list(compiled) {
		rest := rest
		if dotted && !cut(&rest, ".") || !cut(&rest, string(m.name)) {
			continue
		}
		if rest == "" {
			return []int{i}
		}
		if index := m.nested.find(rest, dotted || m.name != "", compiled); index != nil {
			return append([]int{i}, index...)
		}
	}
	return nil
}

func cut(s *string, prefix string) (ok bool) {
	*s, ok = strings.CutPrefix(*s, prefix)
	return ok
}

// resolve returns the full name of the message that a user calls name: the
// name within the file ("Outer.Inner"), or the full name with the package.
func (s *protoSchema) resolve(name string) (protoreflect.FullName, error) {
	name = strings.TrimPrefix(name, ".")
	for _, full := range []string{s.qualify(name), name} {
		if _, ok := s.indexOf(protoreflect.FullName(full)); ok {
			return protoreflect.FullName(full), nil
		}
	}
	return "", fmt.Errorf("no message %q in the schema: it has %s", name, s.listing())
}

// first returns the full name of the first message of the file.
func (s *protoSchema) first() (protoreflect.FullName, error) {
	name, ok := s.at(firstMessage)
	if !ok {
		return "", errors.New("the schema has no message")
	}
	return name, nil
}

func (s *protoSchema) qualify(name string) string {
	if s.pkg == "" {
		return name
	}
	return s.pkg + "." + name
}

// listing names the messages of the file for an error, without the package.
func (s *protoSchema) listing() string {
	const most = 20
	var names []string
	s.roots.walk(nil, "", false, func(_ []int, name protoreflect.FullName) bool {
		if len(names) == most {
			names = append(names, "...")
			return false
		}
		names = append(names, brief.Text(name))
		return true
	})
	if len(names) == 0 {
		return "no messages"
	}
	return brief.Text(strings.Join(names, ", "))
}

// all yields the declared messages with their index and full name, outer before inner and
// otherwise in the order of the file.
func (s *protoSchema) all(yield func([]int, protoreflect.FullName) bool) {
	s.roots.walk(nil, protoreflect.FullName(s.pkg), false, yield)
}

// walk yields the messages of a scope that has the given index and name.
func (scope messageScope) walk(prefix []int, parent protoreflect.FullName, compiled bool, yield func([]int, protoreflect.FullName) bool) bool {
	for i, m := range scope.list(compiled) {
		index, name := append(slices.Clone(prefix), i), parent.Append(m.name)
		if !yield(index, name) || !m.nested.walk(index, name, compiled, yield) {
			return false
		}
	}
	return true
}
