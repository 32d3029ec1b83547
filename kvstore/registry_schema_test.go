package kvstore_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/kvsim/kvsim/kvstore"
)

func TestSchemaIDIsAcceptedOnlyForTheSameMessage(t *testing.T) {
	user := compile(t, "acme.User", userSchema, nil)
	for _, c := range []struct {
		name   string
		schema sr.Schema
		index  []byte // as in the value
		says   []string
	}{
		{"avro", sr.Schema{Type: sr.TypeAvro, Schema: `{"type":"string"}`}, []byte{0}, []string{"it is AVRO, want PROTOBUF"}},
		{"JSON", sr.Schema{Type: sr.TypeJSON, Schema: `{}`}, []byte{0}, []string{"it is JSON, want PROTOBUF"}},
		{"unreadable", protobuf(`message {`), []byte{0}, []string{"parse protobuf schema", "schema.proto:1:9"}},
		{"another message", protobuf(`package acme; message Order {}`), []byte{0}, []string{"index [0] is acme.Order, want acme.User"}},
		{"another package", protobuf(`package shop; message User {}`), []byte{0}, []string{"index [0] is shop.User, want acme.User"}},
		{"no package", protobuf(`message User {}`), []byte{0}, []string{"index [0] is User, want acme.User"}},
		{"another index", protobuf(`package acme; message User {} message Order {}`), []byte{2, 2}, []string{"index [1] is acme.Order, want acme.User"}},
		{"a message within", protobuf(`package acme; message User { message Name {} }`), []byte{4, 0, 0}, []string{"index [0 0] is acme.User.Name, want acme.User"}},
		{"no such index", protobuf(`package acme; message User {} message Order {}`), []byte{2, 4}, []string{"no message at index [2], want acme.User: it has User, Order"}},
		{"no message at all", protobuf(`package acme; enum User { A = 0; }`), []byte{0}, []string{"no message at index [0]", "no messages"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFakeRegistry()
			serde := registrySerde(t, f, user, userSchema)
			f.SeedSchema("other", 1, 9, c.schema)
			value := append([]byte{0, 0, 0, 0, 9}, c.index...)
			for range 2 {
				got, err := serde.Deserialize(value)
				wantError(t, "Deserialize", err, kvstore.ErrSchemaMismatch, append(c.says, "schema id 9")...)
				if got != nil {
					t.Errorf("Deserialize = %v beside its error, want nil", got)
				}
			}
			if n := f.lookups(9); n != 1 {
				t.Errorf("the registry was asked %d times, want 1", n)
			}
		})
	}
}

func TestValueThatIsNotInTheWireFormat(t *testing.T) {
	f := newFakeRegistry()
	user := compile(t, "acme.User", userSchema, nil)
	serde := registrySerde(t, f, user, userSchema)
	before := f.total()
	_, err := serde.Deserialize([]byte("\x0a\x03ann"))
	wantError(t, "Deserialize", err, nil, "not in the Schema Registry wire format", "0x0a")
	_, err = serde.Deserialize(nil)
	wantError(t, "Deserialize", err, nil, "0 bytes is too short")
	if n := f.total() - before; n != 0 {
		t.Errorf("the registry was asked %d times, want 0", n)
	}
}

// TestOldValuesStayReadableAfterReordering moves a message within its file.
// A reader that took the index in an old value for one of the new file would
// find Order there.
func TestOldValuesStayReadableAfterReordering(t *testing.T) {
	const header = `syntax = "proto3"; package acme;`
	const userMsg, orderMsg = `message User { string name = 1; }`, `message Order { string name = 1; }`
	oldFile, newFile := header+userMsg+orderMsg, header+orderMsg+userMsg
	user := compile(t, "acme.User", oldFile, nil)
	f := newFakeRegistry()
	oldSerde := registrySerde(t, f, user, oldFile)
	newSerde := registrySerde(t, f, user, newFile, kvstore.WithMessageName("User"))

	ann, bob := named(user, "ann"), named(user, "bob")
	written := map[string][]byte{
		"0000000001" + "00" + "0a03616e6e":   mustSerialize(t, oldSerde, ann),
		"0000000002" + "0202" + "0a03626f62": mustSerialize(t, newSerde, bob),
	}
	for want, got := range written {
		if fmt.Sprintf("%x", got) != want {
			t.Errorf("Serialize = %x, want %s", got, want)
		}
	}
	for _, serde := range []kvstore.Serde[*dynamicpb.Message]{oldSerde, newSerde} {
		wantMessage(t, serde, mustSerialize(t, oldSerde, ann), ann)
		wantMessage(t, serde, mustSerialize(t, newSerde, bob), bob)
		// Orders are in the places where the other file has users.
		for _, order := range [][]byte{{0, 0, 0, 0, 1, 2, 2}, {0, 0, 0, 0, 2, 0}} {
			_, err := serde.Deserialize(order)
			wantError(t, "Deserialize(an order)", err, kvstore.ErrSchemaMismatch, "acme.Order")
		}
	}
}

