package kvstore

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"sync"
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

// dialing is how a kgo client connects to brokers: by the user's dialer, or as franz-go does,
// with TLS if the user gave it. It is used once timeout is set.
type dialing struct {
	user    dialFunc
	tls     *tls.Config
	timeout time.Duration // of franz-go's own dialer

	once sync.Once
	own  dialFunc
}

// newDialing finds out what the user gave. opts are all options, which franz-go accepts.
func newDialing(opts, user []kgo.Opt) *dialing {
	d := &dialing{}
	if cl := alone(opts, user, kgo.DialTLSConfig(&tls.Config{})); cl != nil { //nolint:gosec // it dials nothing
		d.user = dialer(cl)
	}
	if cl := alone(opts, user, kgo.Dialer(d.dial)); cl != nil {
		d.tls, _ = cl.OptValue(kgo.DialTLSConfig).(*tls.Config)
	}
	return d
}

// dial makes the user's dialer respect a context that has ended before the call, as
// franz-go's own does, and gives it mostDial for a connection.
//
// kgo sets up one connection to a broker at a time, and dials for each request that waits,
// even if its sender has left. A dialer that ignored the context would spend seconds on
// each of those requests, ten more at a broker that accepts connections and says nothing,
// and they would pile up.
func (d *dialing) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.user == nil {
		d.once.Do(d.franzGos)
		return d.own(ctx, network, addr)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, mostDial)
	defer cancel()
	return d.user(ctx, network, addr)
}

// franzGos takes franz-go's own dialer from a client.
func (d *dialing) franzGos() {
	cl, err := kgo.NewClient(kgo.DialTimeout(d.timeout), kgo.DialTLSConfig(d.tls))
	if err != nil {
		d.own = func(context.Context, string, string) (net.Conn, error) { return nil, err }
		return
	}
	defer cl.Close()
	d.own = dialer(cl)
}

// alone returns a client that has only the last of the user's options which franz-go refuses
// together with another one; nil if it accepts that together with all opts. An option can't be asked what it is, but franz-go refuses
// a dialer together with its own TLS. The client is closed: it tells what the option is, and
// the user's hooks do not see it.
func alone(opts, user []kgo.Opt, other kgo.Opt) *kgo.Client {
	if kgo.ValidateOpts(append(slices.Clip(opts), other)...) == nil {
		return nil
	}
	// Checking options is what opening a client spends most of its time with.
	for _, opt := range slices.Backward(user) {
		if kgo.ValidateOpts(other, opt) == nil || kgo.ValidateOpts(opt) != nil {
			continue
		}
		cl, err := kgo.NewClient(opt)
		if err != nil {
			return nil
		}
		cl.Close()
		return cl
	}
	return nil
}
