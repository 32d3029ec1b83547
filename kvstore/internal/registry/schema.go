package registry

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
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

type protoMessage struct {
	name   protoreflect.FullName
	nested messageScope
}

// parseProtoSchema reads a schema as registries hold it: the text of a .proto
// file or, less often, a FileDescriptorProto in base64.
func parseProtoSchema(text string) (*protoSchema, error) {
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
		if m := s.roots.at(index, compiled); m != nil {
			return m.name, true
		}
	}
	return "", false
}

func (scope messageScope) at(index []int, compiled bool) *protoMessage {
	var m *protoMessage
	for _, i := range index {
		list := scope.declared
		if compiled {
			list = scope.compiled
		}
		if i < 0 || i >= len(list) {
			return nil
		}
		m = list[i]
		scope = m.nested
	}
	return m
}

// indexOf returns the index of the declared message with the given full name.
func (s *protoSchema) indexOf(name protoreflect.FullName) ([]int, bool) {
	for index, m := range s.roots.all {
		if m.name == name {
			return index, true
		}
	}
	return nil, false
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
	for _, m := range s.roots.all {
		if len(names) == most {
			names = append(names, "...")
			break
		}
		names = append(names, strings.TrimPrefix(string(m.name), s.qualify("")))
	}
	if len(names) == 0 {
		return "no messages"
	}
	return strings.Join(names, ", ")
}

// all yields the declared messages with their index, outer before inner and
// otherwise in the order of the file.
func (scope messageScope) all(yield func([]int, *protoMessage) bool) {
	scope.walk(nil, yield)
}

func (scope messageScope) walk(prefix []int, yield func([]int, *protoMessage) bool) bool {
	for i, m := range scope.declared {
		index := append(slices.Clone(prefix), i)
		if !yield(index, m) || !m.nested.walk(index, yield) {
			return false
		}
	}
	return true
}