func TestNestedMessage(t *testing.T) {
	const file = `syntax = "proto3"; package acme;
		message First {}
		message Outer {
		  map<string, string> tags = 1;
		  message Left {}
		  message Inner { string name = 1; }
		}`
	inner := compile(t, "acme.Outer.Inner", file, nil)
	for _, name := range []string{"Outer.Inner", "acme.Outer.Inner", ".acme.Outer.Inner"} {
		f := newFakeRegistry()
		serde := registrySerde(t, f, inner, file, kvstore.WithMessageName(name))
		b := mustSerialize(t, serde, named(inner, "ann"))
		if want := []byte{0, 0, 0, 0, 1, 4, 2, 2}; !bytes.Equal(b[:len(want)], want) {
			t.Errorf("Serialize = %x, want the header %x", b, want)
		}
		wantMessage(t, serde, b, named(inner, "ann"))
		// Writers that count along a compiled descriptor meet the map's entry.
		wantMessage(t, serde, []byte{0, 0, 0, 0, 1, 4, 2, 4}, newOf(inner)())
	}
}

// TestIndexIsTakenFromTheRegistrysCopy has a registry that stores the schema
// with its messages in another order, as normalization may.
func TestIndexIsTakenFromTheRegistrysCopy(t *testing.T) {
	const ours = `syntax = "proto3"; package acme; message User { string name = 1; } message Account {}`
	const theirs = `syntax = "proto3"; package acme; message Account {} message User { string name = 1; }`
	user := compile(t, "acme.User", ours, nil)
	f := newFakeRegistry()
	f.seed(5, theirs)
	f.intercept(func(req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodPost {
			return answer(200, `{"id":5}`)(req)
		}
		return nil, nil
	})
	serde := registrySerde(t, f, user, ours)
	b := mustSerialize(t, serde, newOf(user)())
	if want := "\x00\x00\x00\x00\x05\x02\x02"; string(b) != want {
		t.Errorf("Serialize = %x, want %x", b, want)
	}
	wantMessage(t, serde, b, newOf(user)())
}

func TestImportsAreNeitherResolvedNorFetched(t *testing.T) {
	const common = `syntax = "proto3"; package common; message Name { string s = 1; }`
	const file = `syntax = "proto3"; package acme; import "common.proto";
		message User { string name = 1; common.Name other = 2; }`
	user := compile(t, "acme.User", file, map[string]string{"common.proto": common})
	f := newFakeRegistry()
	refs := []sr.SchemaReference{{Name: "common.proto", Subject: "common", Version: 1}}

	_, err := kvstore.Proto(newOf(user), kvstore.WithSchemaRegistry(f.client(t), "s", file, kvstore.WithSchemaReferences(refs)))
	wantError(t, "Proto without the reference", err, kvstore.ErrSchemaMismatch, `subject "common" version 1 not found`)

	f.SeedSchema("common", 1, 1, protobuf(common))
	opt := kvstore.WithSchemaReferences(refs)
	refs[0].Subject = "changed after the call"
	before := f.total()
	serde := registrySerde(t, f, user, file, opt)
	if n := f.total() - before; n != 2 {
		t.Errorf("Proto took %d requests, want 2: register and read back", n)
	}
	got, _ := f.GetSchema("s", 1)
	if len(got.References) != 1 || got.References[0].Subject != "common" {
		t.Errorf("registered references = %v, want the one to common", got.References)
	}
	wantMessage(t, serde, mustSerialize(t, serde, named(user, "ann")), named(user, "ann"))
}

func TestSchemaHeldAsDescriptor(t *testing.T) {
	desc, err := proto.Marshal(protodesc.ToFileDescriptorProto(wrapperspb.File_google_protobuf_wrappers_proto))
	if err != nil {
		t.Fatal(err)
	}
	f := newFakeRegistry()
	serde, err := kvstore.Proto(
		func() *wrapperspb.StringValue { return new(wrapperspb.StringValue) },
		kvstore.WithSchemaRegistry(f.client(t), "s", base64.StdEncoding.EncodeToString(desc), kvstore.WithMessageName("StringValue")),
	)
	if err != nil {
		t.Fatal(err)
	}
	wantMessage(t, serde, mustSerialize(t, serde, wrapperspb.String("ann")), wrapperspb.String("ann"))
}

