package registry

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/structpb"
)

func TestDescriptorIsReadAsDescriptorpbReadsIt(t *testing.T) {
	for _, file := range []*descriptorpb.FileDescriptorProto{
		compiled(t, trickySchema), compiled(t, groupsAndMaps), compiled(t, oddButLegal), compiled(t, withoutPackage),
		protodesc.ToFileDescriptorProto(descriptorpb.File_google_protobuf_descriptor_proto),
		protodesc.ToFileDescriptorProto(structpb.File_google_protobuf_struct_proto),
	} {
		b, err := proto.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := readDescriptor(b)
		if want := protoSchemaOf(file).text(); !ok || got.text() != want {
			t.Errorf("readDescriptor(%s) =\n%s\nwant\n%s", file.GetName(), got.text(), want)
		}
		for end := range b {
			readDescriptor(b[:end]) // does not panic
		}
	}
}

func TestWhatIsNoDescriptorIsNotTakenForOne(t *testing.T) {
	deep := []byte{}
	for range mostNested + 2 {
		m := &descriptorpb.DescriptorProto{Name: new("M")}
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		deep = append(b, append([]byte{3<<3 | 2}, lengthDelimited(deep)...)...)
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "a number": {8, 1}, "half a field": {4<<3 | 2, 9, 1}, "no message": []byte("\x12\x01p"), "nested too deep": append([]byte{4<<3 | 2}, lengthDelimited(deep)...),
	} {
		if got, ok := readDescriptor(b); ok {
			t.Errorf("%s: readDescriptor = %s, want that it is none", name, got.text())
		}
	}
}

// lengthDelimited puts the length of b before it.
func lengthDelimited(b []byte) []byte { return protowire.AppendBytes(nil, b) }

func FuzzReadDescriptor(f *testing.F) {
	b, err := proto.Marshal(protodesc.ToFileDescriptorProto(structpb.File_google_protobuf_struct_proto))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		file := new(descriptorpb.FileDescriptorProto)
		err := proto.UnmarshalOptions{AllowPartial: true}.Unmarshal(b, file)
		got, ok := readDescriptor(b)
		if err == nil && ok && got.text() != protoSchemaOf(file).text() {
			t.Fatalf("readDescriptor =\n%s, want\n%s", got.text(), protoSchemaOf(file).text())
		}
	})
}

// protoSchemaOf returns the messages of a compiled file.
func protoSchemaOf(file *descriptorpb.FileDescriptorProto) *protoSchema {
	pkg := file.GetPackage()
	return &protoSchema{
		pkg:   pkg,
		roots: newMessageScope(file.GetMessageType(), file.GetExtension()),
	}
}

func newMessageScope(msgs []*descriptorpb.DescriptorProto, fields ...[]*descriptorpb.FieldDescriptorProto) messageScope {
	groups := map[string]bool{}
	for _, f := range slices.Concat(fields...) {
		if f.GetType() == descriptorpb.FieldDescriptorProto_TYPE_GROUP {
			name := f.GetTypeName()
			groups[name[strings.LastIndexByte(name, '.')+1:]] = true
		}
	}
	var scope messageScope
	for _, m := range msgs {
		pm := &protoMessage{
			name:   protoreflect.Name(m.GetName()),
			nested: newMessageScope(m.GetNestedType(), m.GetField(), m.GetExtension()),
		}
		scope.compiled = append(scope.compiled, pm)
		if !m.GetOptions().GetMapEntry() && !groups[m.GetName()] {
			scope.declared = append(scope.declared, pm)
		}
	}
	return scope
}
