package sim

import (
	"errors"
	"fmt"
	"iter"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// A PlanError is a line of a plan's text that cannot be read.
type PlanError struct {
	// Line counts from 1; it is 0 when the error concerns no particular line.
	Line int
	// Err says what is wrong.
	Err error
}

// Error gives the line and what is wrong with it.
func (e *PlanError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%v: %v", ErrPlan, e.Err)
	}
	return fmt.Sprintf("%v: line %d: %v", ErrPlan, e.Line, e.Err)
}

// Unwrap returns what is wrong.
func (e *PlanError) Unwrap() error { return e.Err }

// Is makes every PlanError an ErrPlan.
func (e *PlanError) Is(target error) bool { return target == ErrPlan }

// String returns the plan as text that ParsePlan reads: one line for each part,
// then one for each fault. Settings that are zero are left out.
//
//	kvsim-plan 1
//	scenario lag
//	seed 7
//	world clients=4 brokers=3 latency.min=100µs latency.mean=400µs
//	workload ops=200 keys=24 timeout=5s put=40 get=30
//	phases before=1s faults=10s after=1s converge=1m0s
//	floors before=10 during=10 after=10 hits=1
//	lag client=c2 from=1.2s for=800ms
func (p Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "kvsim-plan %d\n", PlanVersion)
	if p.Scenario != "" {
		fmt.Fprintf(&b, "scenario %s\n", quoteWord(p.Scenario))
	}
	fmt.Fprintf(&b, "seed %d\n", p.Seed)
	for _, s := range p.sections() {
		if text := encodeFields(s.value); text != "" {
			fmt.Fprintf(&b, "%s %s\n", s.name, text)
		}
	}
	for _, f := range p.Faults {
		b.WriteString(f.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// MarshalText returns String as bytes.
func (p Plan) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is ParsePlan.
func (p *Plan) UnmarshalText(text []byte) error {
	q, err := ParsePlan(string(text))
	if err != nil {
		return err
	}
	*p = q
	return nil
}

type section struct {
	name  string
	value any
}

func (p *Plan) sections() []section {
	return []section{{"world", &p.World}, {"workload", &p.Workload}, {"phases", &p.Phases}, {"floors", &p.Floors}}
}

// ParsePlan reads the text of a plan. Empty lines and lines that begin with #
// are ignored, and so is a byte order mark. The error is a *PlanError that names
// the line; a number below zero is one. The plan is not validated.
func ParsePlan(text string) (Plan, error) {
	var p Plan
	seen := map[string]int{}
	versioned := false
	text = strings.TrimPrefix(text, "\ufeff") // a byte order mark
	lines := 0
	for line := range strings.SplitSeq(text, "\n") {
		i := lines
		lines++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fail := func(err error) error { return &PlanError{Line: i + 1, Err: err} }
		word, rest, _ := strings.Cut(line, " ")
		rest = strings.TrimSpace(rest)
		if !versioned {
			if word != "kvsim-plan" {
				return Plan{}, fail(fmt.Errorf("a plan begins with the line \"kvsim-plan %d\", this begins with %q", PlanVersion, word))
			}
			if rest != strconv.Itoa(PlanVersion) {
				return Plan{}, fail(fmt.Errorf("the plan is of version %q, this program reads version %d", rest, PlanVersion))
			}
			versioned = true
			continue
		}
		known, err := p.parseLine(word, rest)
		if err == nil && known {
			if seen[word] > 0 {
				err = fmt.Errorf("%s was given in line %d already", word, seen[word])
			}
			seen[word] = i + 1
		} else if err == nil {
			var f Fault
			if len(p.Faults) == mostFaults {
				err = fmt.Errorf("this is fault %d, and a plan may have %d", mostFaults+1, mostFaults)
			} else if f, err = ParseFault(line); err == nil {
				p.Faults = append(p.Faults, f)
			}
		}
		if err != nil {
			return Plan{}, fail(err)
		}
	}
	if !versioned {
		return Plan{}, &PlanError{Err: fmt.Errorf("the text is empty: a plan begins with the line \"kvsim-plan %d\"", PlanVersion)}
	}
	return p, nil
}

// parseLine reads a line that is not a fault; known is false for a fault.
func (p *Plan) parseLine(word, rest string) (known bool, err error) {
	switch word {
	case "scenario":
		words, err := splitWords(rest)
		if err == nil && len(words) != 1 {
			err = fmt.Errorf("scenario takes one name")
		}
		if err == nil {
			p.Scenario = words[0]
		}
		return true, err
	case "seed":
		p.Seed, err = strconv.ParseUint(rest, 10, 64)
		if err != nil {
			err = fmt.Errorf("seed %q is not a number from 0 to 18446744073709551615", rest)
		}
		return true, err
	}
	for _, s := range p.sections() {
		if s.name == word {
			return true, decodeFields(word, rest, s.value)
		}
	}
	return false, nil
}

// encodeFields prints the fields of the struct that v points to which are not
// zero as name=value.
func encodeFields(v any) string {
	var parts []string
	for name, f := range fields(reflect.ValueOf(v).Elem()) {
		if !f.IsZero() {
			parts = append(parts, name+"="+encodeValue(f))
		}
	}
	return strings.Join(parts, " ")
}

// fields returns the tagged fields of a struct, those of embedded structs last, so that a
// fault's line ends with when it happens: all of them are embedded at the struct's end.
func fields(v reflect.Value) iter.Seq2[string, reflect.Value] {
	return func(yield func(string, reflect.Value) bool) {
		for _, sf := range reflect.VisibleFields(v.Type()) {
			if name := sf.Tag.Get("plan"); name != "" && !yield(name, v.FieldByIndex(sf.Index)) {
				return
			}
		}
	}
}

func encodeValue(f reflect.Value) string {
	switch x := f.Interface().(type) {
	case time.Duration:
		return x.String()
	case string:
		return quoteWord(x)
	case float64:
		return strconv.FormatFloat(x, 'g', -1, 64)
	}
	return fmt.Sprint(f.Interface())
}

// decodeFields reads name=value words into the struct that v points to.
func decodeFields(what, text string, v any) error {
	words, err := splitWords(text)
	if err != nil {
		return err
	}
	settings := map[string]reflect.Value{}
	var names []string
	for name, f := range fields(reflect.ValueOf(v).Elem()) {
		settings[name] = f
		names = append(names, name)
	}
	given := map[string]bool{}
	for _, w := range words {
		name, value, ok := strings.Cut(w, "=")
		f, known := settings[name]
		switch {
		case !ok:
			return fmt.Errorf("%s: %q is not of the form name=value", what, w)
		case !known:
			return fmt.Errorf("%s has no setting %q: it has %s", what, name, strings.Join(names, ", "))
		case given[name]:
			return fmt.Errorf("%s: %s is given twice", what, name)
		}
		given[name] = true
		if err := decodeValue(value, f); err != nil {
			return fmt.Errorf("%s: %s=%s: %w", what, name, value, err)
		}
	}
	return nil
}

// errNegative is the error for a number below zero, which a plan can't have.
var errNegative = errors.New("a number in a plan is not below zero")

func decodeValue(s string, f reflect.Value) error {
	if _, ok := f.Interface().(time.Duration); ok {
		d, err := time.ParseDuration(s)
		if err != nil {
			return fmt.Errorf("not a duration such as 800ms or 1.2s")
		}
		if d < 0 {
			return errNegative
		}
		f.SetInt(int64(d))
		return nil
	}
	switch f.Kind() {
	case reflect.String:
		f.SetString(s)
	case reflect.Bool:
		b, err := strconv.ParseBool(s)
		if err != nil {
			return fmt.Errorf("not true or false")
		}
		f.SetBool(b)
	case reflect.Float64:
		x, err := strconv.ParseFloat(s, 64)
		if err != nil || x != x {
			return fmt.Errorf("not a number")
		}
		if x < 0 {
			return errNegative
		}
		f.SetFloat(x)
	default:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || f.OverflowInt(n) {
			return fmt.Errorf("not a whole number")
		}
		if n < 0 {
			return errNegative
		}
		f.SetInt(n)
	}
	return nil
}

// quoteWord quotes a string that would not be read back as one word.
func quoteWord(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '"' || r == '\\' || r == 0x7f || r == 0xfffd }) {
		return strconv.Quote(s)
	}
	return s
}

// splitWords splits at spaces, but not inside quotes, and removes the quotes.
func splitWords(s string) ([]string, error) {
	var words []string
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimLeft(s, " \t") {
		var word strings.Builder
		for s != "" && s[0] != ' ' && s[0] != '\t' {
			if s[0] != '"' {
				word.WriteByte(s[0])
				s = s[1:]
				continue
			}
			quoted, err := strconv.QuotedPrefix(s)
			if err != nil {
				return nil, fmt.Errorf("a quote in %q does not end", s)
			}
			plain, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, fmt.Errorf("%s is not a quoted string", quoted)
			}
			word.WriteString(plain)
			s = s[len(quoted):]
		}
		words = append(words, word.String())
	}
	return words, nil
}