func TestProtoRefusesWhatCannotWork(t *testing.T) {
	user := compile(t, "acme.User", userSchema, nil)
	const two = `syntax = "proto3"; package acme; message Order {} message User { message Name {} }`
	type option = kvstore.SchemaRegistryOption
	for _, c := range []struct {
		name    string
		subject string
		schema  string
		opts    []option
		match   error
		says    []string
	}{
		{"no subject", "", userSchema, nil, nil, []string{"subject is empty"}},
		{"no schema", "s", " \n", nil, nil, []string{"schema is empty"}},
		{"schema that does not parse", "s", "message User {", nil, nil, []string{"schema.proto:1:"}},
		{"schema without messages", "s", "package acme;", nil, nil, []string{"no message"}},
		{"another message first", "s", two, nil, kvstore.ErrSchemaMismatch, []string{"acme.Order", "acme.User", `add WithMessageName("acme.User")`}},
		{"another package", "s", "message User {}", nil, kvstore.ErrSchemaMismatch, []string{"first message of the schema is User", "acme.User", "check its package"}},
		{"unknown name", "s", two, []option{kvstore.WithMessageName("Usr")}, nil, []string{`"Usr"`, "it has Order, User, User.Name"}},
		{"name of another message", "s", two, []option{kvstore.WithMessageName("User.Name")}, kvstore.ErrSchemaMismatch, []string{"acme.User.Name", "the Go type is acme.User"}},
		{"no timeout", "s", userSchema, []option{kvstore.WithRegistryTimeout(0)}, nil, []string{"WithRegistryTimeout: 0s"}},
		{"negative TTL", "s", userSchema, []option{kvstore.WithNegativeCacheTTL(-1)}, nil, []string{"WithNegativeCacheTTL: -1ns"}},
		{"no context", "s", userSchema, []option{kvstore.WithRegistryContext(nil)}, nil, []string{"WithRegistryContext: context is nil"}}, //nolint:staticcheck // nil is the point
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFakeRegistry()
			serde, err := kvstore.Proto(newOf(user), kvstore.WithSchemaRegistry(f.client(t), c.subject, c.schema, c.opts...))
			wantError(t, "Proto", err, c.match, append(c.says, "acme.User")...)
			if serde != nil {
				t.Errorf("Proto = %v beside its error, want nil", serde)
			}
			if n := f.total(); n != 0 {
				t.Errorf("Proto took %d requests, want 0: nothing is to be registered", n)
			}
		})
	}
	_, err := kvstore.Proto(newOf(user), kvstore.WithSchemaRegistry(nil, "s", userSchema))
	wantError(t, "Proto", err, nil, "registry client is nil")
}

func TestRegistryRefusesTheSchema(t *testing.T) {
	user := compile(t, "acme.User", userSchema, nil)
	for status, target := range map[int]error{
		409: kvstore.ErrSchemaMismatch,
		422: kvstore.ErrSchemaMismatch,
		403: kvstore.ErrRegistryUnavailable,
		404: kvstore.ErrRegistryUnavailable,
	} {
		f := newFakeRegistry()
		f.intercept(answer(status, fmt.Sprintf(`{"error_code":%d,"message":"no, because"}`, status)))
		_, err := kvstore.Proto(newOf(user), kvstore.WithSchemaRegistry(f.client(t), "s", userSchema))
		wantError(t, "Proto", err, target, `register schema under subject "s"`, "no, because")
		if n := f.total(); n != 1 {
			t.Errorf("Proto took %d requests, want 1", n)
		}
	}
	f := newFakeRegistry()
	f.intercept(answer(200, `{}`))
	_, err := kvstore.Proto(newOf(user), kvstore.WithSchemaRegistry(f.client(t), "s", userSchema))
	wantError(t, "Proto with a registry that gives no id", err, nil, "schema id 0")
}

func TestDeprecatedConstructor(t *testing.T) {
	f := newFakeRegistry()
	user := compile(t, "acme.User", userSchema, nil)
	serde, err := kvstore.NewSchemaRegistrySerde(f.client(t), "s", strings.Replace(userSchema, "message", "message First {} message", 1),
		newOf(user), kvstore.WithMessageName("User"))
	if err != nil {
		t.Fatal(err)
	}
	b := mustSerialize(t, serde, named(user, "ann"))
	if want := "\x00\x00\x00\x00\x01\x02\x02\x0a\x03ann"; string(b) != want {
		t.Errorf("Serialize = %x, want %x", b, want)
	}
	wantMessage(t, serde, b, named(user, "ann"))

	_, err = kvstore.NewSchemaRegistrySerde[*dynamicpb.Message](f.client(t), "s", userSchema, nil)
	wantError(t, "NewSchemaRegistrySerde without a factory", err, nil, "factory is nil")
}

func TestSameSchemaKeepsItsID(t *testing.T) {
	f := newFakeRegistry()
	user := compile(t, "acme.User", userSchema, nil)
	first := mustSerialize(t, registrySerde(t, f, user, userSchema), named(user, "ann"))
	second := mustSerialize(t, registrySerde(t, f, user, userSchema), named(user, "ann"))
	if !bytes.Equal(first, second) {
		t.Errorf("Serialize = %x and %x, want the same", first, second)
	}
	if n := f.calls["POST /subjects/s/versions"]; n != 2 {
		t.Errorf("the schema was registered %d times, want 2", n)
	}
}

// protobuf returns a schema with the given text.
func protobuf(text string) sr.Schema { return sr.Schema{Type: sr.TypeProtobuf, Schema: text} }
