package registry

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
)

// trickySchema has about everything that a search by pattern would trip over.
const trickySchema = `
syntax = "proto3";
// message NotThis {}
/* message NorThis {} */
package acme.v1;
import "other/thing.proto"; // resolved by nobody
option java_package = "message Neither {}";
enum Kind { KIND_UNSPECIFIED = 0; }
message First {
  string message = 1; message Inner { message Deep {} }
  enum message_kind { A = 0; }
  other.Thing thing = 2 [deprecated = true];
}
message Outer {
  map<string, First> by_name = 1;
  oneof choice { string a = 2; int32 b = 3; }
  message Left {} message Right { message Leaf {} }
  reserved 7, 9 to 11;
}
service Greeter { rpc Hello(First) returns (Outer); }
message Last{}
`

func TestMessageIndexes(t *testing.T) {
	schema := mustParse(t, trickySchema)
	want := []string{
		"[0] acme.v1.First",
		"[0 0] acme.v1.First.Inner",
		"[0 0 0] acme.v1.First.Inner.Deep",
		"[1] acme.v1.Outer",
		"[1 0] acme.v1.Outer.Left",
		"[1 1] acme.v1.Outer.Right",
		"[1 1 0] acme.v1.Outer.Right.Leaf",
		"[2] acme.v1.Last",
	}
	var got []string
	for index, full := range schema.all {
		got = append(got, fmt.Sprint(index, " ", full))
		if name, ok := schema.at(index); !ok || name != full {
			t.Errorf("at(%v) = %v, %v; want %v", index, name, ok, full)
		}
		if found, ok := schema.indexOf(full); !ok || !slices.Equal(found, index) {
			t.Errorf("indexOf(%v) = %v, %v; want %v", full, found, ok, index)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("messages = %q, want %q", got, want)
	}
}

func TestMessageIndexCountsDeclaredMessagesFirst(t *testing.T) {
	schema := mustParse(t, `
		syntax = "proto2";
		package p;
		message Outer {
		  map<string, int32> m = 1;
		  optional group Group = 2 { optional int32 x = 1; }
		  message Inner {}
		  message Next {}
		}`)
	for _, c := range []struct {
		index []int
		want  protoreflect.FullName
	}{
		{[]int{0, 0}, "p.Outer.Inner"}, // as the file declares them
		{[]int{0, 1}, "p.Outer.Next"},
		{[]int{0, 2}, "p.Outer.Inner"}, // as a compiled descriptor counts
		{[]int{0, 3}, "p.Outer.Next"},
		{[]int{0, 4}, ""},
		{[]int{1}, ""},
		{[]int{0, 0, 0}, ""},
		{[]int{-1}, ""},
	} {
		if got, ok := schema.at(c.index); got != c.want || ok != (c.want != "") {
			t.Errorf("at(%v) = %q, %v; want %q", c.index, got, ok, c.want)
		}
	}
}

func TestResolveMessageName(t *testing.T) {
	schema := mustParse(t, trickySchema)
	for in, want := range map[string]protoreflect.FullName{
		"First":                    "acme.v1.First",
		"Outer.Right":              "acme.v1.Outer.Right",
		"acme.v1.Outer.Right.Leaf": "acme.v1.Outer.Right.Leaf",
		".acme.v1.Last":            "acme.v1.Last",
	} {
		if got, err := schema.resolve(in); err != nil || got != want {
			t.Errorf("resolve(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"NotThis", "Neither", "Inner", "Outer.ByNameEntry", "Kind", "Greeter", "first", ""} {
		got, err := schema.resolve(in)
		const list = "First, First.Inner, First.Inner.Deep, Outer, Outer.Left, Outer.Right, Outer.Right.Leaf, Last"
		if err == nil || !strings.Contains(err.Error(), list) {
			t.Errorf("resolve(%q) = %q, %v; want an error that lists %s", in, got, err, list)
		}
	}
}

func TestSchemaListingIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "message M%d {}\n", i)
	}
	if got := mustParse(t, b.String()).listing(); !strings.HasSuffix(got, "M19, ...") {
		t.Errorf("listing() = %q, want 20 names and dots", got)
	}
}

func TestSchemaOfUnusualForm(t *testing.T) {
	descriptor, err := proto.Marshal(protodesc.ToFileDescriptorProto(structpb.File_google_protobuf_struct_proto))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, text string
		at         []int
		want       protoreflect.FullName
	}{
		{"no syntax, no package", "message A {} message B {}", []int{1}, "B"},
		{"editions", `edition = "2023"; package p; message A {} message B {}`, []int{1}, "p.B"},
		{"descriptor in base64", base64.StdEncoding.EncodeToString(descriptor), []int{1}, "google.protobuf.Value"},
		{"map entry in a descriptor", base64.StdEncoding.EncodeToString(descriptor), []int{0, 0}, "google.protobuf.Struct.FieldsEntry"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, ok := mustParse(t, c.text).at(c.at); !ok || got != c.want {
				t.Errorf("at(%v) = %q, %v; want %q", c.at, got, ok, c.want)
			}
		})
	}
}

func TestSchemaThatDoesNotParse(t *testing.T) {
	for _, text := range []string{`{"type":"string"}`, "message A {", "AAAA", "bWVzc2FnZQ=="} {
		if _, err := parseProtoSchema(text); err == nil || !strings.Contains(err.Error(), "schema.proto:1:") {
			t.Errorf("parseProtoSchema(%q) = %v, want an error with line and column", text, err)
		}
	}
}

func FuzzParseProtoSchema(f *testing.F) {
	f.Add(trickySchema)
	f.Add("message A {} message A {}")
	f.Add(`edition = "2023"; message A { message A {} }`)
	f.Add("syntax = \"proto2\"; message A { extend A { optional group G = 100 {} } }")
	f.Add("CgFhIgMKAUE=")
	f.Fuzz(func(t *testing.T, text string) {
		schema, err := parseProtoSchema(text)
		if err != nil {
			return
		}
		for index, full := range schema.all {
			if got, ok := schema.at(index); !ok || got != full {
				t.Fatalf("at(%v) = %q, %v; want %q", index, got, ok, full)
			}
			found, ok := schema.indexOf(full)
			if !ok {
				t.Fatalf("indexOf(%q) finds nothing", full)
			}
			if got, ok := schema.at(found); !ok || got != full {
				t.Fatalf("at(indexOf(%q)) = %q, %v", full, got, ok)
			}
		}
	})
}

func mustParse(t *testing.T, text string) *protoSchema {
	t.Helper()
	schema, err := parseProtoSchema(text)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}
