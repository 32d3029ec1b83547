package kvstore_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

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
