package kvstoretest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/kvsim/kvsim/internal/fakecluster"
	"github.com/kvsim/kvsim/internal/simnet"
)

// Effect is a fault under way: something that is being done to the cluster, or that was done
// once. It ends with Undo, or when the test ends. All methods are safe for concurrent use.
type Effect struct {
	k    *Kit
	text string
	hits func() int
	wait func(ctx context.Context, n int) error
	undo func() error

	mu   sync.Mutex
	over bool
	heal func() // tells the history, may be nil
}

// Hits returns how many times the fault has taken effect: messages delayed or held, requests
// failed, connections dropped, records removed.
func (f *Effect) Hits() int { return f.hits() }

// Wait waits until the fault has at least n hits. It fails the test if that does not happen
// within the kit's timeout, or can't happen any more.
func (f *Effect) Wait(n int) {
	f.k.t.Helper()
	ctx, cancel := f.k.context()
	defer cancel()
	err := f.wait(ctx, n)
	if err == nil {
		return
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("not within %v", f.k.cfg.timeout)
	}
	f.k.t.Fatalf("Wait(%d) for fault %q = %v: it has taken effect %d times\n%s", n, f.text, err, f.Hits(), f.k.scene(nil))
}

// TryWait is like [Effect.Wait], and may be called from any goroutine: it returns the error, and only
// ctx bounds it.
func (f *Effect) TryWait(ctx context.Context, n int) error { return f.wait(ctx, n) }

// Undo ends the fault. What was done once stays done: deleted records do not come back. Undo
// may be called again.
func (f *Effect) Undo() {
	f.k.t.Helper()
	f.mu.Lock()
	was := f.over
	f.over = true
	heal := f.heal
	f.mu.Unlock()
	if was {
		return
	}
	if f.undo != nil {
		if err := f.undo(); err != nil && !errors.Is(err, fakecluster.ErrClosed) {
			f.k.t.Errorf("kvstoretest: undo fault %q: %v", f.text, err)
		}
	}
	if heal != nil {
		heal()
	}
}

// String returns the fault as a line of a plan of package sim, without its times:
// "lose-answer client=a api=produce count=1". A setting that is not there is not
// limited: all clients, every request.
func (f *Effect) String() string { return f.text }

func (f *Effect) active() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.over
}

// install registers a fault that lasts until it is undone.
func (k *Kit) install(f *Effect) *Effect {
	f.k = k
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.history != nil {
		f.heal = k.history.rec.Fault(f.text)
	}
	k.faults = append(k.faults, f)
	return f
}

// lasting installs a fault of the cluster or of the network.
func (k *Kit) lasting(text string, inner fakecluster.Effect) *Effect {
	return k.install(&Effect{
		text: text, hits: inner.Hits, wait: inner.Wait,
		undo: func() error { inner.Undo(); return nil },
	})
}

// inject starts a fault of the brokers, unless what was asked for makes no sense.
func inject[F any](k *Kit, call, text string, ok bool, start func(F) (fakecluster.Effect, error), f F) *Effect {
	k.t.Helper()
	if !ok {
		return k.inert(text)
	}
	inner, err := start(f)
	if err != nil {
		k.fatal("%s: %v", call, err)
		return k.inert(text)
	}
	return k.lasting(text, inner)
}

// done registers a fault that was done once, with its number of hits.
func (k *Kit) done(text string, hits int) *Effect {
	f := k.install(&Effect{text: text, hits: func() int { return hits }, wait: func(_ context.Context, n int) error {
		if n > hits {
			return errors.New("it was done at once and will not take effect again")
		}
		return nil
	}})
	f.Undo()
	return f
}

// inert returns a fault that does nothing, for one that could not be installed. The test has
// failed already.
func (k *Kit) inert(text string) *Effect {
	return &Effect{
		k: k, text: text, over: true, hits: func() int { return 0 },
		wait: func(context.Context, int) error { return errors.New("it could not be installed") },
	}
}

// target returns the links of the named clients, of all clients if none is
// named. It reports false after a misuse.
func (k *Kit) target(call string, clients []string) (simnet.Target, bool) {
	k.t.Helper()
	if k.cluster.Network() == nil {
		k.misuse("%s is a fault of the in-memory network: leave WithTCP out", call)
		return simnet.Target{}, false
	}
	k.mu.Lock()
	unknown := ""
	for _, c := range clients {
		if k.clients[c] == nil {
			unknown = c
		}
	}
	known := "none yet"
	if len(k.names) > 0 {
		known = strings.Join(k.names, ", ")
	}
	k.mu.Unlock()
	if unknown != "" {
		k.misuse("%s: there is no client %q; known are %s (names are given to Open, ClientOptions and KafkaOptions)", call, unknown, known)
		return simnet.Target{}, false
	}
	return simnet.Target{Clients: clients}, true
}

// line is how a plan of package sim writes a fault: its kind, and name=value for
// each setting that is not zero. A setting is a name and a value.
func line(kind string, settings ...any) string {
	var b strings.Builder
	b.WriteString(kind)
	for i := 0; i < len(settings); i += 2 {
		if v := settings[i+1]; !reflect.ValueOf(v).IsZero() {
			fmt.Fprintf(&b, " %v=%v", settings[i], v)
		}
	}
	return b.String()
}

// clientsOf are the clients that a fault is about, as a setting; all if it is empty.
func clientsOf(clients []string) string {
	all := strings.Join(clients, ",")
	if strings.ContainsAny(all, " \t\n\"") {
		return strconv.Quote(all)
	}
	return all
}

// errorName is Kafka's name of an error, as a setting.
func errorName(err error) string {
	if ke, ok := errors.AsType[*kerr.Error](err); ok {
		return ke.Message
	}
	return fmt.Sprint(err)
}
