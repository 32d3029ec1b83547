package registry

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// tree writes the messages of a scope as text, as both ways of counting see them.
func (scope messageScope) tree(b *strings.Builder, parent protoreflect.FullName, indent string) {
	for _, m := range scope.compiled {
		mark := "message "
		if !slices.Contains(scope.declared, m) {
			mark = "made up "
		}
		name := parent.Append(m.name)
		b.WriteString(indent + mark + string(name) + "\n")
		m.nested.tree(b, name, indent+"  ")
	}
}

func (s *protoSchema) text() string {
	var b strings.Builder
	b.WriteString("package " + s.pkg + "\n")
	s.roots.tree(&b, protoreflect.FullName(s.pkg), "")
	return b.String()
}

const (
	groupsAndMaps = `
syntax = "proto2";
package p;
option (file) = { inner { message: "x" } list: [{}, {}] };
message Outer {
  map<string, int32> by_name = 1;
  optional group Group = 2 { optional int32 x = 1; message InGroup {} }
  message Inner { optional string package = 1; }
  optional int32 package = 3 [(field) = { message { a: 1 } }, deprecated = true];
  map < int32 , .p.Outer > m2_x = 4;
  oneof choice { group Chosen = 5 { optional int32 y = 1; } string s = 6; }
  extend Outer { optional group Ext = 100 {} }
  extensions 100 to max;
  message message { optional .p.Outer.message message = 1; }
  enum group { NONE = 0 [(value) = "}"]; }
}
extend Outer { repeated group Top = 101 { optional int32 z = 1; } }
service S { rpc Call(Outer) returns (Outer) { option (method) = { message: "{" }; } }
message After {}
`
	oddButLegal = `
syntax = "proto2";
package a /* of */ . b
  .c;
option (p.file) = { list: [{ a: 1 }] };
message Maps {
  map<string, int32> first = 1 [(field) = { message { a: [1, 2] } }, deprecated = true];
  optional group Within = 2 [(field) = { a: 1 }, deprecated = true] { message Deep {} }
  map<int32, group> map = 3;
  optional .a.b.c.Maps.group message = 4 [default = "}"];
  message group {}
  message map { optional int32 message = 1; }
  ;
}
message edition {} message syntax {} message option {}
`
	withoutPackage = `syntax = 'proto3'; message A { string package = 1; message package {} } message B {};;`
)

// A compiler finds the same messages, in whatever syntax or edition.
func TestScannerFindsTheMessagesThatACompilerFinds(t *testing.T) {
	for name, text := range map[string]string{
		"tricky": trickySchema, "groups and maps": groupsAndMaps, "without a package": withoutPackage, "odd but legal": oddButLegal,
	} {
		parsed := protoSchemaOf(compiled(t, text))
		for _, head := range []string{"", `edition = "2023";`, `edition = "2024";`, `edition = "2099";`, `syntax = "proto4";`} {
			if head != "" {
				_, rest, _ := strings.Cut(text, ";")
				text = head + rest
			}
			got, err := parseProtoSchema(text)
			if err != nil {
				t.Errorf("%s, %s: %v", name, head, err)
				continue
			}
			if got.text() != parsed.text() {
				t.Errorf("%s, %s:\n%s\nwant what the compiler finds:\n%s", name, head, got.text(), parsed.text())
			}
		}
	}
}

// parseWithCompiler reads a schema with protocompile, as far as it goes without
// resolving imports.
func parseWithCompiler(text string) (file *descriptorpb.FileDescriptorProto, err error) {
	defer func() {
		if p := recover(); p != nil {
			file, err = nil, fmt.Errorf("the compiler panicked: %v", p)
		}
	}()
	handler := reporter.NewHandler(nil) // stops at the first error, ignores warnings
	ast, err := parser.Parse("schema.proto", strings.NewReader(text), handler)
	if err != nil {
		return nil, err
	}
	result, err := parser.ResultFromAST(ast, false, handler)
	if err != nil {
		return nil, err
	}
	return result.FileDescriptorProto(), nil
}

// compiled returns what the compiler makes of a schema.
func compiled(t *testing.T, text string) *descriptorpb.FileDescriptorProto {
	t.Helper()
	file, err := parseWithCompiler(text)
	if err != nil {
		t.Fatalf("the compiler: %v", err)
	}
	return file
}

