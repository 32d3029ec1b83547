package registry

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/kvsim/kvsim/kvstore/internal/brief"
)

// holding returns a registry that holds ownSchema under id 1 and text under all others.
func holding(t *testing.T, text string) *Registry {
	t.Helper()
	answer := func(text string) []byte {
		b, err := json.Marshal(map[string]any{"schemaType": "PROTOBUF", "schema": text})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	own, other := answer(ownSchema), answer(text)
	cl, err := sr.NewClient(sr.URLs("http://registry"), sr.HTTPClient(&http.Client{Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
		body := other
		if strings.HasSuffix(req.URL.Path, "/ids/1") {
			body = own
		}
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(body)))}, nil
	})}))
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(&Config{
		Client: cl, Subject: "s", Schema: ownSchema, Context: t.Context(), Timeout: time.Minute, NegativeTTL: time.Hour, Trusted: true, ID: 1,
		Guard: func(fn func() error) error { return fn() }, Panicked: func(error) bool { return false },
	}, "acme.User")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// longSchemas have something long in each place that an error quotes.
func longSchemas() map[string]string {
	long := strings.Repeat("a", mostSchema/2)
	many := protowire.AppendString(protowire.AppendTag(nil, filePackage, protowire.BytesType), long)
	return map[string]string{
		"a package":             "package " + strings.Repeat("a.", mostSchema/4) + "b; message User {}",
		"a package in words":    "package " + strings.Repeat("a . ", 200) + strings.Repeat("b", mostSchema/2) + "; message User {}",
		"a message":             "package acme; message " + long + " {}",
		"an unexpected word":    "message " + long,
		"an unexpected string":  `"` + strings.Repeat("\x01", mostSchema/2) + `"`,
		"a message, not nested": "package acme; message User { message " + long + " {} }",
		"a descriptor":          base64.StdEncoding.EncodeToString(many[:mostSchema/2]),
		"a message of a descriptor": base64.StdEncoding.EncodeToString(protowire.AppendBytes(protowire.AppendTag(nil, fileMessages, protowire.BytesType),
			protowire.AppendString(protowire.AppendTag(nil, messageName, protowire.BytesType), long))),
	}
}

// An error has the beginning of what is in a schema or a value, and says so.
func TestErrorsQuoteSchemasInPart(t *testing.T) {
	for name, text := range longSchemas() {
		r := holding(t, text)
		index := []int{0}
		if name == "a message, not nested" {
			index = []int{0, 0}
		}
		for range 2 { // the second one from memory
			if err := r.Accept(t.Context(), 2, index); !errors.Is(err, ErrMismatch) || len(err.Error()) > 2*brief.Most {
				t.Errorf("%s: error of %d bytes: %.200v, want %v in %d bytes", name, len(fmt.Sprint(err)), err, ErrMismatch, 2*brief.Most)
			}
		}
		err := checkOwnSchema(&Config{Schema: text}, "acme.User")
		if err == nil {
			err = checkOwnSchema(&Config{Schema: text, Message: "Another"}, "acme.User")
		}
		if err == nil || len(err.Error()) > 2*brief.Most {
			t.Errorf("%s in the program's own schema: error of %d bytes: %.200v", name, len(fmt.Sprint(err)), err)
		}
	}
	if err := holding(t, ownSchema).Accept(t.Context(), 2, make([]int, 1<<20)); !errors.Is(err, ErrMismatch) || len(err.Error()) > 2*brief.Most {
		t.Errorf("an index of a million numbers: error of %d bytes", len(fmt.Sprint(err)))
	}
}

// What sr says of an answer that it can't read has the answer in it.
func TestErrorsQuoteNonsenseInPart(t *testing.T) {
	for name, answer := range map[string]string{
		"a type":   `{"schemaType":"` + strings.Repeat("x", 1<<20) + `"}`,
		"a number": `{"id":1` + strings.Repeat("0", 1<<20) + `}`,
	} {
		for _, first := range []string{answer, `{"id":1}`} {
			asked := 0
			err := asking(t, func(*http.Request) (*http.Response, error) {
				body := answer
				if asked++; asked == 1 {
					body = first
				}
				return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body))}, nil
			})
			if err == nil || len(err.Error()) > 2*brief.Most {
				t.Errorf("%s: error of %d bytes: %.200v", name, len(fmt.Sprint(err)), err)
			}
		}
	}
}

