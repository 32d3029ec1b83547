package kvstore

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// How long a broker has for an answer before another one is asked beside it, about a
// second for the first one, and less for each of the others. They are no round numbers,
// so that in simulated time none of these questions falls on the instant at which an
// earlier one of the client is given up, and the order would be left to chance.
const (
	patience     = 970 * time.Millisecond
	patienceThen = 230 * time.Millisecond
)

// reply is what came of asking one broker.
type reply[T any] struct {
	value T
	err   error
}

// beside runs ask, which asks a broker that kgo chooses, another one at each call. While none
// has answered it runs it again beside, so that a machine which is gone, or a broker
// that takes connections and says nothing, holds nobody up for longer than patience. kgo gives
// each ten seconds to let itself be dialed, and ten to answer the first request.
//
// What comes first counts, an error too: the caller tries again, and what is still under
// way then goes on and may leave a connection for the next try. n is 0 for the first call
// of ask. The calls that are left when beside returns end by themselves.
func beside[T any](ctx context.Context, r *requests, ask func(ctx context.Context, n int) (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	most := r.doors()
	replies := make(chan reply[T], most)
	cancels := make([]context.CancelFunc, 0, most)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		if len(cancels) < most {
			if !r.begin() {
				return none, kgo.ErrClientClosed
			}
			n := len(cancels)
			one, cancel := context.WithCancel(ctx)
			cancels = append(cancels, cancel)
			go func() {
				defer r.finish()
				defer cancel()
				value, err := ask(one, n)
				replies <- reply[T]{value, err}
			}()
		}
		select {
		case res := <-replies:
			if res.err == nil {
				for _, cancel := range cancels {
					cancel()
				}
			}
			return res.value, res.err
		case <-ctx.Done():
			return none, ctx.Err()
		case <-timer.C:
			timer.Reset(patienceThen)
		}
	}
}

// doors returns how many brokers, and ways to them, there are to ask.
func (r *requests) doors() int {
	return min(len(r.cl.DiscoveredBrokers())+len(r.cl.SeedBrokers()), mostWitnesses)
}

// inTurn asks brokers one after the other, the next one as soon as one has answered or failed, or
// has done neither for patienceThen. Each has witnessTimeout. It hands what they say to
// take as it comes, until all have answered or take wants no more.
func inTurn[T any](ctx context.Context, r *requests, brokers []*kgo.Broker, ask func(context.Context, *kgo.Broker) (T, error), take func(T, error) (more bool)) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	replies := make(chan reply[T], len(brokers))
	timer := time.NewTimer(0)
	defer timer.Stop()
	for asked, came := 0, 0; came < len(brokers); {
		next := timer.C
		if asked == len(brokers) {
			next = nil
		}
		select {
		case a := <-replies:
			if came++; !take(a.value, a.err) {
				return
			}
			timer.Reset(0)
			continue
		case <-ctx.Done():
			return
		case <-next:
		}
		if !r.begin() {
			return
		}
		b := brokers[asked]
		asked++
		go func() {
			defer r.finish()
			one, cancel := context.WithTimeout(ctx, witnessTimeout)
			defer cancel()
			value, err := ask(one, b)
			replies <- reply[T]{value, err}
		}()
		timer.Reset(patienceThen)
	}
}
