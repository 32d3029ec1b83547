package kvstore

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// tree writes the messages of a scope as text, as both ways of counting see them.
func (scope messageScope) tree(b *strings.Builder, indent string) {
	for _, m := range scope.compiled {
		mark := "message "
		if !slices.Contains(scope.declared, m) {
			mark = "made up "
		}
		b.WriteString(indent + mark + string(m.name) + "\n")
		m.nested.tree(b, indent+"  ")
	}
}

func (s *protoSchema) text() string {
	var b strings.Builder
	b.WriteString("package " + s.pkg + "\n")
	s.roots.tree(&b, "")
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
	withoutPackage = `syntax = 'proto3'; message A { string package = 1; message package {} } message B {};;`
)

// What the parser and the scanner both can read they read alike.
func TestSchemaOfANewEditionIsReadAsTheParserReadsOthers(t *testing.T) {
	for name, text := range map[string]string{"tricky": trickySchema, "groups and maps": groupsAndMaps, "without a package": withoutPackage} {
		parsed := mustParse(t, text)
		head := strings.Index(text, "proto")
		for _, edition := range []string{"edition = \"2024\"", "edition = \"2099\"", "syntax = \"proto4\""} {
			newer := edition + text[head+len("proto3'"):]
			got, err := parseProtoSchema(newer)
			if err != nil {
				t.Errorf("%s, %s: %v", name, edition, err)
				continue
			}
			if got.text() != parsed.text() {
				t.Errorf("%s, %s:\n%s\nwant what the parser finds in proto2 or proto3:\n%s", name, edition, got.text(), parsed.text())
			}
		}
	}
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
	for _, text := range []string{
		"", "message", `message M {}}`, `edition = "2023"; message M { oops }`, `syntax = "proto3"; message M { oops }`,
		`edition = "2099"; message M {`, `edition = "2099"; message M { int32 x = 1 }`, `edition = "2099"; message M {} }`,
		`edition = "2099"; option x = "unfinished; message M {}`, `edition = "2099"; /* message M {}`, `edition = "2099";`,
		`{"type":"record","name":"M"}`, `edition = "2099"; enum E { A = 0; }`, `edition = "2099"; message M {} message`,
		`edition = "2099"; option x = "\`, `edition`, `edition =`,
	} {
		if schema, err := parseProtoSchema(text); err == nil && len(schema.roots.declared) > 0 {
			t.Errorf("parseProtoSchema(%q) found\n%s\nwant an error", text, schema.text())
		}
	}
}

func FuzzScanProtoSchema(f *testing.F) {
	f.Add(groupsAndMaps)
	f.Add(trickySchema)
	f.Fuzz(func(t *testing.T, text string) {
		s := &protoScanner{rest: `edition = "2099";` + text}
		if s.tokens() {
			scanProtoSchema(`edition = "2099";` + text) // neither panics nor hangs
		}
	})
}