// What is remembered of ids with bad schemas has nothing of the schemas but what errors quote.
func TestBadSchemasAreNotKept(t *testing.T) {
	for name, text := range longSchemas() {
		r := holding(t, text)
		const ids = 32
		before := heapInUse()
		for id := range ids {
			if err := r.Accept(t.Context(), id+2, []int{0, 0}); !errors.Is(err, ErrMismatch) {
				t.Fatalf("%s: Accept = %.200v, want %v", name, err, ErrMismatch)
			}
		}
		if kept := heapInUse() - before; kept > ids*16<<10 {
			t.Errorf("%s: %d bad ids keep %d bytes, of a schema of %d bytes", name, ids, kept, len(text))
		}
		if remembered := len(r.bad) + len(r.good) - 1; remembered != ids {
			t.Errorf("%s: %d ids are remembered, want %d", name, remembered, ids)
		}
		runtime.KeepAlive(r)
	}
}

func heapInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) //nolint:gosec // no heap is that large
}

// A schema of more than the limit is refused with the limit and its size, whoever gives it.
func TestSizeOfASchemaIsBounded(t *testing.T) {
	fits := ownSchema + strings.Repeat("\n", mostSchema-len(ownSchema))
	if err := holding(t, fits).Accept(t.Context(), 2, []int{0}); err != nil {
		t.Errorf("a schema of %d bytes: %v", len(fits), err)
	}
	tooLarge := fits + "\n"
	errs := map[string]error{"the registry": holding(t, tooLarge).Accept(t.Context(), 2, []int{0})}
	if err := errs["the registry"]; !errors.Is(err, ErrMismatch) {
		t.Errorf("Accept = %v, want %v", err, ErrMismatch)
	}
	errs["the program"] = checkOwnSchema(&Config{Schema: tooLarge}, "acme.User")
	for whose, err := range errs {
		if err == nil || !strings.Contains(err.Error(), "1048577 bytes") || !strings.Contains(err.Error(), "1048576") {
			t.Errorf("a schema of %d bytes of %s: %v, want an error with both sizes", len(tooLarge), whose, err)
		}
	}
}

// Reading a schema takes memory in proportion to its size, whatever is in it.
func TestReadingASchemaTakesMemoryInProportionToItsSize(t *testing.T) {
	filled := func(head, part, tail string) string {
		return head + strings.Repeat(part, (mostSchema-len(head)-len(tail))/len(part)) + tail
	}
	longPackage := "package " + strings.Repeat("a", mostSchema/2) + ";"
	deep := strings.Repeat("message M {", mostNested-1)
	for name, text := range map[string]string{
		"nothing":              filled("", ";", ""),
		"words":                filled("", "a ", ";"),
		"words of a map":       filled("message M { map < ", ". ", "> a = 1; }"),
		"words of a package":   filled("package ", ". ", ";"),
		"options":              filled("message M { int32 a = 1 [", "{a:1}", "]; }"),
		"packages":             filled("", "}package ", ""),
		"messages":             filled("", "message A{}", ""),
		"maps":                 filled("message A{", "map<a,b>c;", "}"),
		"long package":         filled(longPackage, "message A{}", ""),
		"long outer message":   filled("message "+strings.Repeat("a", mostSchema/2)+"{", "message A{}", "}"),
		"messages, deep":       filled(deep, "message A{}", strings.Repeat("}", mostNested-1)),
		"comments and strings": filled("", "a/**/'x';", ""),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		schema, err := parseProtoSchema(text)
		if err == nil {
			_, _ = schema.indexOf("acme.User")
			_ = schema.listing()
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 32*mostSchema {
			t.Errorf("%s: %d bytes are allocated for a schema of %d bytes", name, used, len(text))
		}
	}
}

// Names are put together along the tree: dots, and what has no name, too.
func TestMessageIsFoundUnderItsFullName(t *testing.T) {
	schema := mustParse(t, `package p; message A {} message A { message B {} } message AB { message B {} }`)
	for name, want := range map[protoreflect.FullName]string{"p.A": "[0]", "p.A.B": "[1 0]", "p.AB.B": "[2 0]"} {
		if index, ok := schema.indexOf(name); !ok || fmt.Sprint(index) != want {
			t.Errorf("indexOf(%s) = %v, %v, want %s", name, index, ok, want)
		}
	}
	for _, name := range []protoreflect.FullName{"", "p", "A", "p.A.", "p.AB.A", "pA", "p.B"} {
		if index, ok := schema.indexOf(name); ok {
			t.Errorf("indexOf(%q) = %v, want nothing", name, index)
		}
	}
}
