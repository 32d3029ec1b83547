package kvstore

import (
	"bytes"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

func loggingIn[T any](l kgo.Logger, _ T) kgo.Opt { return kgo.WithLogger(l) }

//go:noinline
func optionOf(opt func() kgo.Opt) kgo.Opt { return opt() }

type maker struct{ l kgo.Logger }

func (m maker) WithLogger() kgo.Opt { return kgo.WithLogger(m.l) }

func (m maker) ClientID() kgo.Opt { return kgo.WithLogger(m.l) }

// The last logger among the options is the one that counts, however it was made, and gets each value
// cut. A logger before an option that can't be named is not taken for the last one.
func TestLastLoggerGetsValuesCut(t *testing.T) {
	var first, last bytes.Buffer
	one, two := kgo.BasicLogger(&first, kgo.LogLevelInfo, nil), kgo.BasicLogger(&last, kgo.LogLevelInfo, nil)
	for name, opt := range map[string]kgo.Opt{
		"plain":                   kgo.WithLogger(two),
		"generic":                 loggingIn(two, 1),
		"of a closure":            optionOf(func() kgo.Opt { return kgo.WithLogger(two) }),
		"generic, of a closure":   optionOf(func() kgo.Opt { return loggingIn(two, "") }),
		"of a method":             maker{two}.WithLogger(),
		"of a method's value":     optionOf(maker{two}.WithLogger),
		"of a method, other name": optionOf(func() kgo.Opt { return maker{two}.ClientID() }),
		"not the logger's":        struct{ kgo.Opt }{kgo.WithLogger(two)},
	} {
		t.Run(name, func(t *testing.T) {
			first.Reset()
			last.Reset()
			cl, err := kgo.NewClient(briefLogging([]kgo.Opt{kgo.WithLogger(one), opt, kgo.ClientID("id")})...)
			if err != nil {
				t.Fatal(err)
			}
			defer cl.Close()
			logger := cl.OptValue(kgo.WithLogger).(kgo.Logger)
			logger.Log(kgo.LogLevelInfo, "message", "text", strings.Repeat("x", 1<<16), "number", 1)
			_, known := nameOf(opt)
			if first.Len() > 0 || last.Len() > 1200 == known || !strings.Contains(last.String(), "message; text: xxx") ||
				!strings.HasSuffix(last.String(), "number: 1\n") {
				t.Errorf("named: %t; the first logger got %d bytes, the last %d: %.100s", known, first.Len(), last.Len(), last.String())
			}
			if want := name != "not the logger's"; known != want {
				t.Errorf("named: %t, want %t", known, want)
			}
		})
	}
}

// Without a logger nothing is added.
func TestOptionsWithoutALoggerStayAsTheyAre(t *testing.T) {
	for name, opts := range map[string][]kgo.Opt{"none": nil, "another": {kgo.ClientID("id")}, "nil": {kgo.WithLogger(nil)}} {
		if got := briefLogging(opts); len(got) != len(opts) {
			t.Errorf("%s: %d options became %d", name, len(opts), len(got))
		}
	}
}
