package registry

import (
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Fields of the messages in google/protobuf/descriptor.proto.
const (
	filePackage, fileMessages, fileExtensions                                    protowire.Number = 2, 4, 7
	messageName, messageFields, messageNested, messageExtensions, messageOptions protowire.Number = 1, 2, 3, 6, 7
	optionMapEntry                                                               protowire.Number = 7
	fieldType, fieldTypeName                                                     protowire.Number = 5, 6
	typeGroup                                                                                     = 10
)

// readDescriptor finds the messages of a FileDescriptorProto. It reads no more of it than
// that: descriptorpb would have every program that uses the store link the whole of
// protobuf's reflection. It reports false for what is not a descriptor, or one without
// messages.
func readDescriptor(b []byte) (*protoSchema, bool) {
	var file descriptor
	if !file.read(b, filePackage, fileMessages, fileExtensions, 0) || len(file.nested) == 0 {
		return nil, false
	}
	return &protoSchema{pkg: file.name, roots: file.scope()}, true
}

// descriptor is what is read of a DescriptorProto, and of a FileDescriptorProto, whose
// package serves as its name.
type descriptor struct {
	name     string
	nested   []*descriptor
	groups   map[string]bool // names of messages that the compiler made up for groups
	mapEntry bool            // made up by the compiler for a map field
}

// read reads a message with the given fields, nested in depth others.
func (d *descriptor) read(b []byte, name, messages, extensions protowire.Number, depth int) bool {
	return depth <= mostNested && eachField(b, func(n protowire.Number, value []byte, _ uint64) bool {
		switch {
		case value == nil: // none of those that are read
		case n == name:
			d.name = string(value)
		case n == messages:
			nested := new(descriptor)
			d.nested = append(d.nested, nested)
			return nested.read(value, messageName, messageNested, messageExtensions, depth+1)
		case n == extensions, n == messageFields && name == messageName:
			return d.field(value)
		case n == messageOptions && name == messageName:
			return eachField(value, func(n protowire.Number, value []byte, v uint64) bool {
				if n == optionMapEntry && value == nil {
					d.mapEntry = v != 0
				}
				return true
			})
		}
		return true
	})
}

// field reads a FieldDescriptorProto.
func (d *descriptor) field(b []byte) bool {
	var kind uint64
	var name string
	ok := eachField(b, func(n protowire.Number, value []byte, v uint64) bool {
		switch {
		case n == fieldType && value == nil:
			kind = v
		case n == fieldTypeName && value != nil:
			name = string(value)
		}
		return true
	})
	if kind == typeGroup {
		if d.groups == nil {
			d.groups = map[string]bool{}
		}
		d.groups[name[strings.LastIndexByte(name, '.')+1:]] = true
	}
	return ok
}

func (d *descriptor) scope() messageScope {
	var scope messageScope
	for _, n := range d.nested {
		m := &protoMessage{name: protoreflect.Name(n.name), nested: n.scope()}
		scope.compiled = append(scope.compiled, m)
		if !n.mapEntry && !d.groups[n.name] {
			scope.declared = append(scope.declared, m)
		}
	}
	return scope
}

// eachField calls f with each field of a message that has bytes or a varint: with
// the bytes, or with nil and the number. It reports false when the message is damaged
// or f does.
func eachField(b []byte, f func(n protowire.Number, value []byte, v uint64) bool) bool {
	for len(b) > 0 {
		n, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			return false
		}
		b = b[size:]
		var value []byte
		var v uint64
		switch kind {
		case protowire.BytesType:
			value, size = protowire.ConsumeBytes(b)
		case protowire.VarintType:
			v, size = protowire.ConsumeVarint(b)
		default:
			n, size = 0, protowire.ConsumeFieldValue(n, kind, b)
		}
		if size < 0 || n != 0 && !f(n, value, v) {
			return false
		}
		b = b[size:]
	}
	return true
}
