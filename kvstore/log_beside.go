package kvstore

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// How long a broker has for an answer before another one is asked as well: about a second
// for the first one, and less for each of the others. They are not round numbers, so that
// in simulated time none of these questions falls on the instant at which an earlier one of
// the client is abandoned, which would leave the order to chance.
const (
	patience     = 970 * time.Millisecond
	patienceThen = 230 * time.Millisecond
)

// How many questions go on after another broker's error was the answer, and for how long:
// as long as kgo lets a dial take, so that a slow broker's connection is still set up. kgo
// sets up one connection to a broker at a time, and tries again for each question that
// waits for it if that fails. At a broker that says nothing the questions would pile up if
// the others were not abandoned.
const (
	leftFor  = 10 * time.Second
	mostLeft = 8
)

// reply is the result of asking one broker.
type reply[T any] struct {
	value T
	err   error
}

// beside runs ask, which asks a broker that kgo chooses, another one at each call. While
// none has answered it runs ask again in parallel, so that a dead machine, or a broker that
// accepts connections and says nothing, delays nobody for longer than patience. kgo gives
// each broker ten seconds to be dialed, and ten to answer the first request.
//
// The first result counts, even an error: the caller tries again, and what is still under
// way goes on for leftFor and may leave a connection for the next try, unless mostLeft do
// already. n is 0 for the first call of ask. The calls that are left when beside returns
// end on their own, abandoned ones as soon as kgo gets to them.
func beside[T any](ctx context.Context, r *requests, ask func(ctx context.Context, n int) (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	most := r.doors()
	replies := make(chan reply[T], most)
	asked := make([]question, 0, most)
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		if len(asked) < most {
			if !r.begin() {
				return none, kgo.ErrClientClosed
			}
			n := len(asked)
			one, cancel := context.WithCancel(ctx)
			asked = append(asked, question{one, cancel})
			go func() {
				defer r.finish()
				value, err := ask(one, n)
				cancel()
				replies <- reply[T]{value, err}
			}()
		}
		select {
		case res := <-replies:
			for _, q := range asked {
				if res.err == nil || !r.leave(q) {
					q.cancel()
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

// question is what beside asks one broker. Its context ends with it.
type question struct {
	ctx    context.Context //nolint:containedctx // of the question
	cancel context.CancelFunc
}

// leave lets a question go on for leftFor and reports true, unless mostLeft do already.
func (r *requests) leave(q question) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if q.ctx.Err() != nil || r.left >= mostLeft {
		return false
	}
	r.left++
	timer := time.AfterFunc(leftFor, q.cancel)
	context.AfterFunc(q.ctx, func() {
		timer.Stop()
		r.mu.Lock()
		defer r.mu.Unlock()
		r.left--
	})
	return true
}

// doors returns how many brokers there are to ask, seeds included.
func (r *requests) doors() int {
	return min(len(r.cl.DiscoveredBrokers())+len(r.cl.SeedBrokers()), mostWitnesses)
}

// inTurn asks brokers one after the other, the next one as soon as one has answered or
// failed, or has done neither for patienceThen. Each has witnessTimeout. It hands answers
// to take as they come, until all have answered or take wants no more.
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
