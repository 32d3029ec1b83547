package kvstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// failFast decides whether an opening ends before its context does, because waiting can't
// cure the error.
//
// What makes a connection useless - a certificate, a password - may be one
// broker's own fault. So it ends an opening only when all brokers that can be
// reached say so, and once more after a while.
type failFast struct {
	on   bool
	part *partition

	since   time.Time // when all agreed first; zero when they did not
	refused int       // consecutive answers that refuse the topic
}

// mostRefusals is how many times in a row something has to be refused: rights that were
// just given, or a topic that was just changed, do not reach all brokers at the same time.
const mostRefusals = 3

// How long brokers have to agree that a connection is useless: all of them, or
// those that can be reached while others can't.
const (
	agreedByAll  = 2 * time.Second
	agreedBySome = 10 * time.Second
)

// final returns the error that ends the opening, or how long to wait before the next try at
// least.
func (f *failFast) final(ctx context.Context, err error) (wait time.Duration, end error) {
	if isOneOf(err, fatalErrors) {
		return 0, err
	}
	if isOneOf(err, refusedErrors) && (f.on || errors.Is(err, kerr.InvalidTopicException)) {
		if f.refused++; f.refused >= mostRefusals {
			return 0, err
		}
		return 0, nil
	}
	f.refused = 0
	if !f.on {
		return 0, nil
	}
	advice := useless(err)
	if advice == "" {
		return 0, nil
	}
	agreed, silent := f.poll(ctx)
	if agreed == 0 {
		f.since = time.Time{}
		return 0, nil
	}
	if f.since.IsZero() {
		f.since = time.Now()
	}
	needs := agreedByAll
	if silent > 0 {
		needs = agreedBySome
	}
	if time.Since(f.since) < needs {
		return agreedByAll, nil // too many wrong passwords lock users out
	}
	return 0, fmt.Errorf("%w: all %d brokers that could be asked agree, so the opening does not wait for its context (WithFailFast): %s", err, agreed, advice)
}

// poll asks the brokers whether any of them accepts this client's connections. It returns
// how many don't, zero as soon as one does, and how many could not be reached. The brokers
// that the cluster names are what counts; without them, those that the user named.
func (f *failFast) poll(ctx context.Context) (agreed, silent int) {
	all := f.part.cl.DiscoveredBrokers()
	if len(all) == 0 {
		all = f.part.cl.SeedBrokers()
	}
	all = all[:min(len(all), mostWitnesses)]
	taken := false
	inTurn(ctx, f.part.asks, all, greet, func(_ struct{}, err error) bool {
		switch {
		case err == nil:
			taken = true
		case useless(err) != "":
			agreed++
		}
		return !taken
	})
	if taken {
		return 0, 0
	}
	return agreed, len(all) - agreed
}

// greet sends a broker a request that needs no right but a connection.
func greet(ctx context.Context, b *kgo.Broker) (struct{}, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{} // none
	_, err := req.RequestWith(ctx, b)
	return struct{}{}, err
}
