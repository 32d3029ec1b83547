package kvstore_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"pgregory.net/rapid"

	"github.com/kvsim/kvsim/kvstore"
)

func newString() *wrapperspb.StringValue { return new(wrapperspb.StringValue) }

func plainProto[T proto.Message](t testing.TB, factory func() T) kvstore.Serde[T] {
	t.Helper()
	serde, err := kvstore.Proto(factory)
	if err != nil {
		t.Fatal(err)
	}
	return serde
}

func TestNilMessageIsAnError(t *testing.T) {
	generated := plainProto(t, newString)
	_, err := generated.Serialize(nil)
	wantError(t, "Serialize(typed nil)", err, kvstore.ErrNilMessage)

	anyMessage := plainProto(t, func() proto.Message { return newString() })
	_, err = anyMessage.Serialize(nil)
	wantError(t, "Serialize(nil interface)", err, kvstore.ErrNilMessage)
	_, err = anyMessage.Serialize((*wrapperspb.StringValue)(nil))
	wantError(t, "Serialize(typed nil in an interface)", err, kvstore.ErrNilMessage)

	user := compile(t, "acme.User", userSchema, nil)
	dynamic := plainProto(t, newOf(user))
	_, err = dynamic.Serialize(nil)
	wantError(t, "Serialize(nil dynamic message)", err, kvstore.ErrNilMessage)
	zero, ok := user.Zero().Interface().(*dynamicpb.Message)
	if !ok {
		t.Fatal("the zero message has another type")
	}
	_, err = dynamic.Serialize(zero)
	wantError(t, "Serialize(read-only zero message)", err, kvstore.ErrNilMessage)

	f := newFakeRegistry()
	_, err = registrySerde(t, f, user, userSchema).Serialize(nil)
	wantError(t, "Serialize(nil) with a registry", err, kvstore.ErrNilMessage)
}

func TestEmptyMessageIsAValue(t *testing.T) {
	serde := plainProto(t, newString)
	b, err := serde.Serialize(newString())
	if err != nil || b == nil || len(b) != 0 {
		t.Errorf("Serialize(empty message) = %#v, %v; want an empty slice that is not nil", b, err)
	}
	wantMessage(t, serde, b, newString())
	wantMessage(t, serde, nil, newString())
}

func TestFactoryThatGivesNothing(t *testing.T) {
	_, err := kvstore.Proto[*wrapperspb.StringValue](nil)
	wantError(t, "Proto(nil)", err, nil, "factory is nil")
	_, err = kvstore.Proto(func() *wrapperspb.StringValue { return nil })
	wantError(t, "Proto(factory of typed nils)", err, nil, "factory returned nil")
	_, err = kvstore.Proto(func() proto.Message { return nil })
	wantError(t, "Proto(factory of nils)", err, nil, "factory returned nil")

	calls := 0
	serde := plainProto(t, func() *wrapperspb.StringValue {
		if calls++; calls > 1 {
			return nil
		}
		return newString()
	})
	_, err = serde.Deserialize(nil)
	wantError(t, "Deserialize", err, nil, "factory", "nil")
}

func TestSerdeNotMadeWithProto(t *testing.T) {
	for name, serde := range map[string]*kvstore.ProtoSerde[*wrapperspb.StringValue]{"zero": {}, "nil": nil} {
		_, err := serde.Deserialize([]byte{})
		wantError(t, name+" serde: Deserialize", err, nil, "not made with Proto")
	}
	b, err := new(kvstore.ProtoSerde[*wrapperspb.StringValue]).Serialize(wrapperspb.String("a"))
	if want := "\x0a\x01a"; err != nil || string(b) != want {
		t.Errorf("zero serde: Serialize = %x, %v; want %x", b, err, want)
	}
	_, err = (*kvstore.ProtoSerde[*wrapperspb.StringValue])(nil).Serialize(newString())
	wantError(t, "nil serde: Serialize", err, nil, "not made with Proto")
}

