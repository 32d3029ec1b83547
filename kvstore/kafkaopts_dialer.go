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

// mostDial bounds how long a dialer given by the user may take, if it respects its context.
// It is meant for one without a limit of its own: franz-go's uses kgo.DialTimeout.
const mostDial = 30 * time.Second

// heedful returns the option that makes the user's dialer respect a context that has ended
// before the call, as franz-go's own does, and gives it mostDial for a connection; none if
// the user gave no dialer.
//
// kgo sets up one connection to a broker at a time, and dials for each request that waits,
// even if its sender has left. A dialer that ignored the context would spend seconds on
// each of those requests, ten more at a broker that accepts connections and says nothing,
// and they would pile up.
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

// givenDialer returns the dialer of the last kgo.Dialer among the options, nil for none. An
// option can't be asked what it is, but franz-go refuses a dialer together with its own
// TLS. A client with that option alone tells what it is: the user's hooks do not see that
// client.
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
