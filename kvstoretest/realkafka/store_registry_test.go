package realkafka_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bufbuild/protocompile"
	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/kvsim/kvsim/kvstore"
)

// envRegistry is the URL of a Schema Registry, which make test-kafka sets when
// make registry has started one.
const envRegistry = "KVSIM_REGISTRY_URL"

// TestSchemaRegistry is what the Schema Registry serdes promise, with a real
// registry, and where values are stored with real brokers.
func TestSchemaRegistry(t *testing.T) {
	url := os.Getenv(envRegistry)
	if url == "" {
		t.Skipf("there is no Schema Registry: run make registry, or set %s", envRegistry)
	}
	for name, test := range map[string]func(*testing.T, *registry){
		"values are read by whoever asks for their schema": registryValuesAreRead,
		"same schema keeps its id":                         registryKeepsIDs,
		"message within a message":                         registryNestedMessage,
		"old values after messages were reordered":         registryReordered,
		"schema id of something else":                      registryOtherSchemas,
		"schema id that nobody registered":                 registryUnknownID,
		"incompatible schema is refused":                   registryIncompatible,
		"lookup whose time is over is not remembered":      registryCancelledLookup,
	} {
		t.Run(name, func(t *testing.T) {
			cl, err := sr.NewClient(sr.URLs(url))
			if err != nil {
				t.Fatal(err)
			}
			test(t, &registry{t: t, cl: cl, subject: "kvsim-" + strings.ToLower(rand.Text()[:10])})
		})
	}
}

// A registry is a real one, with a subject of the test's own.
type registry struct {
	t       *testing.T
	cl      *sr.Client
	subject string
}

const userSchema = `syntax = "proto3";
package acme;

message User {
  string name = 1;
}
`

// message compiles a message of a file.
func message(t *testing.T, name, file string) protoreflect.MessageType {
	t.Helper()
	c := protocompile.Compiler{Resolver: &protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(map[string]string{"test.proto": file}),
	}}
	res, err := c.Compile(t.Context(), "test.proto")
	if err != nil {
		t.Fatal(err)
	}
	desc, ok := res[0].FindDescriptorByName(protoreflect.FullName(name)).(protoreflect.MessageDescriptor)
	if !ok {
		t.Fatalf("no message %s in the file", name)
	}
	return dynamicpb.NewMessageType(desc)
}

func named(mt protoreflect.MessageType, s string) *dynamicpb.Message {
	m := dynamicpb.NewMessage(mt.Descriptor())
	m.Set(mt.Descriptor().Fields().ByName("name"), protoreflect.ValueOfString(s))
	return m
}

// serde registers a schema under the subject and returns the serde.
func (r *registry) serde(mt protoreflect.MessageType, schema string, opts ...kvstore.SchemaRegistryOption) kvstore.Serde[*dynamicpb.Message] {
	r.t.Helper()
	serde, err := r.tryserde(mt, schema, opts...)
	if err != nil {
		r.t.Fatal(err)
	}
	return serde
}

func (r *registry) tryserde(mt protoreflect.MessageType, schema string, opts ...kvstore.SchemaRegistryOption) (kvstore.Serde[*dynamicpb.Message], error) {
	return kvstore.Proto(func() *dynamicpb.Message { return dynamicpb.NewMessage(mt.Descriptor()) },
		kvstore.WithSchemaRegistry(r.cl, r.subject, schema, opts...))
}

func (r *registry) bytes(serde kvstore.Serde[*dynamicpb.Message], m *dynamicpb.Message) []byte {
	r.t.Helper()
	b, err := serde.Serialize(m)
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

func (r *registry) want(serde kvstore.Serde[*dynamicpb.Message], b []byte, want *dynamicpb.Message) {
	r.t.Helper()
	got, err := serde.Deserialize(b)
	if err != nil || !proto.Equal(got, want) {
		r.t.Errorf("Deserialize(%x) = %v, %v; want %v", b, got, err, want)
	}
}

func (r *registry) wantMismatch(serde kvstore.Serde[*dynamicpb.Message], b []byte, says string) {
	r.t.Helper()
	got, err := serde.Deserialize(b)
	if !errors.Is(err, kvstore.ErrSchemaMismatch) || !strings.Contains(err.Error(), says) {
		r.t.Errorf("Deserialize(%x) = %v, %v; want ErrSchemaMismatch that says %q", b, got, err, says)
	}
}

// create registers a schema under another subject and returns its id.
func (r *registry) create(schema sr.Schema) int {
	r.t.Helper()
	s, err := r.cl.CreateSchema(r.t.Context(), r.subject+"-other-"+strings.ToLower(rand.Text()[:6]), schema)
	if err != nil {
		r.t.Fatal(err)
	}
	return s.ID
}

// wire returns a value in the wire format: a zero, the id, indexes, a message.
func wire(id int, rest ...byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(id)), rest...)
}