// TestOtherMessageIsRefused: read back as a StringValue, the bytes of a
// Duration would be something else, or nothing.
func TestOtherMessageIsRefused(t *testing.T) {
	serde := plainProto(t, func() proto.Message { return newString() })
	_, err := serde.Serialize(durationpb.New(1))
	wantError(t, "Serialize", err, nil, "google.protobuf.Duration", "google.protobuf.StringValue")
}

func TestProtoRefusesWhatProtobufRefuses(t *testing.T) {
	serde := plainProto(t, newString)
	if b, err := serde.Serialize(wrapperspb.String("\xff")); err == nil || b != nil {
		t.Errorf("Serialize(invalid UTF-8) = %x, %v; want an error alone", b, err)
	}
	for _, in := range []string{"\x0a\x05ann", "\x0a", "\xff", "\x0a\x01\xff", strings.Repeat("\x0b", 100)} {
		if v, err := serde.Deserialize([]byte(in)); err == nil || v != nil {
			t.Errorf("Deserialize(%q) = %v, %v; want an error alone", in, v, err)
		}
	}
	_, err := serde.Deserialize([]byte("\x00\x00\x00\x00\x07\x00\x0a\x03ann"))
	wantError(t, "Deserialize(value of a registry)", err, nil, "WithSchemaRegistry")
}

func TestUnknownFieldsAreKept(t *testing.T) {
	serde := plainProto(t, newString)
	const in = "\x0a\x01a\x78\x01" // field 15 = 1
	v, err := serde.Deserialize([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	if b := mustSerialize(t, serde, v); string(b) != in {
		t.Errorf("Serialize(Deserialize(%x)) = %x, want the same", in, b)
	}
}

func TestProtoRoundTrip(t *testing.T) {
	plain := plainProto(t, func() *structpb.Value { return new(structpb.Value) })
	f := newFakeRegistry()
	withRegistry, err := kvstore.Proto(func() *structpb.Value { return new(structpb.Value) },
		kvstore.WithSchemaRegistry(f.client(t), "s", `package google.protobuf; message Struct {} message Value {}`, kvstore.WithMessageName("Value")))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		want := structValue(3).Draw(rt, "value")
		for _, serde := range []kvstore.Serde[*structpb.Value]{plain, withRegistry} {
			b, err := serde.Serialize(want)
			if err != nil {
				rt.Fatalf("Serialize(%v): %v", want, err)
			}
			again, err := serde.Serialize(proto.CloneOf(want))
			if err != nil || !bytes.Equal(again, b) {
				rt.Fatalf("Serialize(%v) = %x, %v; then %x", want, again, err, b)
			}
			got, err := serde.Deserialize(b)
			if err != nil || !proto.Equal(got, want) {
				rt.Fatalf("Deserialize(Serialize(%v)) = %v, %v", want, got, err)
			}
		}
	})
}

// structValue draws JSON-like values of at most the given depth.
func structValue(depth int) *rapid.Generator[*structpb.Value] {
	return rapid.Custom(func(t *rapid.T) *structpb.Value {
		most := 5
		if depth == 0 {
			most = 3
		}
		switch rapid.IntRange(0, most).Draw(t, "kind") {
		case 0:
			return structpb.NewNullValue()
		case 1:
			return structpb.NewBoolValue(rapid.Bool().Draw(t, "bool"))
		case 2:
			return structpb.NewNumberValue(rapid.Float64Range(-math.MaxFloat64, math.MaxFloat64).Draw(t, "number"))
		case 3:
			return structpb.NewStringValue(rapid.String().Draw(t, "string"))
		case 4:
			list := rapid.SliceOfN(structValue(depth-1), 0, 4).Draw(t, "list")
			return structpb.NewListValue(&structpb.ListValue{Values: list})
		default:
			fields := rapid.MapOfN(rapid.String(), structValue(depth-1), 0, 4).Draw(t, "fields")
			return structpb.NewStructValue(&structpb.Struct{Fields: fields})
		}
	})
}
