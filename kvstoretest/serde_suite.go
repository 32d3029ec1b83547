package kvstoretest

import (
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/kvsim/kvsim/kvstore"
)

// SerdeSamples is what [TestSerde] has to know of a serde's values.
type SerdeSamples[T any] struct {
	// Values are values to serialize: at least two that are not equal. They
	// should cover the empty value, long ones, and each kind of field.
	Values []T

	// Refused are values that Serialize has to refuse, such as a nil
	// message. May be empty.
	Refused []T

	// Garbage are inputs that Deserialize has to refuse. May be empty.
	Garbage [][]byte

	// Deterministic says that equal values must give equal bytes.
	Deterministic bool

	// Equal tells whether two values are the same. Nil means proto.Equal
	// for protobuf messages and reflect.DeepEqual for everything else.
	Equal func(a, b T) bool
}

// TestSerde checks that a serde keeps the rules of [kvstore.Serde], each rule
// in a subtest of its own. A rule that needs samples which are not given is
// skipped with a message. Run the test with -race: the rule on concurrency
// finds more with it.
//
//	func TestCitySerde(t *testing.T) {
//		kvstoretest.TestSerde(t, CitySerde{}, kvstoretest.SerdeSamples[City]{
//			Values:  []City{{}, {Name: "Bonn"}},
//			Garbage: [][]byte{[]byte("{")},
//		})
//	}
func TestSerde[T any](t *testing.T, serde kvstore.Serde[T], samples SerdeSamples[T]) {
	t.Helper()
	if err := samples.validate(serde); err != nil {
		t.Fatal(err)
	}
	for _, rule := range serdeRules[T]() {
		testRule(t, rule.name, rule.says, func(testing.TB) error { return rule.run(serde, samples) })
	}
}

// CheckSerde is [TestSerde] without a test: it returns what it found as one
// error made with [errors.Join], or nil when every rule held. Rules that need
// samples which are not given are left out.
func CheckSerde[T any](serde kvstore.Serde[T], samples SerdeSamples[T]) error {
	if err := samples.validate(serde); err != nil {
		return err
	}
	var errs []error
	for _, rule := range serdeRules[T]() {
		errs = append(errs, brokenRule(rule.name, rule.says, rule.run(serde, samples)))
	}
	return errors.Join(errs...)
}

// validate makes sure that the rules have something to work with.
func (s SerdeSamples[T]) validate(serde kvstore.Serde[T]) error {
	if serde == nil {
		return errors.New("there is no serde to check")
	}
	for _, v := range s.Values {
		if !s.equal(v, s.Values[0]) {
			return nil
		}
	}
	return errors.New("SerdeSamples.Values needs at least two values that are not equal")
}

func (s SerdeSamples[T]) equal(a, b T) bool {
	if s.Equal != nil {
		return s.Equal(a, b)
	}
	if a, ok := any(a).(proto.Message); ok {
		b, ok := any(b).(proto.Message)
		return ok && proto.Equal(a, b)
	}
	return reflect.DeepEqual(a, b)
}

// errNothingToCheck says that a rule does not concern the serde, or has no
// samples to work with.
var errNothingToCheck = errors.New("nothing to check")

// serdeRule is one thing that every serde has to do.
type serdeRule[T any] struct {
	name  string // name of the subtest
	says  string // the rule as a sentence
	check func(*serdeProbe[T])
}

// run checks the rule. A panic of the serde is an error.
func (r serdeRule[T]) run(serde kvstore.Serde[T], samples SerdeSamples[T]) (err error) {
	p := &serdeProbe[T]{serde: serde, SerdeSamples: samples}
	defer func() {
		v := recover()
		if skip, ok := v.(error); ok && errors.Is(skip, errNothingToCheck) {
			err = skip
			return
		}
		if v != nil {
			p.errorf("panic: %v\n%s", v, debug.Stack())
		}
		err = p.err()
	}()
	r.check(p)
	return nil // set by the deferred function
}

// serdeRules returns the table of all rules.
func serdeRules[T any]() []serdeRule[T] {
	return []serdeRule[T]{
		{"round-trip", "Deserialize of what Serialize returned gives an equal value", (*serdeProbe[T]).roundTrip},
		{"serialize-never-returns-nil", "Serialize returns an empty slice for an empty value, never nil", (*serdeProbe[T]).neverNil},
		{"serialize-leaves-its-value", "Serialize does not change the value it is given", (*serdeProbe[T]).valueStays},
		{"serialized-bytes-are-the-callers", "what Serialize returned is neither kept nor shared with the value", (*serdeProbe[T]).outputIsFree},
		{"serialize-refuses", "Serialize returns an error and no bytes for values that are not allowed", (*serdeProbe[T]).refuses},
		{"equal-values-give-equal-bytes", "Serialize returns the same bytes for equal values every time", (*serdeProbe[T]).deterministic},
		{"deserialize-leaves-its-input", "Deserialize does not change the bytes it is given", (*serdeProbe[T]).inputStays},
		{"deserialize-keeps-nothing", "a value stays as it is when the bytes that it came from are changed", (*serdeProbe[T]).inputIsFree},
		{"values-are-separate", "a value stays as it is when another one is deserialized, and takes nothing over from it", (*serdeProbe[T]).separate},
		{"garbage-is-an-error", "Deserialize returns an error for bytes that hold no value", (*serdeProbe[T]).garbage},
		{"no-input-panics", "Deserialize of cut and damaged bytes returns", (*serdeProbe[T]).damaged},
		{"context-makes-no-difference", "DeserializeContext with a live context gives what Deserialize gives", (*serdeProbe[T]).context},
		{"concurrent-use", "Serialize and Deserialize work from many goroutines at once", (*serdeProbe[T]).concurrent},
	}
}

// serdeProbe works on one serde and notes what is wrong.
type serdeProbe[T any] struct {
	SerdeSamples[T]
	serde kvstore.Serde[T]

	findings
}

func (p *serdeProbe[T]) errorf(format string, args ...any) {
	for i, arg := range args {
		if v, ok := arg.(T); ok {
			args[i] = show(v)
		}
	}
	p.findings.errorf(format, args...)
}

// show prints a value, cut when it is long.
func show(v any) string {
	const most = 200
	s := fmt.Sprintf("%+v", v)
	if len(s) > most {
		return fmt.Sprintf("%s... (%d bytes)", s[:most], len(s))
	}
	return s
}

// skip ends the check of a rule that has nothing to work with.
func (p *serdeProbe[T]) skip(why string) {
	panic(fmt.Errorf("%w: %s", errNothingToCheck, why))
}

// serialize returns the bytes of v. An error is noted.
func (p *serdeProbe[T]) serialize(v T) ([]byte, bool) {
	b, err := p.serde.Serialize(v)
	if err != nil {
		p.errorf("Serialize(%v) = %v, want no error", v, err)
	}
	return b, err == nil
}

// deserialize returns the value in b. An error is noted.
func (p *serdeProbe[T]) deserialize(b []byte) (T, bool) {
	v, err := p.serde.Deserialize(b)
	if err != nil {
		p.errorf("Deserialize(%s) = %v, want no error", quote(string(b)), err)
	}
	return v, err == nil
}
