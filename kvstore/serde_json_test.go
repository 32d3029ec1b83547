package kvstore_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/kvsim/kvsim/kvstore"
)

type city struct {
	Name  string            `json:"name"`
	Size  int               `json:"size,omitempty"`
	Tags  map[string]string `json:"tags,omitempty"`
	Outer *city             `json:"outer,omitempty"`
}

func TestJSONRoundTrip(t *testing.T) {
	serde := kvstore.JSON[city]()
	rapid.Check(t, func(rt *rapid.T) {
		want := rapid.Make[city]().Draw(rt, "city")
		b, err := serde.Serialize(want)
		if err != nil {
			rt.Fatalf("Serialize(%+v): %v", want, err)
		}
		got, err := serde.Deserialize(b)
		if err != nil {
			rt.Fatalf("Deserialize(%s): %v", b, err)
		}
		// An empty map is left out of the JSON and comes back as nil.
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			rt.Fatalf("Deserialize(%s) differs (-want +got):\n%s", b, diff)
		}
		again, err := serde.Serialize(got)
		if err != nil || !bytes.Equal(again, b) {
			rt.Fatalf("Serialize(Deserialize(%s)) = %s, %v", b, again, err)
		}
	})
}

func TestJSONNullIsAValue(t *testing.T) {
	serde := kvstore.JSON[*city]()
	b := mustSerialize(t, serde, nil)
	if string(b) != "null" {
		t.Errorf("Serialize(nil) = %q, want null", b)
	}
	if got, err := serde.Deserialize(b); got != nil || err != nil {
		t.Errorf("Deserialize(null) = %v, %v; want nil", got, err)
	}
}

func TestJSONGivesNoHalfValue(t *testing.T) {
	serde := kvstore.JSON[city]()
	for _, in := range []string{"", "{", `{"name":"a","size":"large"}`, `{"name":"a"} trailing`, `[]`} {
		got, err := serde.Deserialize([]byte(in))
		if err == nil || !reflect.DeepEqual(got, city{}) {
			t.Errorf("Deserialize(%q) = %+v, %v; want the zero value and an error", in, got, err)
		}
	}
	if b, err := kvstore.JSON[func()]().Serialize(func() {}); err == nil || b != nil {
		t.Errorf("Serialize(func) = %q, %v; want an error alone", b, err)
	}
}

func TestJSONKeepsNothingOfItsInput(t *testing.T) {
	serde := kvstore.JSON[json.RawMessage]()
	in := []byte(`"abc"`)
	got, err := serde.Deserialize(in)
	if err != nil {
		t.Fatal(err)
	}
	in[1] = 'x'
	if string(got) != `"abc"` {
		t.Errorf("value = %s after its input was changed, want it unchanged", got)
	}
}

// shout and echo marshal by themselves.
type shout struct{ s string }

func (s shout) MarshalText() ([]byte, error) { return []byte(strings.ReplaceAll(s.s, "a", "A")), nil }

type echo struct{ s string }

func (e echo) MarshalJSON() ([]byte, error) { return json.Marshal(map[string]string{"echo": e.s}) }

func TestJSONNeverChangesAValueInSilence(t *testing.T) {
	many := map[string]int{}
	for i := range 100 {
		many[strings.Repeat("k", i+1)] = i
	}
	for name, tc := range map[string]struct {
		value any
		says  []string // nil: it is stored
	}{
		"string":               {"a\xffb", []string{"not valid UTF-8", "at $"}},
		"cut character":        {"\xe2\x82", []string{"not valid UTF-8"}},
		"surrogate in UTF-8":   {"\xed\xa0\x80", []string{"not valid UTF-8"}},
		"field":                {city{Name: "\xff"}, []string{"$.name", "not valid UTF-8"}},
		"nested":               {city{Outer: &city{Tags: map[string]string{"t": "\xff"}}}, []string{"$.outer.tags.t"}},
		"key":                  {map[string]int{"a\xff": 1}, []string{"the key", "not valid UTF-8"}},
		"two keys as one":      {map[string]int{"a\xff": 1, "a\xfe": 2}, []string{"the key", "not valid UTF-8"}},
		"in a slice":           {[]string{"a", "\xff"}, []string{"$[1]"}},
		"in an interface":      {map[string]any{"k": []any{1, "\xff"}}, []string{"$.k[1]"}},
		"after a nested one":   {map[string]any{"a": map[string]int{"x": 1}, "b": "\xff"}, []string{"$.b "}},
		"array":                {[2]string{"\xff", ""}, []string{"$[0]"}},
		"text marshalers":      {map[shout]int{{"a"}: 1, {"A"}: 2}, []string{"the key", "twice"}},
		"text, bad":            {shout{"\xff"}, []string{"not valid UTF-8"}},
		"marshaler":            {echo{"\xff"}, []string{"$.echo"}},
		"raw, bad":             {json.RawMessage("\"\xff\""), []string{"not valid UTF-8"}},
		"raw, half a pair":     {json.RawMessage(`"\ud800"`), []string{"surrogate"}},
		"raw, other half":      {json.RawMessage(`"\udc00"`), []string{"surrogate"}},
		"raw, two high halves": {json.RawMessage(`"\ud800\ud800"`), []string{"surrogate"}},
		"raw, high, character": {json.RawMessage(`"\ud800\u0041"`), []string{"surrogate"}},
		"raw, key twice":       {json.RawMessage(`{"a":1,"b":{"a":2},"\u0061":3}`), []string{"the key", `"a"`, "twice"}},

		"replacement character": {"a\uFFFDb", nil},
		"spelled out":           {`\ufffd`, nil},
		"a pair":                {json.RawMessage(`"\ud83d\ude00"`), nil},
		"emoji":                 {"\U0001F600", nil},
		"escapes":               {"\x00\u2028<&>\"\\\n", nil},
		"bytes":                 {[]byte{0xff, 0xfe}, nil},
		"many keys":             {many, nil},
		"same key in siblings":  {[]map[string]int{{"a": 1}, {"a": 2}}, nil},
		"same key inside":       {map[string]any{"a": map[string]any{"a": 1}, "b": map[string]any{"a": 1}}, nil},
		"keys in other case":    {map[string]int{"a": 1, "A": 2}, nil},
		"empty key":             {map[string]int{"": 1}, nil},
		"number":                {1.5, nil},
	} {
		b, err := kvstore.JSON[any]().Serialize(tc.value)
		if tc.says == nil {
			if err != nil {
				t.Errorf("%s: Serialize(%q): %v", name, tc.value, err)
			} else if _, err := kvstore.JSON[any]().Deserialize(b); err != nil {
				t.Errorf("%s: Deserialize(%q): %v", name, b, err)
			}
			continue
		}
		if !errors.Is(err, kvstore.ErrLossyJSON) || b != nil {
			t.Errorf("%s: Serialize(%q) = %q, %v; want ErrLossyJSON alone", name, tc.value, b, err)
			continue
		}
		for _, s := range tc.says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%s: Serialize = %q, want it to say %q", name, err, s)
			}
		}
	}
}

