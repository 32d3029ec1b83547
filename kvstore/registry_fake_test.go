package kvstore_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/kvsim/kvsim/kvstore"
)

// fakeRegistry is a Schema Registry behind a transport without a network, so
// that it works in virtual time. It counts requests and can hold or fail them.
type fakeRegistry struct {
	*srfake.Registry

	mu    sync.Mutex
	calls map[string]int // "GET /schemas/ids/7" -> how often

	// before, if set, is called with every request that has been counted.
	// If it returns an answer or an error, the request goes no further.
	before func(*http.Request) (*http.Response, error)
}

func newFakeRegistry() *fakeRegistry {
	return &fakeRegistry{Registry: srfake.NewRegistry(), calls: map[string]int{}}
}

// client returns a client whose only time-outs are those of its contexts.
func (f *fakeRegistry) client(t *testing.T) *sr.Client {
	t.Helper()
	cl, err := sr.NewClient(sr.URLs("http://registry"), sr.HTTPClient(&http.Client{Transport: f}))
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

func (f *fakeRegistry) RoundTrip(req *http.Request) (*http.Response, error) {
	f.mu.Lock()
	f.calls[req.Method+" "+req.URL.Path]++
	before := f.before
	f.mu.Unlock()
	if before != nil {
		if res, err := before(req); res != nil || err != nil {
			return res, err
		}
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	rec := httptest.NewRecorder()
	f.Handler().ServeHTTP(rec, req)
	return rec.Result(), nil
}

// intercept sets what happens to requests from now on.
func (f *fakeRegistry) intercept(before func(*http.Request) (*http.Response, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = before
}

// lookups returns how often id was asked for.
func (f *fakeRegistry) lookups(id int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[fmt.Sprintf("GET /schemas/ids/%d", id)]
}

// total returns how many requests there were.
func (f *fakeRegistry) total() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.calls {
		n += c
	}
	return n
}

// seed puts a protobuf schema into the registry under an id.
func (f *fakeRegistry) seed(id int, schema string) {
	f.SeedSchema(fmt.Sprintf("seed-%d", id), 1, id, sr.Schema{Schema: schema, Type: sr.TypeProtobuf})
}

// hang makes a request wait until its context ends.
func hang(req *http.Request) (*http.Response, error) {
	<-req.Context().Done()
	return nil, req.Context().Err()
}

// answer makes every request get the given answer.
func answer(status int, body string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		rec := httptest.NewRecorder()
		rec.WriteHeader(status)
		_, err := rec.WriteString(body)
		return rec.Result(), err
	}
}

// compile returns the type of a message of a .proto file. Imports are files by
// name.
func compile(t testing.TB, name, file string, imports map[string]string) protoreflect.MessageType {
	t.Helper()
	files := map[string]string{"test.proto": file}
	maps.Copy(files, imports)
	c := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(files),
	})}
	res, err := c.Compile(context.Background(), "test.proto")
	if err != nil {
		t.Fatal(err)
	}
	desc, ok := res[0].FindDescriptorByName(protoreflect.FullName(name)).(protoreflect.MessageDescriptor)
	if !ok {
		t.Fatalf("no message %s in the file", name)
	}
	return dynamicpb.NewMessageType(desc)
}

// newOf makes a factory for messages of type mt.
func newOf(mt protoreflect.MessageType) func() *dynamicpb.Message {
	return func() *dynamicpb.Message { return dynamicpb.NewMessage(mt.Descriptor()) }
}

// named returns a message of type mt whose field "name" is s.
func named(mt protoreflect.MessageType, s string) *dynamicpb.Message {
	m := dynamicpb.NewMessage(mt.Descriptor())
	m.Set(mt.Descriptor().Fields().ByName("name"), protoreflect.ValueOfString(s))
	return m
}

// registrySerde returns a serde for mt that is registered under "s".
func registrySerde(t *testing.T, f *fakeRegistry, mt protoreflect.MessageType, schema string, opts ...kvstore.SchemaRegistryOption) kvstore.Serde[*dynamicpb.Message] {
	t.Helper()
	serde, err := kvstore.Proto(newOf(mt), kvstore.WithSchemaRegistry(f.client(t), "s", schema, opts...))
	if err != nil {
		t.Fatal(err)
	}
	return serde
}

// mustSerialize returns the bytes of m.
func mustSerialize[T any](t testing.TB, serde kvstore.Serde[T], v T) []byte {
	t.Helper()
	b, err := serde.Serialize(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wantMessage checks that b deserializes to want.
func wantMessage[T proto.Message](t testing.TB, serde kvstore.Serde[T], b []byte, want T) {
	t.Helper()
	got, err := serde.Deserialize(b)
	if err != nil || !proto.Equal(got, want) {
		t.Errorf("Deserialize(%x) = %v, %v; want %v", b, got, err, want)
	}
}

// wantError checks that err matches target and says all of parts.
func wantError(t testing.TB, what string, err, target error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s = nil, want an error", what)
		return
	}
	if target != nil && !errors.Is(err, target) {
		t.Errorf("%s = %q, want one that matches %q", what, err, target)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%s = %q, want it to say %q", what, err, p)
		}
	}
}