func TestSchemaInWordsOfANewEdition(t *testing.T) {
	schema, err := parseProtoSchema(`
		edition = "2024";
		import option "google/protobuf/go_features.proto";
		package acme.v1;
		option features.(pb.go).api_level = API_OPAQUE;
		local message Hidden { int32 x = 1 [features.field_presence = IMPLICIT]; }
		export message User {
			string name = 1;
			export enum Kind { NONE = 0; }
			local message Detail { export message Deep {} }
		}`)
	if err != nil {
		t.Fatal(err)
	}
	for want, index := range map[protoreflect.FullName][]int{
		"acme.v1.Hidden": {0}, "acme.v1.User": {1}, "acme.v1.User.Detail": {1, 0}, "acme.v1.User.Detail.Deep": {1, 0, 0},
	} {
		if got, ok := schema.at(index); !ok || got != want {
			t.Errorf("at(%v) = %q, %v; want %q", index, got, ok, want)
		}
	}
}

func TestSchemaThatIsWrongIsNotGuessedAt(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`message`, `schema.proto:1:8: the file ends, want ";" or "{"`},
		{"\n message {}", `schema.proto:2:10: "{", want "message" and a name before it`},
		{`message M N {}`, `schema.proto:1:13: "{", want "message" and a name before it`},
		{`message 1 {}`, `schema.proto:1:11: "{", want "message" and a name before it`},
		{`message p.M {}`, `schema.proto:1:13: "{", want "message" and a name before it`},
		{`message M { optional group 1x = 1 {} }`, `schema.proto:1:35: "{", want "group" and a name before it`},
		{`message M {}}`, `schema.proto:1:13: "}", want a statement`},
		{`message M { oops }`, `schema.proto:1:18: "}", want ";" or "{"`},
		{"message M {\n", `schema.proto:2:1: the file ends, want "}"`},
		{`message M { int32 x = 1 }`, `schema.proto:1:25: "}", want ";" or "{"`},
		{`message M { int32 x = 1 [a = 1; }`, `schema.proto:1:34: the file ends, want ";" or "{"`},
		{`message M { { } }`, `schema.proto:1:13: "{", want a statement`},
		{`message M { = 1; }`, `schema.proto:1:13: "=", want a statement`},
		{`enum E { A = 0;`, `schema.proto:1:16: the file ends, want "}"`},
		{`option x = "unfinished; message M {}`, `schema.proto:1:12: a string that does not end`},
		{"option x = 'over\ntwo lines';", `schema.proto:1:12: a string that does not end`},
		{`option x = "\`, `schema.proto:1:12: a string that does not end`},
		{`/* message M {}`, `schema.proto:1:1: a comment that does not end`},
		{`{"type":"record","name":"M"}`, `schema.proto:1:1: "{", want a statement`},
		{`message M {} message`, `schema.proto:1:21: the file ends, want ";" or "{"`},
		{strings.Repeat("message M {", 201), `want at most 200 blocks in one another`},
	} {
		schema, err := parseProtoSchema(c.text)
		if err == nil {
			t.Errorf("parseProtoSchema(%q) found\n%s\nwant an error", c.text, schema.text())
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("parseProtoSchema(%q): %v, want %s", c.text, err, c.want)
		}
	}
}

// TestCompilerPanicsOnAnEscapeThatIsNotUTF8 tells when protocompile, which panics on this in
// v0.14.1, does not any more: then parseWithCompiler need not recover.
func TestCompilerPanicsOnAnEscapeThatIsNotUTF8(t *testing.T) {
	if _, err := parseWithCompiler("\"\\\xdb"); err == nil || !strings.Contains(err.Error(), "panicked") {
		t.Errorf("the compiler says %v: let parseWithCompiler recover no more, and delete this test", err)
	}
}

func FuzzScanProtoSchema(f *testing.F) {
	for _, text := range []string{groupsAndMaps, trickySchema, oddButLegal, withoutPackage} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := scanProtoSchema(text) // neither panics nor hangs
		file, compilerErr := parseWithCompiler(text)
		if compilerErr != nil {
			return
		}
		if err != nil {
			t.Fatalf("scanProtoSchema: %v, the compiler reads it", err)
		}
		if want := protoSchemaOf(file); got.text() != want.text() {
			t.Fatalf("scanProtoSchema found\n%s\nthe compiler\n%s", got.text(), want.text())
		}
	})
}
