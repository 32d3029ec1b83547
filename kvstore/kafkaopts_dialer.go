package kvstore

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// dialFunc is how a kgo client reaches a broker.
type dialFunc = func(ctx context.Context, network, addr string) (net.Conn, error)

// dialer returns the dialer of a kgo client, TLS included.
func dialer(cl *kgo.Client) dialFunc {
	return cl.OptValue(kgo.Dialer).(dialFunc)
}

// mostDial bounds how long a dialer that the user gave may take, if it heeds its context. It is
// meant for one without a limit of its own: franz-go's takes kgo.DialTimeout.
const mostDial = 30 * time.Second

// heedful returns the option that makes the user's dialer heed contexts that have ended
// before it is called, as franz-go's own does, and gives it mostDial for a connection; none if
// the user gave no dialer.
//
// kgo sets up one connection to a broker at a time, and dials for each request that waits,
// even if whoever sent it has gone. A dialer that did not look at the context would take those
// requests seconds each, at a broker that takes connections and says nothing ten more, and
// they would pile up.
func heedful(user []kgo.Opt) []kgo.Opt {
	dial := givenDialer(user)
	if dial == nil {
		return nil
	}
	return []kgo.Opt{kgo.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, mostDial)
		defer cancel()
		return dial(ctx, network, addr)
	})}
}

// givenDialer returns what the last kgo.Dialer among the options gives, nil for none. An
// option can't be asked what it is, but franz-go refuses a dialer beside its own TLS. A
// client of that option alone says what it gives: hooks of the user do not meet it.
func givenDialer(user []kgo.Opt) dialFunc {
	var last kgo.Opt
	for _, opt := range user {
		alone := kgo.ValidateOpts(opt)
		if alone == nil && kgo.ValidateOpts(kgo.DialTLSConfig(&tls.Config{}), opt) != nil { //nolint:gosec // it dials nothing
			last = opt
		}
	}
	if last == nil {
		return nil
	}
	cl, err := kgo.NewClient(last)
	if err != nil {
		return nil
	}
	defer cl.Close()
	return dialer(cl)
}
