package kvstoretest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/kvsim/kvsim/kvstore"
)

// note is a value with everything that serdes get wrong: text, bytes, a map
// and a pointer.
type note struct {
	Text  string
	Bytes []byte
	Tags  map[string]int
	Next  *note
}

func noteSamples() SerdeSamples[note] {
	return SerdeSamples[note]{
		Values: []note{
			{},
			{Text: "one", Bytes: []byte("abc")},
			{Bytes: []byte("xyz"), Tags: map[string]int{"a": 1, "b": 2, "c": 3, "d": 4}, Next: &note{Text: "two"}},
			{Text: strings.Repeat("long ", 1000)},
		},
		Garbage:       [][]byte{nil, []byte("{"), []byte(`{"Text":1}`), []byte(`{} {}`)},
		Deterministic: true,
	}
}

func TestJSONKeepsTheRules(t *testing.T) {
	TestSerde(t, kvstore.JSON[note](), noteSamples())
}

func structSamples() SerdeSamples[*structpb.Struct] {
	fields := func(m map[string]any) *structpb.Struct {
		s, err := structpb.NewStruct(m)
		if err != nil {
			panic(err)
		}
		return s
	}
	return SerdeSamples[*structpb.Struct]{
		Values: []*structpb.Struct{
			{},
			fields(map[string]any{"a": "one", "b": 2.5, "c": true, "d": nil}),
			fields(map[string]any{"list": []any{"x", map[string]any{"y": 1.0}}, "a": ""}),
		},
		Refused:       []*structpb.Struct{nil},
		Garbage:       [][]byte{{0xff}, []byte("\x0a\x05abc")},
		Deterministic: true,
	}
}

func newStruct() *structpb.Struct { return new(structpb.Struct) }

func TestProtoKeepsTheRules(t *testing.T) {
	serde, err := kvstore.Proto(newStruct)
	if err != nil {
		t.Fatal(err)
	}
	TestSerde(t, serde, structSamples())
}

// handlerTransport answers requests with a handler.
type handlerTransport struct{ http.Handler }

func (h handlerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return rec.Result(), nil
}

func TestProtoWithSchemaRegistryKeepsTheRules(t *testing.T) {
	registry, err := sr.NewClient(sr.HTTPClient(&http.Client{Transport: handlerTransport{srfake.NewRegistry().Handler()}}))
	if err != nil {
		t.Fatal(err)
	}
	serde, err := kvstore.Proto(newStruct, kvstore.WithSchemaRegistry(registry, "s",
		`syntax = "proto3"; package google.protobuf; message Struct {}`))
	if err != nil {
		t.Fatal(err)
	}
	samples := structSamples()
	samples.Garbage = append(samples.Garbage, nil, []byte("\x00\x00\x00\x00\x01"), []byte("\x00\x00\x00\x00\x63\x00"))
	TestSerde(t, serde, samples)
}

// goodNotes is the serde that the broken ones are made from.
var goodNotes = kvstore.JSON[note]()

// brokenNotes breaks one rule of a serde. Nil functions are those of
// goodNotes.
type brokenNotes struct {
	serialize   func(note) ([]byte, error)
	deserialize func([]byte) (note, error)
}

func (s brokenNotes) Serialize(v note) ([]byte, error) {
	if s.serialize != nil {
		return s.serialize(v)
	}
	return goodNotes.Serialize(v)
}

func (s brokenNotes) Deserialize(b []byte) (note, error) {
	if s.deserialize != nil {
		return s.deserialize(b)
	}
	return goodNotes.Deserialize(b)
}

// brokenContext gives another value when it is given a context.
type brokenContext struct{ kvstore.Serde[note] }

func (s brokenContext) DeserializeContext(context.Context, []byte) (note, error) {
	return note{Text: "other"}, nil
}

// TestBrokenSerdesAreCaught has a serde for each rule that breaks it.
func TestBrokenSerdesAreCaught(t *testing.T) {
	broken := map[string]kvstore.Serde[note]{
		"round-trip": brokenNotes{serialize: func(v note) ([]byte, error) {
			v.Next = nil
			return goodNotes.Serialize(v)
		}},
		"serialize-never-returns-nil": brokenNotes{
			serialize: func(v note) ([]byte, error) {
				if v.Text == "" && v.Bytes == nil {
					return nil, nil
				}
				return goodNotes.Serialize(v)
			},
			deserialize: func(b []byte) (note, error) {
				if b == nil {
					return note{}, nil
				}
				return goodNotes.Deserialize(b)
			},
		},
		"serialize-leaves-its-value": brokenNotes{serialize: func(v note) ([]byte, error) {
			if v.Tags != nil {
				v.Tags["serialized"]++
			}
			return goodNotes.Serialize(v)
		}},
		"serialized-bytes-are-the-callers": sharedBuffer(),
		"serialize-refuses": brokenNotes{serialize: func(v note) ([]byte, error) {
			b, err := goodNotes.Serialize(v)
			if v.Text == "refused" {
				err = errors.New("refused, but here it is")
			}
			return b, err
		}},
		"equal-values-give-equal-bytes": counting(),
		"deserialize-leaves-its-input": brokenNotes{deserialize: func(b []byte) (note, error) {
			v, err := goodNotes.Deserialize(b)
			clear(b)
			return v, err
		}},
		"deserialize-keeps-nothing": brokenNotes{
			serialize: func(v note) ([]byte, error) {
				b, err := goodNotes.Serialize(v)
				return append(b, v.Bytes...), err
			},
			deserialize: aliasing,
		},
		"values-are-separate": merging(),
		"garbage-is-an-error": brokenNotes{deserialize: func(b []byte) (note, error) {
			v, _ := goodNotes.Deserialize(b)
			return v, nil
		}},
		"no-input-panics": brokenNotes{deserialize: func(b []byte) (note, error) {
			v, err := goodNotes.Deserialize(b)
			if err != nil && len(b) == 1 {
				panic(err)
			}
			return v, err
		}},
		"context-makes-no-difference": brokenContext{goodNotes},
		"concurrent-use":              serialOnly(),
	}
	for _, rule := range serdeRules[note]() {
		t.Run(rule.name, func(t *testing.T) {
			serde := broken[rule.name]
			if serde == nil {
				t.Fatalf("no serde breaks the rule %s", rule.name)
			}
			samples := noteSamples()
			if rule.name == "serialize-refuses" {
				samples.Refused = []note{{Text: "refused"}}
			} else if err := rule.run(goodNotes, samples); err != nil && !errors.Is(err, errNothingToCheck) {
				t.Errorf("check of a good serde = %v, want no error", err)
			}
			if err := rule.run(serde, samples); err == nil || errors.Is(err, errNothingToCheck) {
				t.Errorf("check of a serde that breaks the rule = %v, want an error", err)
			}
		})
	}
}