func registryValuesAreRead(t *testing.T, r *registry) {
	w := newWorld(t)
	user := message(t, "acme.User", userSchema)
	writer := kvstore.NewResourceClient(w.open(), r.serde(user, userSchema))
	if err := writer.Put(w.within(patience), []byte("ann"), named(user, "Ann")); err != nil {
		t.Fatal(err)
	}
	// The reader was built with a newer file and has to ask for the old one.
	newer := strings.Replace(userSchema, "name = 1;", "name = 1;\n  int32 age = 2;", 1)
	newUser := message(t, "acme.User", newer)
	reader := kvstore.NewResourceClient(w.open(), r.serde(newUser, newer))
	got, err := reader.Get(w.within(patience), []byte("ann"))
	if err != nil || !proto.Equal(got, named(newUser, "Ann")) {
		t.Errorf("Get = %v, %v; want Ann", got, err)
	}
}

func registryKeepsIDs(t *testing.T, r *registry) {
	user := message(t, "acme.User", userSchema)
	first := r.bytes(r.serde(user, userSchema), named(user, "ann"))
	second := r.bytes(r.serde(user, userSchema), named(user, "ann"))
	if !bytes.Equal(first, second) {
		t.Errorf("Serialize = %x and %x, want the same", first, second)
	}
}

func registryNestedMessage(t *testing.T, r *registry) {
	const file = `syntax = "proto3";
package acme;

message First {
}

message Outer {
  map<string, string> tags = 1;

  message Left {
  }

  message Inner {
    string name = 1;
  }
}
`
	inner := message(t, "acme.Outer.Inner", file)
	serde := r.serde(inner, file, kvstore.WithMessageName("Outer.Inner"))
	b := r.bytes(serde, named(inner, "ann"))
	// Two indexes: the second message, and the second message within it. They
	// are the registry's copy's, which may have the map's entry as a message.
	if !bytes.Equal(b[5:8], []byte{4, 2, 2}) && !bytes.Equal(b[5:8], []byte{4, 2, 4}) {
		t.Errorf("Serialize = %x, want the indexes [1 1] or [1 2] behind the id", b)
	}
	r.want(serde, b, named(inner, "ann"))
}

func registryReordered(t *testing.T, r *registry) {
	const header = "syntax = \"proto3\";\npackage acme;\n\n"
	const userMsg, orderMsg = "message User {\n  string name = 1;\n}\n", "message Order {\n  string name = 1;\n}\n"
	oldFile, newFile := header+userMsg+orderMsg, header+orderMsg+userMsg
	user := message(t, "acme.User", oldFile)
	oldSerde := r.serde(user, oldFile)
	newSerde := r.serde(user, newFile, kvstore.WithMessageName("User"))
	ann := r.bytes(oldSerde, named(user, "ann"))
	bob := r.bytes(newSerde, named(user, "bob"))
	if bytes.Equal(ann[:5], bob[:5]) {
		t.Logf("the registry takes both files for one: id %x", ann[1:5])
	}
	for _, serde := range []kvstore.Serde[*dynamicpb.Message]{oldSerde, newSerde} {
		r.want(serde, ann, named(user, "ann"))
		r.want(serde, bob, named(user, "bob"))
	}
}

func registryOtherSchemas(t *testing.T, r *registry) {
	user := message(t, "acme.User", userSchema)
	serde := r.serde(user, userSchema)
	avro := r.create(sr.Schema{Type: sr.TypeAvro, Schema: `{"type":"string"}`})
	r.wantMismatch(serde, wire(avro, 0), "it is AVRO, want PROTOBUF")
	order := r.create(sr.Schema{Type: sr.TypeProtobuf, Schema: strings.Replace(userSchema, "User", "Order", 1)})
	r.wantMismatch(serde, wire(order, 0), "acme.Order, want acme.User")
	r.wantMismatch(serde, wire(order, 2, 4), "no message at index [2]")
}

func registryUnknownID(t *testing.T, r *registry) {
	user := message(t, "acme.User", userSchema)
	r.wantMismatch(r.serde(user, userSchema), wire(1<<30, 0), fmt.Sprintf("schema id %d", 1<<30))
}

func registryIncompatible(t *testing.T, r *registry) {
	user := message(t, "acme.User", userSchema)
	r.serde(user, userSchema)
	for _, res := range r.cl.SetCompatibility(t.Context(), sr.SetCompatibility{Level: sr.CompatFull}, r.subject) {
		if res.Err != nil {
			t.Fatal(res.Err)
		}
	}
	other := strings.Replace(userSchema, "string name", "int64 name", 1)
	_, err := r.tryserde(message(t, "acme.User", other), other)
	if !errors.Is(err, kvstore.ErrSchemaMismatch) {
		t.Errorf("Proto with a field of another type = %v, want ErrSchemaMismatch", err)
	}
}

func registryCancelledLookup(t *testing.T, r *registry) {
	user := message(t, "acme.User", userSchema)
	serde := r.serde(user, userSchema)
	id := r.create(sr.Schema{Type: sr.TypeProtobuf, Schema: userSchema + "\nmessage Other {\n}\n"})
	value := append(wire(id, 0), r.bytes(serde, named(user, "ann"))[6:]...)
	lookup, ok := serde.(kvstore.ContextDeserializer[*dynamicpb.Message])
	if !ok {
		t.Fatalf("%T does not take a context", serde)
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	if _, err := lookup.DeserializeContext(ctx, value); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a lookup whose time is over = %v, want its deadline", err)
	}
	r.want(serde, value, named(user, "ann")) // it was not remembered
}
