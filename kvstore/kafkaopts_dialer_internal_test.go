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
// last one counts. Where nobody gave a dialer franz-go's stays.
func TestGivenDialerHeedsContexts(t *testing.T) {
	calls := ""
	named := func(name string) kgo.Opt {
		return kgo.Dialer(func(context.Context, string, string) (net.Conn, error) {
			calls += name
			return nil, errors.New(name)
		})
	}
	for _, opts := range [][]kgo.Opt{nil, {kgo.ClientID("x")}, {kgo.DialTLSConfig(&tls.Config{})}, {kgo.DialTimeout(1)}, {kgo.Dialer(nil)}} { //nolint:gosec // it dials nothing
		if own := heedful(opts); own != nil {
			t.Errorf("heedful(%v) = %d options, want none", opts, len(own))
		}
	}
	user := []kgo.Opt{kgo.ClientID("x"), named("a"), named("b"), kgo.SeedBrokers("x:1")}
	cl, err := kgo.NewClient(append(user, heedful(user)...)...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := dialer(cl)(ended, "tcp", "x:1"); !errors.Is(err, context.Canceled) || calls != "" {
		t.Errorf("dialing with a context that has ended = %v, the dialers called: %q", err, calls)
	}
	if _, err := dialer(cl)(t.Context(), "tcp", "x:1"); err == nil || calls != "b" {
		t.Errorf("dialing = %v, the dialers called: %q, want b", err, calls)
	}
}
