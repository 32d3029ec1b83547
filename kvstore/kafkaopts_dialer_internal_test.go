package kvstore

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A dialer that looks at no context is not called for one that has ended, and of several the
// last one counts.
func TestGivenDialerHeedsContexts(t *testing.T) {
	calls := ""
	named := func(name string) kgo.Opt {
		return kgo.Dialer(func(context.Context, string, string) (net.Conn, error) {
			calls += name
			return nil, errors.New(name)
		})
	}
	user := []kgo.Opt{kgo.ClientID("x"), named("a"), named("b"), kgo.SeedBrokers("x:1")}
	d := newDialing(user, user)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.dial(ended, "tcp", "x:1"); !errors.Is(err, context.Canceled) || calls != "" {
		t.Errorf("dialing with a context that has ended = %v, the dialers called: %q", err, calls)
	}
	if _, err := d.dial(t.Context(), "tcp", "x:1"); err == nil || calls != "b" {
		t.Errorf("dialing = %v, the dialers called: %q, want b", err, calls)
	}
}

// Where nobody gave a dialer, franz-go's dials, with the TLS that was given last.
func TestDialerIsFranzGosUnlessOneWasGiven(t *testing.T) {
	ours := kgo.Dialer(func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("ours") })
	a, b := &tls.Config{ServerName: "a"}, &tls.Config{ServerName: "b"} //nolint:gosec // nothing is dialed
	for name, tc := range map[string]struct {
		user []kgo.Opt
		tls  *tls.Config
	}{
		"nothing":    {nil, nil},
		"others":     {[]kgo.Opt{kgo.ClientID("x"), kgo.DialTimeout(1)}, nil},
		"nil":        {[]kgo.Opt{kgo.Dialer(nil)}, nil},
		"taken back": {[]kgo.Opt{ours, kgo.Dialer(nil)}, nil},
		"TLS":        {[]kgo.Opt{kgo.DialTLSConfig(a), kgo.ClientID("x")}, a},
		"two":        {[]kgo.Opt{kgo.DialTLSConfig(a), kgo.DialTLSConfig(b)}, b},
		"no TLS":     {[]kgo.Opt{kgo.DialTLSConfig(a), kgo.DialTLSConfig(nil)}, nil},
	} {
		d := newDialing(append([]kgo.Opt{kgo.SeedBrokers("x:1")}, tc.user...), tc.user)
		if d.user != nil || d.tls != tc.tls {
			t.Errorf("%s: a dialer of the user's: %v, TLS %p, want %p", name, d.user != nil, d.tls, tc.tls)
		}
	}
}