func TestCheckSerdeNamesTheRule(t *testing.T) {
	forgetful := brokenNotes{deserialize: func(b []byte) (note, error) {
		v, err := goodNotes.Deserialize(b)
		return note{Text: v.Text}, err
	}}
	err := CheckSerde(forgetful, noteSamples())
	for _, want := range []string{"round-trip: ", "Deserialize(Serialize(", "(rule: Deserialize of what Serialize returned gives an equal value)"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("CheckSerde = %v, want it to say %q", err, want)
		}
	}
	if err := CheckSerde(goodNotes, noteSamples()); err != nil {
		t.Errorf("CheckSerde of a good serde = %v, want nil", err)
	}
}

// sharedBuffer returns a serde that serializes into the same buffer always.
func sharedBuffer() kvstore.Serde[note] {
	buf := make([]byte, 0, 1<<16)
	var mu sync.Mutex
	return brokenNotes{serialize: func(v note) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		b, err := json.Marshal(v)
		return append(buf[:0], b...), err
	}}
}

// counting returns a serde whose bytes differ by white space.
func counting() kvstore.Serde[note] {
	var mu sync.Mutex
	n := 0
	return brokenNotes{serialize: func(v note) ([]byte, error) {
		mu.Lock()
		n++
		pad := strings.Repeat(" ", n%3)
		mu.Unlock()
		b, err := goodNotes.Serialize(v)
		return append(b, pad...), err
	}}
}

// aliasing takes a note's bytes from behind the JSON, without copying them.
func aliasing(b []byte) (note, error) {
	var v note
	dec := json.NewDecoder(strings.NewReader(string(b)))
	if err := dec.Decode(&v); err != nil {
		return note{}, err
	}
	if rest := b[dec.InputOffset():]; len(v.Bytes) > 0 && len(rest) == len(v.Bytes) {
		v.Bytes = rest
	}
	return v, nil
}

// merging returns a serde that deserializes into the map of the value before.
func merging() kvstore.Serde[note] {
	var mu sync.Mutex
	tags := map[string]int{}
	return brokenNotes{deserialize: func(b []byte) (note, error) {
		mu.Lock()
		defer mu.Unlock()
		v, err := goodNotes.Deserialize(b)
		if len(v.Tags) > 0 {
			maps.Copy(tags, v.Tags)
		}
		if len(tags) > 0 {
			v.Tags = tags
		}
		return v, err
	}}
}

// serialOnly returns a serde that notices being used by two goroutines.
func serialOnly() kvstore.Serde[note] {
	var mu sync.Mutex
	first := make(chan struct{})
	rounds := 0
	return brokenNotes{serialize: func(v note) ([]byte, error) {
		mu.Lock()
		rounds++
		n := rounds
		mu.Unlock()
		if n == len(noteSamples().Values)*100 { // further than one goroutine gets
			close(first)
		}
		select {
		case <-first:
			return nil, fmt.Errorf("used by several goroutines")
		default:
			return goodNotes.Serialize(v)
		}
	}}
}

func TestSerdeSamplesAreChecked(t *testing.T) {
	for name, samples := range map[string]SerdeSamples[note]{
		"none":       {},
		"one":        {Values: []note{{}}},
		"equal ones": {Values: []note{{Text: "a"}, {Text: "a"}}},
		"equal by Equal": {
			Values: []note{{Text: "a"}, {Text: "b"}},
			Equal:  func(_, _ note) bool { return true },
		},
	} {
		if err := CheckSerde(goodNotes, samples); err == nil || !strings.Contains(err.Error(), "at least two values") {
			t.Errorf("%s: CheckSerde = %v, want an error that asks for values", name, err)
		}
	}
	if err := CheckSerde(nil, noteSamples()); err == nil {
		t.Error("CheckSerde(nil) = nil, want an error")
	}
	if err := CheckSerde(goodNotes, SerdeSamples[note]{Values: noteSamples().Values}); err != nil {
		t.Errorf("CheckSerde = %v, want nil: rules without samples are left out", err)
	}
}