func TestJSONRefusesStoredBytesThatItWouldChange(t *testing.T) {
	var twice strings.Builder
	for i := range 40 {
		twice.WriteString(`"` + strings.Repeat("k", i+1) + `":1,`)
	}
	for _, in := range []string{
		"{\"name\":\"\xff\"}", `{"name":"\ud800"}`, `{"name":"a","name":"b"}`, `{"tags":{"a":"1","a":"2"}}`,
		`{"unknown":[{"x":1,"x":2}]}`, `{"name":"a","n\u0061me":"b"}`, "{\"tags\":{\"\xff\":\"\"}}",
		`{"unknown":{` + twice.String() + `"kkk":1}}`,
	} {
		got, err := kvstore.JSON[city]().Deserialize([]byte(in))
		if !errors.Is(err, kvstore.ErrLossyJSON) || !reflect.DeepEqual(got, city{}) {
			t.Errorf("Deserialize(%q) = %+v, %v; want the zero value and ErrLossyJSON", in, got, err)
		}
	}
	for _, in := range []string{`{"name":"\ufffd"}`, `{"name":"\ud83d\ude00"}`, `{"unknown":{` + twice.String() + `"x":1}}`} {
		if _, err := kvstore.JSON[city]().Deserialize([]byte(in)); err != nil {
			t.Errorf("Deserialize(%q): %v", in, err)
		}
	}
}

// quoted has strings that encoding/json writes as JSON in JSON.
type quoted struct {
	S     string   `json:"s,string"`
	P     *string  `json:",string"`
	Plain string   `json:"plain"`
	More  []quoted `json:"more"`
}

func TestJSONKeepsQuotedStringsOrRefusesThem(t *testing.T) {
	serde := kvstore.JSON[[]quoted]()
	anyString := rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]byte("a\"\\\xff\xef\xbf\xbd")), 0, 6), func(b []byte) string { return string(b) })
	rapid.Check(t, func(rt *rapid.T) {
		s, p, plain := anyString.Draw(rt, "s"), anyString.Draw(rt, "p"), anyString.Draw(rt, "plain")
		want := []quoted{{More: []quoted{{S: s, P: &p, Plain: plain}}}}
		b, err := serde.Serialize(want)
		valid := utf8.ValidString(s) && utf8.ValidString(p) && utf8.ValidString(plain)
		if valid != (err == nil) || err != nil && !errors.Is(err, kvstore.ErrLossyJSON) {
			rt.Fatalf("Serialize(%q, %q, %q) = %v, want an error: %t", s, p, plain, err, !valid)
		}
		if err != nil {
			return
		}
		if got, err := serde.Deserialize(b); err != nil || !reflect.DeepEqual(got, want) {
			rt.Fatalf("Deserialize(%q) = %+v, %v; want %+v", b, got, err, want)
		}
	})
	if got, err := serde.Deserialize([]byte(`[{"s":"\"\\ud800\""}]`)); !errors.Is(err, kvstore.ErrLossyJSON) {
		t.Errorf("half of a surrogate pair in a quoted string: %+v, %v; want ErrLossyJSON", got, err)
	}
}

// A type may contain itself.
type chain []chain

func TestJSONOfATypeThatContainsItself(t *testing.T) {
	want := chain{{}, {{}}}
	b, err := kvstore.JSON[chain]().Serialize(want)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := kvstore.JSON[chain]().Deserialize(b); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Deserialize(%q) = %v, %v; want %v", b, got, err, want)
	}
}

// What the serde accepts comes back as it was, whatever the bytes of strings.
func TestJSONKeepsStringsOrRefusesThem(t *testing.T) {
	serde := kvstore.JSON[map[string]string]()
	anyString := rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })
	rapid.Check(t, func(rt *rapid.T) {
		want := rapid.MapOf(anyString, anyString).Draw(rt, "map")
		b, err := serde.Serialize(want)
		valid := true
		for k, v := range want {
			valid = valid && utf8.ValidString(k) && utf8.ValidString(v)
		}
		if valid != (err == nil) {
			rt.Fatalf("Serialize(%q) = %v, want an error: %t", want, err, !valid)
		}
		if err != nil {
			return
		}
		if got, err := serde.Deserialize(b); err != nil || !reflect.DeepEqual(got, want) {
			rt.Fatalf("Deserialize(%q) = %q, %v; want %q", b, got, err, want)
		}
	})
}
